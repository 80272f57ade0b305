"""Surjections: maps that forget something, with the likelihood contribution of what they forgot (SurVAE flows, arXiv 2007.02731)."""

from jaxgen.transforms.surjections.argmax import argmax_codes
from jaxgen.transforms.surjections.dequantisation import rounding, uniform_dequantisation, variational_dequantisation
from jaxgen.transforms.surjections.folding import absolute, signs
from jaxgen.transforms.surjections.indexing import indexed
from jaxgen.transforms.surjections.ordering import ascending, shuffling, sorting
from jaxgen.transforms.surjections.pooling import max_pooling
from jaxgen.transforms.surjections.preimages import sum_over_preimages
from jaxgen.transforms.surjections.slicing import augmentation, slicing
from jaxgen.transforms.surjections.table_cells import Cell, table_cells

__all__ = [
    "Cell",
    "absolute",
    "argmax_codes",
    "ascending",
    "augmentation",
    "indexed",
    "max_pooling",
    "rounding",
    "shuffling",
    "signs",
    "slicing",
    "sorting",
    "sum_over_preimages",
    "table_cells",
    "uniform_dequantisation",
    "variational_dequantisation",
]
