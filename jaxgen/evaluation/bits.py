"""Bits per dimension of whole-numbered pixels, with the kind that they then are."""

import math
from typing import NamedTuple

import numpy as np

from jaxgen.model import LogProb
from jaxgen.transform import Density


class Bits(NamedTuple):
    """value, stderr: bits per dimension, mean over events and its standard error. kind: of `value` as a figure for whole-numbered pixels."""

    value: float
    stderr: float
    kind: Density


def bits_per_dim(lp: LogProb, event_shape: tuple[int, ...], *, levels: int | None = None, discrete: bool = False) -> Bits:
    """Bits that a code of the pixels takes for each of their numbers: the mean of `-log p / (D ln 2)` over the events of `lp`.

    discrete: `lp` is of whole numbers; its kind stays. Otherwise it is of dequantised ones, whose density bounds the probability of the whole
        numbers (arXiv 1511.01844), so that the kind is at best a lower bound of the log probability: an upper bound in bits.
    levels: where `lp` is of dequantised pixels in (-1, 1), as `jaxgen.data.load` gives them: their number of values, for the step `2 / levels`
        of a pixel. None where `lp` is in the units of the pixels themselves, as after `zoo.in_units`.
    Raises ValueError for levels below 2 or with `discrete`, and where `lp` holds fewer than two values or one that is not finite.
    """
    if levels is not None and (discrete or levels < 2):
        raise ValueError(f"levels={levels!r}, discrete={discrete!r}: accepted: at least 2 values of a dequantised pixel, or None.")
    value = np.asarray(lp.value, np.float64).ravel()
    if len(value) < 2 or not np.isfinite(value).all():
        raise ValueError(
            f"log_prob: {len(value)} values, {int((~np.isfinite(value)).sum())} not finite; accepted: at least two, all finite."
        )
    dim = math.prod(event_shape)
    bits = -value / (dim * math.log(2)) - (0.0 if levels is None else math.log2(2 / levels))
    kind = lp.density if discrete else max(lp.density, Density.LOWER_BOUND)
    return Bits(float(bits.mean()), float(bits.std(ddof=1) / math.sqrt(len(bits))), kind)
