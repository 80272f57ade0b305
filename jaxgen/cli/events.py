"""The data set of a run: what the command line says of it, and of images the pixels that the model takes."""

from collections.abc import Mapping
from typing import Any

from jaxgen import data as datasets
from jaxgen import zoo


def load_for(model: str, source: Mapping[str, Any], download: bool = False) -> datasets.Dataset:
    """The data set that `source` names (data, columns, cond_columns, labels, data_dir), images as `model` takes them.

    Raises ValueError where the model takes no images, and for an option that does not apply to the data.
    """
    name = source["data"]
    given = {k: source[k] for k in ("columns", "cond_columns", "data_dir", "labels") if source.get(k)}
    if datasets.is_images(name):
        dataset = datasets.load(name, pixels=zoo.pixels(model), download=download, **given)
        print(f"{name}: {len(dataset.train)} / {len(dataset.valid)} / {len(dataset.test)} images from {dataset.source}")
        return dataset
    options = [option for option, value in (("--labels", given.get("labels")), ("--data-dir", given.get("data_dir"))) if value]
    options += ["--download"] if download else []
    if options:
        raise ValueError(f"{options[0]}: this is for images; --data {name} has none. Accepted: {', '.join(datasets.IMAGES)}, a folder.")
    return datasets.load(name, **given)
