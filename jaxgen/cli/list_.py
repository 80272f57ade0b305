"""`jaxgen list`: print the models and the data sets."""

from rich.console import Console
from rich.table import Table

from jaxgen.data import DISCRETE as DISCRETE_DATA
from jaxgen.data import IMAGES as IMAGE_DATA
from jaxgen.data import NAMES as DATA
from jaxgen.training import Entry
from jaxgen.zoo import DISCRETE, IMAGES, NAMES, build, describe, docstring


def list_entries(*, model: str | None = None, dim: int = 2) -> int:
    """Print the models of the zoo by family, each with its objective and the kind of its density, and the named data sets.

    Args:
        model: Print only this model, with all its options and what they are.
        dim: Number of coordinates of an event. Above 16 the density of ODE models is an estimate.
    """
    console = Console()
    if model is not None:
        _print_model(console, model, dim)
        return 0
    entries = [build(name, (dim,)) for name in (*NAMES, *DISCRETE)]
    table = Table("model", "objective", "density of each reading", box=None, pad_edge=False)
    for family in dict.fromkeys(entry.card.family for entry in entries):
        table.add_row(f"[bold]{family}[/bold]")
        for entry in entries:
            if entry.card.family == family:
                table.add_row(f"  {entry.card.name}", entry.card.objective, _densities(entry))
    console.print(table)
    console.print("\nmodels of images: " + ", ".join(IMAGES), highlight=False)
    console.print("data: " + ", ".join(DATA) + "; or a .npy, .npz, .csv or .parquet file", highlight=False)
    console.print("codes: " + ", ".join(DISCRETE_DATA) + "; or a .txt file", highlight=False)
    console.print("images: " + ", ".join(IMAGE_DATA) + "; or a folder of .png and .jpg files", highlight=False)
    console.print("options of a model: jaxgen list --model NAME", highlight=False)
    return 0


def _print_model(console: Console, name: str, dim: int) -> None:
    entry = build(name, (dim,))
    console.print(f"{name}: {entry.card.family}, {entry.card.objective}, density {_densities(entry)}\n", highlight=False, markup=False)
    console.print(docstring(name, (dim,)), highlight=False, markup=False)
    options = ", ".join(f"{option}={value}" for option, value in describe(name, (dim,)).items())
    console.print(f"\noptions at {dim} coordinates: {options}", highlight=False, markup=False)


def _densities(entry: Entry) -> str:
    densities = ", ".join(f"{reading}: {model.transform.kind}" for reading, model in entry.readings.items())
    return densities.removeprefix("default: ")
