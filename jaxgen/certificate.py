"""Certified log densities: how far a value can be from the model's own, in nats, by source, tightened until a tolerance holds.

The truth that is certified is the density of the model as its params state it, in exact arithmetic: every ODE solved, every scalar map
inverted. How well the model fits its data is another question.
"""

import functools
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxgen import checks
from jaxgen.arguments import require_model
from jaxgen.finite import unsaid
from jaxgen.lifting import over_batch, stages
from jaxgen.model import Model, log_prob
from jaxgen.refusals import require_transform
from jaxgen.transform import Density, density_of
from jaxgen.types import Bool, Cond, Event, Float, Key, Params, PyTree

NEAR_SINGULAR = 1e5
"""A condition number above which a float32 log-determinant keeps at most two of its seven digits."""
MAX_LEVEL = 2
MAX_REPLICATES = 4096
MAX_JACOBIAN = 64
# Independent estimates at once. The log of a weight has a long tail to the left that few draws of a bound do not see.
_REPLICATES = {Density.UNBIASED: 32, Density.LOWER_BOUND: 256}
_FLOAT64_OVER_FLOAT32 = 2.0**-29
# Two-sided 98 %: what is lost of it by stopping as soon as the estimate looks good enough leaves more than 95 %.
_QUANTILE = 0.99


class Budget(NamedTuple):
    """Say where an error can come from, each `(n,)` in nats.

    Attributes:
        solver: The distance of the value from a refined solve in float64: four times the steps, or a thousandth of the tolerance.
        estimator: The half width of a Student t interval over independent estimates, widened by their skewness; 0 for an exact density.
        round_trip: The change of log p(x) when x is replaced by forward(inverse(x)), in float64 and with the refined solve. It is the error
            that remains of an iterative inverse.
        precision: The distance of the value from the same computation in float64. For a value that is float64 itself, the difference
            between float32 and float64 is scaled by the ratio of their epsilons.
    """

    solver: Float[np.ndarray, " n"]
    estimator: Float[np.ndarray, " n"]
    round_trip: Float[np.ndarray, " n"]
    precision: Float[np.ndarray, " n"]


class Certificate(NamedTuple):
    """Log densities with bounds of their numerical error: float64 arrays of numpy `(n,)`.

    Attributes:
        value: Log densities in nats.
        stderr: Their standard errors; 0 for an exact density.
        density: The kind of number that `value` is.
        atol: The tolerance that was asked for, in nats.
        bound: The half width of the interval around the value, in nats. It is at most the sum of `budget`, because rounding and solver
            error that are known to cancel are not added.
        holds: Whether `bound <= atol`. If it is False, nothing was left to tighten.
        budget: The error by source.
        condition: The largest ratio of singular values of d state / d noise over the stages on the way to x. NaN if the noise does not have
            the event's size, or has more than 64 numbers.
        near_singular: Whether `condition` exceeds 1e5 or overflowed: the value then depends on the last digits of x and params.
    """

    value: Float[np.ndarray, " n"]
    stderr: Float[np.ndarray, " n"]
    density: Density
    atol: float
    bound: Float[np.ndarray, " n"]
    holds: Bool[np.ndarray, " n"]
    budget: Budget
    condition: Float[np.ndarray, " n"]
    near_singular: Bool[np.ndarray, " n"]

    def summary(self) -> str:
        """Return one sentence: how many values hold, how wide they are, what dominates, how many Jacobians are close to singular."""
        largest = max(self.budget._fields, key=lambda name: float(np.median(getattr(self.budget, name))))
        text = f"{int(self.holds.sum())} of {len(self.holds)} within {self.atol:g} nats, median bound {np.median(self.bound):.2g}, mostly {largest}"
        near = int(self.near_singular.sum())
        return text + (f"; {near} with a Jacobian close to singular (condition up to {np.nanmax(self.condition):.1g})" if near else "")


class _Rung(NamedTuple):
    """Say how a value is computed.

    Attributes:
        double: Whether it is computed in float64.
        level: How far solvers are refined.
        exact: Whether the trace is exact.
        chunks: Over how many chunks of estimates it is averaged.
    """

    double: bool
    level: int = 0
    exact: bool = False
    chunks: int = 1


