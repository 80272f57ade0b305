"""Data: densities with known truth, image sets, readers for the user's own tables and images, and streams of what is too large to load."""

from jaxgen.data.categories import Categories
from jaxgen.data.columns import Column
from jaxgen.data.dataset import Dataset, Split, Units
from jaxgen.data.files import DataError, MissingExtra
from jaxgen.data.registry import IMAGES, NAMES, draw, is_images, load
from jaxgen.data.restored import to_frame
from jaxgen.data.schema import Schema
from jaxgen.data.stream import stream

__all__ = [
    "IMAGES", "NAMES", "Categories", "Column", "DataError", "Dataset", "MissingExtra", "Schema", "Split", "Units", "draw", "is_images",
    "load", "stream", "to_frame",
]  # fmt: skip
