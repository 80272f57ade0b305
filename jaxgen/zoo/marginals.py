"""The support and the tails of one column of numbers, found from its training rows by the held-out likelihood of simple marginals."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.transforms import Scalar, above, between, scale_and_shift, student_tails
from jaxgen.transforms.scalars.tails import MIN_INDEX

WIDEST = 100.0
"""The largest logarithm of a scale that a marginal may have."""
START = 0.1
SCALARS: dict[str, Scalar] = {
    "affine": scale_and_shift(WIDEST),
    "tails": student_tails(START, WIDEST),
    "above": above(),
    "between": between(),
}
"""The bijections from a standard normal number to a column, by the name of the family."""
INTERVALS = ((0.0, 1.0), (-1.0, 1.0), (0.0, 100.0), (0.0, 360.0), (-180.0, 180.0), (-90.0, 90.0), (0.0, 2 * math.pi), (-math.pi, math.pi))
"""Intervals that quantities have by their nature: a bound is never guessed from the extremes of the training rows."""
RADIANS = (math.pi, 2 * math.pi)
"""Upper ends at which a column has to arrive, as angles do: standardised numbers lie between -pi and pi by chance."""
MOST_ROWS, FOLDS = 4_000, 5
LEAST_ROWS = 40
"""With fewer rows no support is looked for: the likelihoods of the families would not tell them apart."""
BEYOND, NEVER = 3.0, 0.01
"""A bound is believed if the best marginal without bounds expects at least 3 of the training rows beyond it, although no row is there. The other end
of an interval may also be so far away that it expects less than a hundredth of a row there."""


class Marginal(NamedTuple):
    """Hold the marginal of a column: which bijection of a standard normal number it is.

    Attributes:
        family: A name in `SCALARS`: "affine" for the whole line with Gaussian tails, "tails" for heavy tails, left and right each of its own
            weight, "above" for numbers above a bound, "between" for numbers in an interval.
        theta: The parameters of the bijection.
    """

    family: str
    theta: tuple[float, ...]

    @property
    def scalar(self) -> Scalar:
        """Return the bijection."""
        return SCALARS[self.family]

    def __str__(self) -> str:
        if self.family == "above":
            return f"above {self.theta[2]:g}"
        if self.family == "between":
            return f"between {self.theta[2]:g} and {self.theta[2] + math.exp(self.theta[3]):g}"
        if self.family == "tails":
            left, right = (_index(theta) for theta in self.theta[2:])
            return f"heavy tails (index {left:.2g} left, {right:.2g} right)"
        return "standardised"


def affine_marginal(loc: float, scale: float) -> Marginal:
    """Return the marginal `x = loc + scale z`.

    Args:
        loc: The shift, in the units of the column.
        scale: The factor, above 0.
    """
    return Marginal("affine", (loc, _log_scale(math.log(scale))))


def near_affine(marginal: Marginal, values: np.ndarray) -> Marginal:
    """Return the marginal of the same support that is nearest to an affine map.

    Args:
        marginal: The marginal of a column.
        values: The training rows `(n,)` of the column, spread over their cells if they are whole numbers.

    Returns:
        The affine map for a column without bounds, the one that bends over the shortest distance for a half line, and `marginal` for an
        interval, which has no such map.

    >>> x = np.exp(np.random.default_rng(0).normal(size=300))
    >>> marginal = near_affine(find_marginal(x), x)
    >>> str(marginal), round(math.exp(marginal.theta[3]) / float(x.std()), 3)
    ('above 0', 0.1)
    """
    if marginal.family == "above":
        return _fitted(values, _Family("above", marginal.theta[2], _sizes(values)[0])) or marginal
    return marginal if marginal.family == "between" else plain(values)


def find_marginal(values: np.ndarray, whole: bool = False, *, bounds: bool = True, seed: int = 0) -> Marginal:
    """Choose the marginal of a column by the likelihood of held-out rows.

    Each family is fitted in closed form to four fifths of the rows and judged by its log density of the others. The best one is taken if
    it is ahead of the affine map by more than one standard error of the difference and by 0.01 nats a row. A bound needs more than that, because a
    test row beyond it would have no density: it must be the end of a natural interval (0, 1, 100, 180, ...; for whole numbers also an
    end at which a twentieth of the rows lie), and the best family without bounds must expect rows beyond it. Rows that lie on a grid, such
    as counts and rounded numbers, may reach the end itself, so that the bound is half a cell beyond it.

    Args:
        values: The training rows `(n,)` of the column, in the units of the data; NaN is left out.
        whole: Whether they are whole numbers, which are spread uniformly over their unit cells first.
        bounds: Whether the column may have a bound; False for one whose zero is arbitrary, such as days.
        seed: The seed of the folds and the spread.

    Returns:
        The marginal, fitted to all rows.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> [str(find_marginal(x)) for x in (rng.normal(size=300), np.exp(rng.normal(size=300)), rng.uniform(size=300))]
    ['standardised', 'above 0', 'between 0 and 1']
    """
    rng = np.random.default_rng([7, seed])
    given = values[~np.isnan(values)].astype(np.float64)
    ends = _ends(given, whole) if bounds else ()
    given = rng.permutation(given)[:MOST_ROWS]
    x = given + rng.uniform(size=len(given)) if whole else given
    straight = plain(x)
    if len(x) < LEAST_ROWS:
        return straight
    fold = np.arange(len(x)) % FOLDS
    free = {"affine": [_Family("affine")], "tails": [_Family("tails")]}
    scores = {family: _judged(x, fold, family) for family in (*free["affine"], *free["tails"])}
    best_free = max(scores, key=lambda family: scores[family].mean())
    outside = _fitted(x, best_free)
    for low, high in ends:
        if outside is not None and _believed(outside, len(given), low, high):
            sizes = _sizes(x) if math.isinf(high) else [high - low]
            families = [_Family("above" if math.isinf(high) else "between", low, size) for size in sizes]
            scores |= {family: _judged(x, fold, family) for family in families}
    base = scores[_Family("affine")]
    best = max(scores, key=lambda family: scores[family].mean())
    gain = scores[best] - base
    if not np.isfinite(gain).all() or gain.mean() < 0.01 or gain.mean() < gain.std() / math.sqrt(len(gain)):
        return straight
    return _fitted(x, best) or straight


def plain(x: np.ndarray) -> Marginal:
    """Return the affine marginal of a column, by its mean and standard deviation.

    Args:
        x: The rows `(n,)`.
    """
    return affine_marginal(float(x.mean()), float(x.std()) or 1.0)


class _Family(NamedTuple):
    name: str
    low: float = 0.0
    size: float = 1.0


def _judged(x: np.ndarray, fold: np.ndarray, family: _Family) -> np.ndarray:
    """The log density `(n,)` of each row under the family fitted to the other folds; -inf if it cannot be fitted."""
    fits = [_fitted(x[fold != k], family) for k in range(FOLDS)]
    if any(fit is None for fit in fits):
        return np.full(len(x), -np.inf)
    logs = _log_density(family.name, np.array([fit.theta for fit in fits if fit is not None]), x)
    return logs[fold, np.arange(len(x))]


def _log_density(family: str, thetas: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Log densities `(k, n)` of rows under k parameters, in double precision."""
    # Tables of any number of rows share a few compiled programs.
    padded = np.concatenate([x, np.repeat(x[-1:], max(256, 1 << (len(x) - 1).bit_length()) - len(x))])
    with jax.enable_x64(True):
        z, log_det = _inverse(family, jnp.asarray(thetas), jnp.asarray(padded))
        return np.asarray(-0.5 * z**2 - 0.5 * math.log(2 * math.pi) + log_det)[:, : len(x)]