def certify(
    model: Model,
    params: Params,
    x: Event,
    atol: float,
    cond: Cond = None,
    *,
    key: Key | None = None,
    num_draws: int = 1,
    batch_size: int | None = None,
) -> Certificate:
    """Return log densities with a bound on each value's distance to the model's own log density, tightened until it is at most `atol`.

    It takes float32 and the model's own solver if they suffice, then float64, tighter solves, and up to 4,096 estimates of `num_draws`
    draws or the exact trace. Estimated bounds hold with 95 % confidence. For a LOWER_BOUND it certifies the bound of `num_draws` draws,
    which is the mean over independent estimates of it; log p(x) itself lies above, by a gap that no draw can certify.

    No bound can speak of what no evaluation sees. Refined solves take at least 256 steps, so that their evaluations of a velocity lie at most
    1/400 of the interval apart. A velocity that is changed only during a shorter time, or only beside the paths of these events, can be
    missed: the value is then that of the velocity without the change.

    Args:
        model: The model.
        params: Its params.
        x: Events `(n, *event)`. The density that is certified is the one at these numbers, before any cast.
        atol: The tolerance in nats.
        cond: Conditions `(n, *cond)`, or None.
        key: A random key, needed if the density is not exact.
        num_draws: How many draws make one estimate.
        batch_size: How many events are computed at once.

    Returns:
        The values, their bounds and where the error comes from.

    Raises:
        ImplicitDensityError: The model has no density.
        ValueError: `atol` is not positive, `key` is missing, shapes disagree, or the call is traced, so that no value can be looked at.

    >>> import jaxgen, numpy as np
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(1.0, 2.0))
    >>> bool(jaxgen.certify(model, (), np.ones((1, 1), np.float32), 1e-5).holds[0])
    True
    """
    require_model("certify", model)
    require_transform("certify: model.transform", model.transform)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((params, x, atol, cond, key))):
        raise ValueError(
            "certify: traced arguments; accepted: arrays. It chooses its work by their values, so it cannot run inside jax.jit."
        )
    if isinstance(atol, bool) or not isinstance(atol, int | float | np.number) or not atol > 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"certify: atol={atol!r}; accepted: a positive tolerance in nats, such as 1e-3.")
    x = x if isinstance(x, jax.Array | np.ndarray) else checks.numbers("certify: x", x)
    if x.dtype != bool and not any(jnp.issubdtype(x.dtype, kind) for kind in (np.floating, np.integer)):
        raise ValueError(f"certify: x of dtype {x.dtype}; accepted: an array of numbers (n, *event).")
    checks.leaves("certify: params", params)
    dtypes = {jnp.result_type(leaf) for leaf in jax.tree.leaves(params)} | {x.dtype}
    low = not any(dtype == np.float64 for dtype in dtypes)
    problem = _Problem(model, params, x, cond, key, num_draws, batch_size)
    rung = _Rung(double=model.transform.kind is not Density.EXACT or not low)
    while True:
        value, stderr, bound, budget = _measure(problem, rung)
        holds = bound <= atol
        tighter = None if holds.all() else _tighten(problem, rung, budget, ~holds)
        if tighter is None:
            break
        rung = tighter
    condition, near = _near_singular(problem)
    return Certificate(value, stderr, problem.at(rung).transform.kind, float(atol), bound, holds, budget, condition, near)


@dataclass
class _Problem:
    """Hold the question, and what was computed for it already."""

    model: Model
    params: Params
    x: Event
    cond: Cond
    key: Key | None
    num_draws: int
    batch_size: int | None
    known: dict[tuple[object, ...], np.ndarray] = field(default_factory=dict)

    @property
    def refinable(self) -> bool:
        return density_of(self.model.transform).hooks.refine is not None

    def at(self, rung: _Rung) -> Model:
        return refined_model(self.model, rung.double, rung.level, rung.exact)

    def cast(self, tree: PyTree, double: bool) -> PyTree:
        kind = np.float64 if double else np.float32
        return jax.tree.map(lambda a: jnp.asarray(a, kind) if jnp.issubdtype(jnp.result_type(a), jnp.floating) else a, tree)

    def values(self, rung: _Rung, chunk: int = 0, moved: bool = False) -> np.ndarray:
        """Return independent estimates `(replicates, n)`, one row for an exact density; `moved` takes them at forward(inverse(x)) instead of x."""
        asked = (*rung[:3], chunk, moved)
        if asked not in self.known:
            with jax.enable_x64(rung.double):
                model, (params, x, cond) = self.at(rung), self.cast((self.params, self.x, self.cond), rung.double)
                x = round_trip(model, params, x, cond, self.key) if moved else x
                rows = _REPLICATES.get(model.transform.kind, 1)
                x, cond = jax.tree.map(lambda a: jnp.tile(a, (rows, *(1,) * (a.ndim - 1))) if rows > 1 else a, (x, cond))
                key = self.key if rows == 1 or self.key is None else jax.random.fold_in(self.key, chunk)
                # A value that is not finite gets no bound, and is not said twice.
                with unsaid():
                    density = log_prob(model, params, x, cond, key=key, num_draws=self.num_draws, batch_size=self.batch_size)
                self.known[asked] = np.asarray(density.value, np.float64).reshape(rows, -1)
        return self.known[asked]

    def mean(self, rung: _Rung, moved: bool = False) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return self.values(rung, 0, moved).mean(0)


