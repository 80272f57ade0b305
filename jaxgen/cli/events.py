"""The data set of a run: what the command line says of it, with pixels as the model takes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxgen import data as datasets
from jaxgen import zoo
from jaxgen.data.files import SUFFIXES, load_table
from jaxgen.data.readers import read_table


def load_for(model: str, source: Mapping[str, Any], download: bool = False, schema: datasets.Schema | None = None) -> datasets.Dataset:
    """Load the data set of a run.

    Args:
        model: Name of the model, which decides whether pixels are whole-numbered or dequantised.
        source: What the command line said: `data`, and where given `columns`, `cond_columns`, `labels` and `data_dir`.
        download: Whether to download the files of a named image set that are not found.
        schema: For a table, the columns of a trained model, which are then looked for in it; None finds what its columns are.

    Returns:
        The data set.

    Raises:
        ValueError: The model takes no images, or an option does not apply to the data.
    """
    name = source["data"]
    given = {k: source[k] for k in ("columns", "cond_columns", "discrete", "dates", "drop", "data_dir", "labels") if source.get(k)}
    if datasets.is_images(name):
        if model not in zoo.IMAGES:
            raise ValueError(f"--model {model}: --data {name} is read as images; accepted for images: {', '.join(zoo.IMAGES)}.")
        dataset = datasets.load(name, pixels=zoo.pixels(model), download=download, **given)
        print(f"{name}: {len(dataset.train)} / {len(dataset.valid)} / {len(dataset.test)} images from {dataset.source}")
        return dataset
    options = [option for option, value in (("--labels", given.get("labels")), ("--data-dir", given.get("data_dir"))) if value]
    options += ["--download"] if download else []
    if options:
        raise ValueError(f"{options[0]}: this is for images; --data {name} has none; accepted: {', '.join(datasets.IMAGES)}, a folder.")
    if schema is not None and Path(name).suffix.lower() in SUFFIXES:
        return load_table(read_table(name), Path(name).stem, schema=schema)
    return datasets.load(name, **given)