def _inverse(family: str, thetas: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return _INVERSES[family](thetas, x)


def _many(scalar: Scalar) -> "jax.stages.Wrapped":
    return jax.jit(jax.vmap(jax.vmap(scalar.inverse, (None, 0)), (0, None)))


_INVERSES = {name: _many(scalar) for name, scalar in SCALARS.items()}


def _fitted(x: np.ndarray, family: _Family) -> Marginal | None:
    """Fit a family in closed form: by the moments of what it maps to a standard normal number, or by normal scores."""
    if family.name == "affine":
        return affine_marginal(float(x.mean()), float(x.std())) if x.std() > 0 else None
    if family.name == "tails":
        return _heavy(x)
    share = (x - family.low) / family.size
    if share.min() <= 0 or (family.name == "between" and share.max() >= 1):
        return None
    u = share + np.log(-np.expm1(-share)) if family.name == "above" else np.log(share) - np.log1p(-share)
    if not np.isfinite(u).all() or u.std() == 0:
        return None
    return Marginal(family.name, (float(u.mean()), math.log(u.std()), family.low, math.log(family.size)))


def _heavy(x: np.ndarray) -> Marginal | None:
    """Fit `log |x - median| - log |z| = log scale + h z^2 / 2` to normal scores z, with one h for each side (Hoaglin 1985, g and h)."""
    from scipy.special import ndtri

    median = float(np.median(x))
    away = np.sort(x) - median
    z = ndtri((np.arange(len(x)) + 0.5) / len(x))
    kept = (np.abs(z) > 0.1) & (away * z > 0)
    if kept.sum() < 10:
        return None
    z, y = z[kept], np.log(np.abs(away[kept])) - np.log(np.abs(z[kept]))
    columns = {"scale": np.ones_like(z), "left": np.where(z < 0, z**2 / 2, 0), "right": np.where(z > 0, z**2 / 2, 0)}
    while True:
        fit = dict(zip(columns, np.linalg.lstsq(np.stack(list(columns.values()), 1), y, rcond=None)[0].tolist(), strict=True))
        negative = [side for side in ("left", "right") if fit.get(side, 0) < 0]
        if not negative:
            break
        for side in negative:
            del columns[side]
    tails = [min(fit.get(side, 0.0), 2.0) for side in ("left", "right")]
    if max(tails) < 0.01:
        return None
    return Marginal("tails", (median, _log_scale(fit["scale"]), *(_theta(h) for h in tails)))


def _ends(values: np.ndarray, whole: bool) -> Sequence[tuple[float, float]]:
    """Return the supports that the rows allow: half lines from 0 and intervals that quantities have by nature, and ends where many rows lie."""
    low, high = float(values.min()), float(values.max())
    # Whole numbers have been spread over the cells above them; numbers on a grid lie in the middle of theirs.
    top, half = (1.0, 0.0) if whole else (0.5 * _step(values), 0.5 * _step(values))
    found = [(0.0 - half, math.inf)] if low >= 0 else []
    natural = [(a, b) for a, b in INTERVALS if not whole or (a == int(a) and b >= 100)]
    found += [
        (a - half, b + top)
        for a, b in natural
        if low >= a
        and high <= b
        and high - low > 0.25 * (b - a)
        and (b not in RADIANS or max(low - a, b - high) <= 10 * (b - a) / len(values))
    ]
    if whole:
        many = max(10, 0.05 * len(values))
        bottom_full, top_full = (values == low).sum() >= many, (values == high).sum() >= many
        found += [(low, high + 1)] if bottom_full and top_full else [(low, math.inf)] if bottom_full and low != 0 else []
    return list(dict.fromkeys(found))


def _step(values: np.ndarray) -> float:
    """Return the distance of a grid on which all rows lie, 0 without one: rows that never repeat are not on a grid that could matter."""
    distinct = np.unique(values)
    if len(distinct) == len(values) or len(distinct) < 2:
        return 0.0
    step = float(np.diff(distinct).min())
    places = values / step
    return step if np.allclose(places, np.rint(places), rtol=0, atol=1e-3) else 0.0


def _sizes(x: np.ndarray) -> list[float]:
    spread = float(x.std())
    return [factor * spread for factor in (0.1, 0.3, 1.0, 3.0, 30.0)]


def _believed(free: Marginal, num: int, low: float, high: float) -> bool:
    """Whether the rows speak for a support: they would lie beyond its ends if it were not there."""
    from scipy.special import ndtr

    with jax.enable_x64(True):
        ends = np.asarray(_inverse(free.family, jnp.asarray([free.theta]), jnp.asarray([low, min(high, 1e300)]))[0])[0]
    beyond = num * np.array([ndtr(ends[0]), 0.0 if math.isinf(high) else ndtr(-ends[1])])
    return bool(beyond.max() >= BEYOND and np.all((beyond >= BEYOND) | (beyond <= NEVER)))


def _log_scale(value: float) -> float:
    """The parameter of a scalar whose log scale is `WIDEST tanh(theta / WIDEST)`."""
    return WIDEST * math.atanh(max(-0.99, min(0.99, value / WIDEST)))


_RAISE = math.log(math.expm1(START - MIN_INDEX))


def _theta(index: float) -> float:
    return math.log(math.expm1(max(index, 2 * MIN_INDEX) - MIN_INDEX)) - _RAISE


def _index(theta: float) -> float:
    return MIN_INDEX + math.log1p(math.exp(theta + _RAISE))
