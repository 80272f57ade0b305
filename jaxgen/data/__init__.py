"""Data: densities with known truth, scikit-learn's digits, and a reader for the user's own tables."""

from jaxgen.data.categories import Categories
from jaxgen.data.dataset import Dataset, Split, Units
from jaxgen.data.files import DataError, MissingExtra
from jaxgen.data.registry import NAMES, draw, load

__all__ = ["NAMES", "Categories", "DataError", "Dataset", "MissingExtra", "Split", "Units", "draw", "load"]
