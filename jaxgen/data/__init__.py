"""Data: densities with known truth, image sets, readers for the user's own tables and images, and streams of what is too large to load."""

from jaxgen.data.categories import Categories
from jaxgen.data.codes import CodeSource, hidden_markov, ising_chain, ising_square, markov_chain
from jaxgen.data.columns import Column
from jaxgen.data.dataset import Dataset, Split, Units
from jaxgen.data.files import DataError, MissingExtra
from jaxgen.data.gray import decoded, gray_coded
from jaxgen.data.registry import DISCRETE, IMAGES, NAMES, draw, is_discrete, is_images, load
from jaxgen.data.restored import to_frame
from jaxgen.data.schema import Schema
from jaxgen.data.stream import stream
from jaxgen.data.text import decode_text, encode_text

__all__ = [
    "DISCRETE", "IMAGES", "NAMES", "Categories", "CodeSource", "Column", "DataError", "Dataset", "MissingExtra", "Schema", "Split",
    "Units", "decode_text", "decoded", "draw", "encode_text", "gray_coded", "hidden_markov", "is_discrete", "is_images",
    "ising_chain", "ising_square", "load", "markov_chain", "stream", "to_frame",
]  # fmt: skip