def _measure(problem: _Problem, rung: _Rung) -> tuple[np.ndarray, np.ndarray, np.ndarray, Budget]:
    """Return value, standard error, bound and budget at one rung.

    Differences are taken over the same draws, so that no estimator's noise enters.
    """
    value, stderr, estimator = _estimate(np.concatenate([problem.values(rung, chunk) for chunk in range(rung.chunks)]))
    first, double = problem.mean(rung), rung._replace(double=True)
    at64, base = problem.mean(double), rung._replace(level=0)
    rounding = _gap(problem.mean(base._replace(double=False)), problem.mean(base._replace(double=True)))
    rest = _rounding_of_float64(rounding, at64)
    precision = rest if rung.double else rest + _gap(first, at64)
    reference, beyond, solver = double, np.zeros_like(value), np.zeros_like(value)
    if problem.refinable:
        reference = double._replace(level=rung.level + 1)
        gap = _gap(at64, problem.mean(reference))
        # The reference's own error: at most a third of the gap for a first-order method, a thousandth of the typical gap for
        # an adaptive method.
        finite = gap[np.isfinite(gap)]
        beyond = 0.4 * gap + (0.01 * np.median(finite) if finite.size else 0.0)
        solver = gap + beyond
    round_trip = _gap(problem.mean(reference, moved=True), problem.mean(reference))
    bound = _gap(first, problem.mean(reference)) + beyond + rest + estimator + round_trip
    return value, stderr, bound, Budget(solver, estimator, round_trip, precision)


def _estimate(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean, its standard error and the half width of its interval over estimates `(replicates, n)`; one row is exact."""
    from scipy.special import stdtrit

    num, none = len(draws), np.zeros(draws.shape[1])
    if num == 1:
        return draws[0], none, none
    with np.errstate(invalid="ignore"):
        value, stderr = draws.mean(0), draws.std(0, ddof=1) / np.sqrt(num)
        skew = np.mean((draws - value) ** 3, 0) / np.where(stderr > 0, np.mean((draws - value) ** 2, 0), 1.0) ** 1.5
        quantile = stdtrit(num - 1, _QUANTILE)
        # The first-order effect of skewness on a t interval (Hall 1992, The Bootstrap and Edgeworth Expansion, section 2.6), on both sides.
        half = (quantile + (2 * quantile**2 + 1) / 6 * np.abs(skew) / np.sqrt(num)) * stderr
    same = np.all(draws == draws[0], 0)
    return value, np.where(same, 0.0, stderr), np.where(same, 0.0, np.where(np.isnan(half), np.inf, half))


def _tighten(problem: _Problem, rung: _Rung, budget: Budget, failing: np.ndarray) -> _Rung | None:
    """Return the rung that lowers the largest error of the failing events; None if all that is left to lower is small."""
    finer = rung._replace(double=True, level=rung.level + 1) if problem.refinable and rung.level < MAX_LEVEL else None
    double = rung._replace(double=True) if not rung.double else None
    wanted = 4 * rung.chunks * _REPLICATES.get(problem.model.transform.kind, 1)
    more = rung._replace(chunks=4 * rung.chunks) if wanted <= MAX_REPLICATES else None
    if problem.refinable and not rung.exact and wanted * problem.num_draws > np.prod(np.shape(problem.x)[1:]):
        # As many draws would cost more products than the trace itself.
        exact = rung._replace(exact=True, chunks=1)
        more = exact if problem.at(exact).transform.kind is Density.EXACT else more
    next_for = Budget(finer, more, finer or double, double)  # pyright: ignore[reportArgumentType]
    weights = Budget(*(np.nan_to_num(term[failing], posinf=1e300).max() for term in budget))
    for name in sorted(weights._fields, key=lambda name: -getattr(weights, name)):
        if getattr(weights, name) < 0.05 * max(weights):
            return None
        if getattr(next_for, name) is not None:
            return getattr(next_for, name)
    return None


def _gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return `|a - b|`: 0 if both are the same infinity, infinite if one is not a number."""
    with np.errstate(invalid="ignore"):
        gap = np.abs(a - b)
    return np.where(a == b, 0.0, np.where(np.isnan(gap), np.inf, gap))


def _rounding_of_float64(rounding: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return the error of a float64 value from the error of the float32 value, or from the batch's typical one if that is larger."""
    finite = rounding[np.isfinite(rounding)]
    typical = float(np.median(finite)) if finite.size else np.inf
    float32_error = np.where(np.isfinite(rounding), np.maximum(rounding, typical), np.maximum(1.0, np.abs(value)))
    floor = 4 * np.finfo(np.float64).eps * (1 + np.abs(np.where(np.isfinite(value), value, 0.0)))
    float64_error = 4 * _FLOAT64_OVER_FLOAT32 * np.where(np.isfinite(float32_error), float32_error, 1.0) + floor
    bound = np.where(np.isinf(value) & (rounding == 0), 0.0, float64_error)
    return np.where(np.isnan(value), np.inf, bound)


@functools.lru_cache(maxsize=256)
def refined_model(model: Model, double: bool, level: int, exact: bool) -> Model:
    """Return the model at a rung, always the same object, so that its functions are compiled once.

    Args:
        model: The model.
        double: Whether it computes in float64.
        level: How many steps tighter its solvers are. Above 0 a transform with a proxy gives way to the proxy.
        exact: Whether estimates are replaced by exact values.

    Returns:
        The model.
    """
    transform, base = model.transform, model.base
    refine = density_of(transform).hooks.refine
    if refine is not None and (level or exact):
        transform = refine(level, exact)
    if double:
        # A base made in float32 holds its constants so; they are the model's, but their logarithms must not be rounded.
        with jax.enable_x64(True):
            base = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64) if _is_floating(a) else a, base)
    return Model(base, transform) if double or level or exact else model


