"""The local bound measured: the mean stretch of a model's map in the gap around a set, by one vector-Jacobian product a point."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

from jaxgen import checks
from jaxgen.bases import pieces
from jaxgen.evaluation.bridge.bounds import isoperimetric_profile
from jaxgen.evaluation.bridge.sets import Sets
from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.types import Cond, Key, Params

BATCH = 4_096


class Continuous(NamedTuple):
    """Hold one continuous map from a Gaussian vector to events: a model has one for each piece of its base and each index.

    Attributes:
        weight: Probability with which the model uses the map.
        size: Number k of coordinates of the Gaussian vector.
        model: The model.
        piece: Number of the piece of its base.
        index: The index of an index leaf; -1 for a model without one.
    """

    weight: float
    size: int
    model: Model
    piece: int = 0
    index: int = -1

    def events(self, params: Params, eps: np.ndarray, cond: Cond = None) -> np.ndarray:
        """Map Gaussian vectors to events.

        Args:
            params: The model's params.
            eps: Gaussian vectors `(n, k)`.
            cond: One condition `(*cond)`, or None.

        Returns:
            Events `(n, d)`, flattened.
        """
        run = functools.partial(_events, (self.model, self.piece, self.index), params, cond)
        return np.concatenate([np.asarray(run(jnp.asarray(rows)))[:num] for rows, num in _slices(eps)])

    def pull(self, params: Params, eps: np.ndarray, direction: np.ndarray, cond: Cond = None) -> np.ndarray:
        """Return the lengths `|J^T n|` of directions that are pulled back to the noise.

        Args:
            params: The model's params.
            eps: Gaussian vectors `(n, k)`.
            direction: Directions n in the space of events, `(n, d)`.
            cond: One condition `(*cond)`, or None.

        Returns:
            Lengths `(n,)`.
        """
        if len(eps) == 0:
            return np.zeros(0)
        run = functools.partial(_pull, (self.model, self.piece, self.index), params, cond)
        both = zip(_slices(eps), _slices(direction.astype(eps.dtype)), strict=True)
        return np.concatenate([np.asarray(run(jnp.asarray(e), jnp.asarray(n)), np.float64)[:num] for (e, num), (n, _) in both])


def continuous_maps(model: Model, params: Params) -> tuple[Continuous, ...]:
    """Return the continuous maps from Gaussian noise that make up a model.

    A mixture base has one for each component, and a transform that chooses by a uniform number (`transforms.indexed`, `mixture`,
    `mixture_affine`) one for each choice. Every other model is one map of one Gaussian vector, also if its noise is joint, as that of a
    variational autoencoder or of a stochastic sampler.

    Args:
        model: The model.
        params: Its params, from which the probabilities of choices are taken.

    Returns:
        The maps, whose weights sum to one.

    Raises:
        ValueError: The base is no continuous image of Gaussians, such as one that draws from a data set.

    >>> import jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.uniform((2,)), jaxgen.transforms.affine(0.0, 3.0))
    >>> [(one.weight, one.size) for one in continuous_maps(model, ())]
    [(1.0, 2)]
    """
    parts = model.transform.parts
    indices: list[tuple[int, float]] = [(-1, 1.0)]
    if "at_index" in parts:
        indices = [(k, float(w)) for k, w in enumerate(np.asarray(parts["index_weights"](params)))]
    return tuple(
        Continuous(piece.weight * weight, piece.size, model, i, k) for i, piece in enumerate(pieces(model.base)) for k, weight in indices
    )


class LocalBound(NamedTuple):
    """Hold both sides of the local bound for one set or a union of sets.

    Attributes:
        stretch: The mean of `|J^T n|` in the gap, 0 elsewhere: the probability of the gap times the mean stretch in it.
        stretch_stderr: Its standard error.
        least: The bound, `w int_0^1 I(P(dist > t w)) dt`.
        z: Their difference over its standard error; a value far below 0 would refute the bound. NaN if there are too few hits.
        width: The width w of the gap.
        inside: Probability of the set.
        bridge: Probability of the gap.
        hits: Number of samples in the gap.
        num: Number of samples.
    """

    stretch: float
    stretch_stderr: float
    least: float
    z: float
    width: float
    inside: float
    bridge: float
    hits: int
    num: int

    @property
    def ratio(self) -> float:
        """Return the measured side over the bound: 1 for a map that wastes nothing."""
        return self.stretch / self.least if self.least > 0 else float("nan")

    @property
    def mean_stretch(self) -> float:
        """Return the mean stretch in the gap."""
        return self.stretch / self.bridge if self.bridge > 0 else float("nan")

    @property
    def least_bridge(self) -> float:
        """Return the least probability of the gap at the measured mean stretch: what the bound predicts of it."""
        return self.least / self.mean_stretch if self.hits else float("nan")


LEAST_HITS = 30
"""The number of samples in the gap below which their standard error says nothing."""


def local_bound(
    key: Key, of: Continuous, params: Params, sets: Sets, members: tuple[int, ...] = (0,), *, num: int = 16_384, cond: Cond = None
) -> LocalBound:
    """Measure both sides of the local bound for one continuous map and one union of sets.

    Args:
        key: Random key of the noise.
        of: One of `continuous_maps(model, params)`.
        params: The model's params.
        sets: Separated sets of events.
        members: The sets whose union is the set of the bound; the gap reaches to the other sets.
        num: Number of samples.
        cond: One condition `(*cond)`, at which a conditional model is taken, or None.

    Returns:
        The two sides with a joint standard error of their difference.

    Raises:
        FloatingPointError: A sample is not finite.
    """
    return local_bounds(key, of, params, sets, (members,), num=num, cond=cond)[0]


def local_bounds(
    key: Key,
    of: Continuous,
    params: Params,
    sets: Sets,
    unions: Sequence[tuple[int, ...]] | None = None,
    *,
    num: int = 16_384,
    cond: Cond = None,
) -> tuple[LocalBound, ...]:
    """Measure both sides of the local bound for several unions of sets, from the same samples.

    Args:
        key: Random key of the noise.
        of: One of `continuous_maps(model, params)`.
        params: The model's params.
        sets: Separated sets of events.
        unions: The unions, each a tuple of sets; None takes each set by itself, and of two sets the first.
        num: Number of samples.
        cond: One condition `(*cond)`, at which a conditional model is taken, or None.

    Returns:
        One result for each union.

    Raises:
        FloatingPointError: A sample is not finite.
    """
    checks.count("local_bound: num", num, 2)
    unions = [(k,) for k in range(sets.num if sets.num > 2 else 1)] if unions is None else unions
    eps = np.asarray(jax.random.normal(key, (num, of.size)))
    x = of.events(params, eps, cond)
    if not np.isfinite(x).all():
        raise FloatingPointError("local_bound: of=a map with samples that are not finite; accepted: finite ones.")

    def bound(members: tuple[int, ...]) -> LocalBound:
        width = sets.gap(members)
        away, normal = sets.distance(x, members)
        gap = (away > 0) & (away < width)
        stretch = np.zeros(num)
        stretch[gap] = of.pull(params, eps[gap], normal[gap], cond)
        return both_sides(stretch, away, width)

    return tuple(bound(members) for members in unions)


def both_sides(stretch: np.ndarray, away: np.ndarray, width: float) -> LocalBound:
    """Return both sides of the local bound from the stretch and the distance of samples.

    The right side is a functional of the distribution of the distance. Its influence function is `-w int Phi^-1(P(dist > t w))
    1{dist > t w} dt`. It gives the standard error of the difference of both sides, which share their samples.

    Args:
        stretch: `|J^T n|` in the gap and 0 elsewhere, `(n,)`.
        away: Distance of each sample to the set `(n,)`.
        width: Width of the gap.

    Returns:
        The two sides.
    """
    num = len(away)
    least, influence = right_side(away, width)
    hits = int(np.count_nonzero((away > 0) & (away < width)))
    error = float((stretch - influence).std(ddof=1) / np.sqrt(num))
    mean = float(stretch.mean())
    z = (mean - least) / error if hits >= LEAST_HITS and error > 0 else float("nan")
    spread = float(stretch.std(ddof=1) / np.sqrt(num))
    return LocalBound(mean, spread, least, z, width, float((away <= 0).mean()), hits / num, hits, num)


def right_side(away: np.ndarray, width: float) -> tuple[float, np.ndarray]:
    """Return the right side of the local bound and the influence of each sample on it.

    Args:
        away: Distance of each sample to the set `(n,)`.
        width: Width w of the gap.

    Returns:
        The bound `w int_0^1 I(P(dist > t w)) dt` of the samples' own distribution, which is constant between them, and the influences `(n,)`
        up to a constant.
    """
    num = len(away)
    reached = np.minimum(away / width, 1.0)
    ordered = np.sort(reached)
    steps = np.diff(np.concatenate([[0.0], ordered]))
    beyond = 1 - np.arange(num) / num
    slope = -norm.ppf(np.clip(beyond, 0.5 / num, 1 - 0.5 / num))
    influence = width * np.cumsum(slope * steps)[np.searchsorted(ordered, reached, side="left")]
    return width * float(isoperimetric_profile(beyond) @ steps), influence


def _slices(rows: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Cut rows into slices of one size, the last one filled up, so that one program serves all."""
    size = BATCH if len(rows) > BATCH // 4 else BATCH // 4
    cut = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [(np.concatenate([part, np.repeat(part[:1], size - len(part), 0)]), len(part)) for part in cut]


def _image(which: tuple[Model, int, int], params: Params, cond: Cond, eps: jax.Array) -> jax.Array:
    model, piece, index = which
    z = jax.vmap(pieces(model.base)[piece].noise)(eps)
    if index >= 0:
        z = jax.vmap(lambda z: model.transform.parts["at_index"](params, z, jnp.asarray(index)))(z)
    conds = None if cond is None else jnp.broadcast_to(jnp.asarray(cond), (len(eps), *jnp.shape(cond)))
    x: Any = over_batch(model.transform).forward(params, z, conds)
    return x.reshape(len(eps), -1)


@functools.partial(jax.jit, static_argnums=0)
def _events(which: tuple[Model, int, int], params: Params, cond: Cond, eps: jax.Array) -> jax.Array:
    return _image(which, params, cond, eps)


@functools.partial(jax.jit, static_argnums=0)
def _pull(which: tuple[Model, int, int], params: Params, cond: Cond, eps: jax.Array, direction: jax.Array) -> jax.Array:
    _, back = jax.vjp(lambda eps: _image(which, params, cond, eps), eps)
    return jnp.linalg.norm(back(direction)[0], axis=-1)
