"""Bits per dimension of images with whole-numbered pixels, with the kind of density that they are."""

import math
from typing import NamedTuple

import numpy as np

from jaxgen import checks
from jaxgen.model import LogProb
from jaxgen.transform import Density
from jaxgen.types import Shape


class Bits(NamedTuple):
    """Bits per dimension.

    Attributes:
        value: Mean over events.
        stderr: Standard error of that mean.
        kind: What `value` is for whole-numbered pixels; a lower bound of the log probability is an upper bound in bits.
    """

    value: float
    stderr: float
    kind: Density


def bits_per_dim(lp: LogProb, event_shape: Shape, *, levels: int | None = None, discrete: bool = False) -> Bits:
    """Return the mean of `-log2 p / D` over events: the bits that a code of the pixels takes for each of its D numbers.

    The density of dequantised pixels is a lower bound of the probability of the whole-numbered ones, so the kind is then at best a lower
    bound.

    Args:
        lp: Log densities of n >= 2 events in nats.
        event_shape: Shape of one event, whose product is D.
        levels: Number of values of a pixel, if `lp` is of dequantised pixels in (-1, 1), as `jaxgen.data.load` gives them. None if `lp` is
            in the units of the pixels, as after `zoo.in_units`.
        discrete: Whether `lp` is of whole-numbered pixels, so that its kind stays as it is.

    Returns:
        The mean, its standard error and the kind.

    Raises:
        ValueError: `levels` is below 2 or comes with `discrete`, or fewer than two values or values that are not finite are given.

    Source: arXiv 1511.01844 (dequantised pixels).

    >>> import numpy as np
    >>> lp = LogProb(np.full(3, -4 * np.log(256)), np.zeros(3), Density.EXACT)
    >>> bits_per_dim(lp, (2, 2), discrete=True).value
    8.0
    """
    if not isinstance(lp, LogProb):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"bits_per_dim: lp={checks.short(lp)}; accepted: what jaxgen.log_prob returns.")
    if levels is not None:
        checks.count("bits_per_dim: levels", levels, 2)
    if levels is not None and discrete:
        raise ValueError(
            f"bits_per_dim: levels={levels!r}, discrete={discrete!r}; accepted: levels of dequantised pixels, or None with discrete."
        )
    value = checks.numbers("bits_per_dim: lp.value", lp.value).ravel()
    if len(value) < 2 or not np.isfinite(value).all():
        bad = int((~np.isfinite(value)).sum())
        raise ValueError(f"bits_per_dim: lp={len(value)} values, {bad} not finite; accepted: at least two, all finite.")
    bits = bits_of_nll(-float(value.mean()), float(value.std(ddof=1)) / math.sqrt(len(value)), lp.density, event_shape, discrete=discrete)
    return bits if levels is None else bits._replace(value=bits.value - math.log2(2 / levels))


def bits_of_nll(nll: float, stderr: float, kind: Density, event_shape: Shape, *, discrete: bool = False) -> Bits:
    """Turn a mean negative log-likelihood in the units of the pixels into bits per dimension.

    Args:
        nll: Mean negative log-likelihood in nats.
        stderr: Its standard error.
        kind: What the log-likelihood is.
        event_shape: Shape of one event.
        discrete: Whether it is of whole-numbered pixels; otherwise the kind becomes at best a lower bound.

    Returns:
        Both numbers in bits per dimension, and the kind.

    >>> bits_of_nll(4.0 * math.log(2), 0.0, Density.EXACT, (2, 2), discrete=True)
    Bits(value=1.0, stderr=0.0, kind=<Density.EXACT: 0>)
    """
    nats = math.prod(checks.shape("bits_of_nll: event_shape", event_shape)) * math.log(2)
    return Bits(nll / nats, stderr / nats, kind if discrete else max(kind, Density.LOWER_BOUND))