def _is_floating(leaf: object) -> bool:
    return isinstance(leaf, (jax.Array, np.ndarray)) and jnp.issubdtype(leaf.dtype, jnp.floating)


@functools.partial(jax.jit, static_argnums=0)
def round_trip(model: Model, params: Params, x: Event, cond: Cond, key: Key | None) -> Event:
    """Return `forward(inverse(x))` of a batch, which is `x` up to rounding and the error of an iterative inverse.

    Args:
        model: A model whose transform has an inverse.
        params: Its params.
        x: Events `(n, *event)`.
        cond: Conditions `(n, *cond)`, or None.
        key: A random key, if the inverse is stochastic.

    Returns:
        Events `(n, *event)`.
    """
    batch = over_batch(density_of(model.transform))
    assert batch.inverse is not None
    pre = batch.inverse(params, x, cond, None if key is None else jax.random.split(key, x.shape[0]))
    return batch.forward(params, pre.z, cond)


def _near_singular(problem: _Problem) -> tuple[np.ndarray, np.ndarray]:
    """Return the condition number of each event's path, and whether it is close to singular."""
    n, event = problem.x.shape[0], problem.x.shape[1:]
    noise = jax.eval_shape(lambda k: problem.model.base.sample(seed=k), jax.random.key(0))
    taken = getattr(noise, "shape", None) == event and len(event) == 1 and event[0] <= MAX_JACOBIAN
    if not taken or problem.model.transform.kind is Density.LOWER_BOUND:
        return np.full(n, np.nan), np.zeros(n, bool)
    rung = _Rung(True)
    with jax.enable_x64(True):
        args = problem.cast((problem.params, problem.x, problem.cond), True)
        condition = np.asarray(_condition(problem.at(rung), *args, problem.key))
    return condition, ~(condition < NEAR_SINGULAR)


@functools.partial(jax.jit, static_argnums=0)
def _condition(model: Model, params: Params, x: Event, cond: Cond, key: Key | None) -> jax.Array:
    batch = over_batch(model.transform)
    assert batch.inverse is not None
    z = batch.inverse(params, x, cond, None if key is None else jax.random.split(key, x.shape[0])).z

    def worst_condition(event: PyTree) -> jax.Array:
        z, c = event
        # Prefixes of the path: a stage that is nearly singular shows even where a later one makes up for it.
        jacobians = jax.jacfwd(lambda z: stages(density_of(model.transform))(params, z, c))(z)
        scales = jnp.linalg.svd(jacobians, compute_uv=False)
        return jnp.max(scales[..., 0] / scales[..., -1])

    return jax.lax.map(worst_condition, (z, cond), batch_size=min(64, x.shape[0]))
