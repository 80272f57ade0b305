"""`jaxgen list`: print the models and the data sets."""

from rich.console import Console
from rich.table import Table

from jaxgen.data import DISCRETE as DISCRETE_DATA
from jaxgen.data import IMAGES as IMAGE_DATA
from jaxgen.data import NAMES as DATA
from jaxgen.zoo import DISCRETE, IMAGES, NAMES, build


def list_entries(*, dim: int = 2) -> int:
    """Print the models of the zoo, each with its family, its objective and the kind of its density, and the named data sets.

    Args:
        dim: Number of coordinates of an event. Above 16 the density of ODE models is an estimate.
    """
    table = Table("model", "family", "objective", "density of each reading", "parameters options")
    for name in (*NAMES, *DISCRETE):
        entry = build(name, (dim,))
        densities = ", ".join(f"{reading}: {model.transform.kind}" for reading, model in entry.readings.items())
        table.add_row(name, entry.card.family, entry.card.objective, densities.removeprefix("default: "), _options(name))
    Console().print(table)
    Console().print("models of images: " + ", ".join(IMAGES), highlight=False)
    Console().print("data: " + ", ".join(DATA) + "; or a .npy, .npz, .csv or .parquet file", highlight=False)
    Console().print("codes: " + ", ".join(DISCRETE_DATA) + "; or a .txt file", highlight=False)
    Console().print("images: " + ", ".join(IMAGE_DATA) + "; or a folder of .png and .jpg files", highlight=False)
    return 0


def _options(name: str) -> str:
    from jaxgen.zoo import describe

    return ", ".join(f"{option}={value}" for option, value in describe(name).items())
