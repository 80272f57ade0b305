"""Noisy curves in the plane, `two_moons`, `two_spirals` and `swiss_roll`: the density is an integral along the curve, by quadrature."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxgen.data.mixtures import log_mixture
from jaxgen.data.source import Source, nearest_mode, of_event

NODES = 16
PANEL = 4.2
END_PANELS = (1 / 8, 1 / 4, 1 / 2)
"""`NODES` Gauss-Legendre nodes lie on each panel, whose arc length is `PANEL` standard deviations of the noise, so that neighbouring nodes
are at most 0.4 apart. `END_PANELS` are the places where the first and the last panel are cut: for points beyond an end the integrand falls
off exponentially from there.

Far away the integrand is a narrower peak, and the error of the log density grows, but the log density grows faster: for a moon of radius
one it is right to 1e-9 within a distance of three, where it is -800, and to 1e-5 of its value at a hundred."""


class Curve(NamedTuple):
    """Hold a curve and the distribution of its parameter t.

    Attributes:
        point: t `(m,)` to points `(m, 2)`.
        density: t `(m,)` to the density of t on [start, stop] `(m,)`.
        quantile: u `(m,)` in (0, 1) to t `(m,)`, the inverse distribution function.
        start: The smallest t.
        stop: The largest t.
    """

    point: Callable[[np.ndarray], np.ndarray]
    density: Callable[[np.ndarray], np.ndarray]
    quantile: Callable[[np.ndarray], np.ndarray]
    start: float
    stop: float


def two_moons() -> Source:
    """Build scikit-learn's two moons: angles are uniform on two half circles, with Gaussian noise of standard deviation 0.05.

    The outer moon (mode 0) is (cos a, sin a), and the inner one (mode 1) is (1 - cos a, 1/2 - sin a). Each coordinate is then standardised
    by its true mean and standard deviation. In these units the entropy is 1.1312 nats.

    >>> source = two_moons()
    >>> source.mode(source.sample(np.random.default_rng(0), 4)).shape
    (4,)
    """
    outer = _uniform(lambda a: np.stack([np.cos(a), np.sin(a)], axis=1), 0.0, math.pi)
    inner = _uniform(lambda a: np.stack([1 - np.cos(a), 0.5 - np.sin(a)], axis=1), 0.0, math.pi)
    return noisy_curves([outer, inner], 0.05, ENTROPY_MOONS)


def two_spirals() -> Source:
    """Build two spiral arms of one and a half turns, each the point reflection of the other.

    An arm is v (cos 3 pi v, sin 3 pi v) with v the root of a uniform number, so that the mass is spread evenly over the disc, with Gaussian
    noise of standard deviation 0.04. Each coordinate is then standardised. The mode of a point is its arm.

    >>> two_spirals().sample(np.random.default_rng(0), 4).shape
    (4, 2)
    """
    arms = [Curve(_spiral(sign), lambda v: 2 * v, np.sqrt, 0.0, 1.0) for sign in (1.0, -1.0)]
    return noisy_curves(arms, 0.04, ENTROPY_SPIRALS)


def swiss_roll() -> Source:
    """Build scikit-learn's Swiss roll seen along its axis: t (cos t, sin t) with t uniform on [1.5 pi, 4.5 pi].

    Gaussian noise has a standard deviation of 0.5. Each coordinate is then standardised. There is one mode.

    >>> swiss_roll().mode_weights.tolist()
    [1.0]
    """
    roll = _uniform(lambda t: t[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1), 1.5 * math.pi, 4.5 * math.pi)
    return noisy_curves([roll], 0.5, ENTROPY_ROLL)


def noisy_curves(curves: Sequence[Curve], sigma: float, entropy: float) -> Source:
    """Build equal shares of points on each curve plus Gaussian noise, standardised by the exact mean and standard deviation.

    The convolution integral over the parameter becomes a finite sum over quadrature nodes, taken in log space: it is -inf at worst, never
    NaN. The mode of a point is the nearest curve within five standard deviations of the noise.

    Args:
        curves: The curves.
        sigma: The standard deviation of the noise.
        entropy: The entropy of the standardised density, in nats.
    """
    parts = [quadrature(curve, sigma) for curve in curves]
    nodes = np.concatenate([points for points, _ in parts])
    weights = np.concatenate([weight for _, weight in parts]) / len(curves)
    owners = np.repeat(np.arange(len(curves)), [len(points) for points, _ in parts])
    loc = weights @ nodes
    scale = np.sqrt(weights @ (nodes - loc) ** 2 + sigma**2)
    centres, noise = (nodes - loc) / scale, sigma / scale

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        owner, uniform = rng.integers(len(curves), size=n), rng.random(n)
        raw = sigma * rng.standard_normal((n, 2))
        for k, curve in enumerate(curves):
            raw[owner == k] += curve.point(curve.quantile(uniform[owner == k]))
        return (raw - loc) / scale

    log_prob = of_event(2, lambda x: log_mixture(x, weights, centres, noise))
    mode_weights = np.full(len(curves), 1 / len(curves))
    return Source(sample, log_prob, jax.grad(log_prob), entropy, nearest_mode(centres, owners, noise), mode_weights)


def quadrature(curve: Curve, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes `(k, 2)` on the curve and their weights `(k,)`, which sum to one.

    The rule is Gauss-Legendre on panels of equal arc length, at most `PANEL * sigma`; the first and the last panel are cut at `END_PANELS`.

    Args:
        curve: The curve.
        sigma: The standard deviation of the noise.
    """
    t = np.linspace(curve.start, curve.stop, 4097)
    length = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(curve.point(t), axis=0), axis=1)))
    panels = math.ceil(length[-1] / (PANEL * sigma))
    marks = np.linspace(0.0, length[-1], panels + 1)
    marks = np.sort(np.concatenate([marks, *((marks[1] * h, length[-1] - marks[1] * h) for h in END_PANELS)]))
    edges = np.interp(marks, length, t)
    roots, root_weights = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2
    nodes = (edges[:-1, None] + half * (1 + roots)).ravel()
    return curve.point(nodes), (half * root_weights).ravel() * curve.density(nodes)


def _uniform(point: Callable[[np.ndarray], np.ndarray], start: float, stop: float) -> Curve:
    width = stop - start
    return Curve(point, lambda t: np.full(t.shape, 1 / width), lambda u: start + width * u, start, stop)


def _spiral(sign: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda v: sign * v[:, None] * np.stack([np.cos(3 * math.pi * v), np.sin(3 * math.pi * v)], axis=1)


# By the trapezoid rule on a fine grid, which converges spectrally for these densities; the tests derive them again.
ENTROPY_MOONS = 1.131222043715
ENTROPY_SPIRALS = 1.860611211666
ENTROPY_ROLL = 1.352077855000
