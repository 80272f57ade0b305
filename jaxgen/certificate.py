"""Certified log densities: how far a value can be from the model's own, in nats, by source, tightened until a tolerance holds.

The truth that is certified is the density of the model as its params state it, in exact arithmetic: every ODE solved, every scalar map
inverted. How well the model fits its data is another question.
"""

import functools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax.core import Tracer

from jaxgen.model import LogProb, Model, log_prob
from jaxgen.transform import Density, over_batch, stages

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
    """Where an error can come from, each `(n,)` in nats.

    solver:     the value against that of a solve with steps doubled twice or a thousandth of the tolerance, in float64.
    estimator:  the half width of a Student t interval over independent estimates, widened by their skewness; 0 where the density is exact.
    round_trip: the change of log p(x) when x is replaced by forward(inverse(x)), in float64 and with the tighter solve: what remains of an
                iterative inverse's own error.
    precision:  the value against the same computation in float64; of a float64 value, that difference scaled by the ratio of the epsilons.
    """

    solver: np.ndarray
    estimator: np.ndarray
    round_trip: np.ndarray
    precision: np.ndarray


class Certificate(NamedTuple):
    """What `log_prob(..., certify=atol)` found beside the values, float64 arrays of numpy `(n,)`.

    bound:         half width of the interval around the value, in nats: at most the sum of `budget`, as rounding and solver error that are
                   seen to cancel are not added.
    holds:         whether `bound <= atol`; where False, nothing that could be tightened was left.
    condition:     the largest ratio of singular values of d state / d noise over the states on the way to x (`stages`); NaN where the noise
                   is not of the event's size or has more than 64 numbers.
    near_singular: whether it exceeds 1e5, or is not a number although it was taken: the value then hangs on the last digits of x and params.
    """

    atol: float
    bound: np.ndarray
    holds: np.ndarray
    budget: Budget
    condition: np.ndarray
    near_singular: np.ndarray

    def summary(self) -> str:
        """One sentence: how many values hold, how wide they are, what dominates, how many Jacobians are close to singular."""
        largest = max(self.budget._fields, key=lambda name: float(np.median(getattr(self.budget, name))))
        said = f"{int(self.holds.sum())} of {len(self.holds)} within {self.atol:g} nats, median bound {np.median(self.bound):.2g}, mostly {largest}"
        near = int(self.near_singular.sum())
        return said + (f"; {near} with a Jacobian close to singular (condition up to {np.nanmax(self.condition):.1g})" if near else "")


class _Rung(NamedTuple):
    """How a value is computed: in float64 or not, how far solvers are refined, with the exact trace or not, over how many chunks of estimates."""

    double: bool
    level: int = 0
    exact: bool = False
    chunks: int = 1


def certify(model: Model, params: Any, x: Any, cond: Any, key: Any, num_draws: int, batch_size: int | None, atol: float) -> LogProb:
    """`log_prob` with a certificate; its docstring says what the arguments are and what the interval covers.

    Raises ValueError unless `atol` is positive, and under `jax.jit`, where nothing can be tightened.
    """
    if not atol > 0:
        raise ValueError(f"certify={atol!r}; accepted: a positive tolerance in nats, such as 1e-3.")
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((params, x, cond, key))):
        raise ValueError("log_prob: certify=... chooses its work by the values it sees, so it cannot run inside jax.jit, grad or vmap.")
    x = x if isinstance(x, jax.Array) else np.asarray(x)
    given = {jnp.result_type(leaf) for leaf in jax.tree.leaves(params)} | {x.dtype}
    low = not any(dtype == np.float64 for dtype in given)
    problem = _Problem(model, params, x, cond, key, num_draws, batch_size)
    rung = _Rung(double=model.transform.density is not Density.EXACT or not low)
    while True:
        value, stderr, bound, budget = _measure(problem, rung)
        holds = bound <= atol
        tighter = None if holds.all() else _tighten(problem, rung, budget, ~holds)
        if tighter is None:
            break
        rung = tighter
    condition, near = _near_singular(problem)
    density = problem.at(rung).transform.density
    found: Any = LogProb(value, stderr, density, Certificate(float(atol), bound, holds, budget, condition, near))  # pyright: ignore[reportArgumentType]
    return found


@dataclass
class _Problem:
    """The question, and what was computed for it already."""

    model: Model
    params: Any
    x: Any
    cond: Any
    key: Any
    num_draws: int
    batch_size: int | None
    known: dict[Any, Any] = field(default_factory=dict)

    def at(self, rung: _Rung) -> Model:
        return refined_model(self.model, rung.double, rung.level, rung.exact)

    def cast(self, tree: Any, double: bool) -> Any:
        kind = np.float64 if double else np.float32
        return jax.tree.map(lambda a: jnp.asarray(a, kind) if jnp.issubdtype(jnp.result_type(a), jnp.floating) else a, tree)

    def values(self, rung: _Rung, chunk: int = 0, moved: bool = False) -> np.ndarray:
        """Independent estimates `(replicates, n)`, one row where the density is exact; `moved`: at forward(inverse(x)) instead of x."""
        asked = (*rung[:3], chunk, moved)
        if asked not in self.known:
            with jax.enable_x64(rung.double):
                model, (params, x, cond) = self.at(rung), self.cast((self.params, self.x, self.cond), rung.double)
                x = round_trip(model, params, x, cond, self.key) if moved else x
                rows = _REPLICATES.get(model.transform.density, 1)
                x, cond = jax.tree.map(lambda a: jnp.tile(a, (rows, *(1,) * (a.ndim - 1))) if rows > 1 else a, (x, cond))
                key = self.key if rows == 1 else jax.random.fold_in(self.key, chunk)
                found = log_prob(model, params, x, cond, key=key, num_draws=self.num_draws, batch_size=self.batch_size).value
                self.known[asked] = np.asarray(found, np.float64).reshape(rows, -1)
        return self.known[asked]

    def mean(self, rung: _Rung, moved: bool = False) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return self.values(rung, 0, moved).mean(0)


def _measure(problem: _Problem, rung: _Rung) -> tuple[np.ndarray, np.ndarray, np.ndarray, Budget]:
    """Value, standard error, bound and budget at one rung. Differences are over the same draws, so that no estimator's noise enters."""
    value, stderr, estimator = _estimate(np.concatenate([problem.values(rung, chunk) for chunk in range(rung.chunks)]))
    first, double = problem.mean(rung), rung._replace(double=True)
    at64, base = problem.mean(double), rung._replace(level=0)
    rounding = _gap(problem.mean(base._replace(double=False)), problem.mean(base._replace(double=True)))
    rest = _rounding_of_float64(rounding, at64)
    precision = rest if rung.double else rest + _gap(first, at64)
    reference, beyond, solver = double, np.zeros_like(value), np.zeros_like(value)
    if problem.model.transform.refine is not None:
        reference = double._replace(level=rung.level + 1)
        gap = _gap(at64, problem.mean(reference))
        # The reference's own error: a third at most of the gap for a first-order method, a thousandth of the typical gap for an adaptive one.
        finite = gap[np.isfinite(gap)]
        beyond = 0.4 * gap + (0.01 * np.median(finite) if finite.size else 0.0)
        solver = gap + beyond
    round_trip = _gap(problem.mean(reference, moved=True), problem.mean(reference))
    bound = _gap(first, problem.mean(reference)) + beyond + rest + estimator + round_trip
    return value, stderr, bound, Budget(solver, estimator, round_trip, precision)


def _estimate(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, its standard error and the half width of its interval over independent estimates `(replicates, n)`; one row is exact."""
    num, none = len(draws), np.zeros(draws.shape[1])
    if num == 1:
        return draws[0], none, none
    with np.errstate(invalid="ignore"):
        value, stderr = draws.mean(0), draws.std(0, ddof=1) / np.sqrt(num)
        skew = np.mean((draws - value) ** 3, 0) / np.where(stderr > 0, np.mean((draws - value) ** 2, 0), 1.0) ** 1.5
        quantile = scipy.special.stdtrit(num - 1, _QUANTILE)
        # The first-order effect of skewness on a t interval (Hall 1992, The Bootstrap and Edgeworth Expansion, section 2.6), on both sides.
        half = (quantile + (2 * quantile**2 + 1) / 6 * np.abs(skew) / np.sqrt(num)) * stderr
    same = np.all(draws == draws[0], 0)
    return value, np.where(same, 0.0, stderr), np.where(same, 0.0, np.where(np.isnan(half), np.inf, half))


def _tighten(problem: _Problem, rung: _Rung, budget: Budget, failing: np.ndarray) -> _Rung | None:
    """The rung that lowers what weighs most over the failing events and can be lowered; None where only what is small or fixed is left."""
    refine = problem.model.transform.refine
    finer = rung._replace(double=True, level=rung.level + 1) if refine is not None and rung.level < MAX_LEVEL else None
    double = rung._replace(double=True) if not rung.double else None
    wanted = 4 * rung.chunks * _REPLICATES.get(problem.model.transform.density, 1)
    more = rung._replace(chunks=4 * rung.chunks) if wanted <= MAX_REPLICATES else None
    if refine is not None and not rung.exact and wanted * problem.num_draws > np.prod(np.shape(problem.x)[1:]):
        # As many draws would cost more products than the trace itself.
        exact = rung._replace(exact=True, chunks=1)
        more = exact if problem.at(exact).transform.density is Density.EXACT else more
    next_for = Budget(finer, more, finer or double, double)  # pyright: ignore[reportArgumentType]
    weights = Budget(*(np.nan_to_num(term[failing], posinf=1e300).max() for term in budget))
    for name in sorted(weights._fields, key=lambda name: -getattr(weights, name)):
        if getattr(weights, name) < 0.05 * max(weights):
            return None
        if getattr(next_for, name) is not None:
            return getattr(next_for, name)
    return None


def _gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`|a - b|`: 0 where both are the same infinity, infinite where one is not a number."""
    with np.errstate(invalid="ignore"):
        gap = np.abs(a - b)
    return np.where(a == b, 0.0, np.where(np.isnan(gap), np.inf, gap))


def _rounding_of_float64(rounding: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The error of a float64 value from that of the float32 one, which may be small by chance: then the typical one of the batch."""
    finite = rounding[np.isfinite(rounding)]
    typical = float(np.median(finite)) if finite.size else np.inf
    own = np.where(np.isfinite(rounding), np.maximum(rounding, typical), np.maximum(1.0, np.abs(value)))
    floor = 4 * np.finfo(np.float64).eps * (1 + np.abs(np.where(np.isfinite(value), value, 0.0)))
    bound = np.where(np.isinf(value) & (rounding == 0), 0.0, 4 * _FLOAT64_OVER_FLOAT32 * np.where(np.isfinite(own), own, 1.0) + floor)
    return np.where(np.isnan(value), np.inf, bound)


@functools.lru_cache(maxsize=256)
def refined_model(model: Model, double: bool, level: int, exact: bool) -> Model:
    """The model at a rung, always the same object, so that its functions are compiled once."""
    transform, base = model.transform, model.base
    if transform.refine is not None and (level or exact):
        transform = transform.refine(level, exact)
    if double:
        # A base made in float32 holds its constants so; they are the model's, but their logarithms must not be rounded.
        with jax.enable_x64(True):
            base = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64) if _is_floating(a) else a, base)
    return Model(base, transform) if double or level or exact else model


def _is_floating(leaf: Any) -> bool:
    return isinstance(leaf, (jax.Array, np.ndarray)) and jnp.issubdtype(leaf.dtype, jnp.floating)


@functools.partial(jax.jit, static_argnums=0)
def round_trip(model: Model, params: Any, x: Any, cond: Any, key: Any) -> Any:
    """`forward(inverse(x))` of a batch `(n, *event)`; `x` itself but for rounding and what an iterative inverse leaves."""
    batch = over_batch(model.transform)
    assert batch.inverse is not None
    pre = batch.inverse(params, x, cond, None if key is None else jax.random.split(key, x.shape[0]))
    return batch.forward(params, pre.z, cond)


def _near_singular(problem: _Problem) -> tuple[np.ndarray, np.ndarray]:
    """The condition number of each event's path, and whether it is close to singular."""
    n, event = problem.x.shape[0], problem.x.shape[1:]
    noise = jax.eval_shape(lambda k: problem.model.base.sample(seed=k), jax.random.key(0))
    taken = getattr(noise, "shape", None) == event and len(event) == 1 and event[0] <= MAX_JACOBIAN
    if not taken or problem.model.transform.density is Density.LOWER_BOUND:
        return np.full(n, np.nan), np.zeros(n, bool)
    rung = _Rung(True)
    with jax.enable_x64(True):
        args = problem.cast((problem.params, problem.x, problem.cond), True)
        condition = np.asarray(_condition(problem.at(rung), *args, problem.key))
    return condition, ~(condition < NEAR_SINGULAR)


@functools.partial(jax.jit, static_argnums=0)
def _condition(model: Model, params: Any, x: Any, cond: Any, key: Any) -> jax.Array:
    batch = over_batch(model.transform)
    assert batch.inverse is not None
    z = batch.inverse(params, x, cond, None if key is None else jax.random.split(key, x.shape[0])).z

    def one(event: Any) -> jax.Array:
        z, c = event
        # Prefixes of the path: a stage that is nearly singular shows even where a later one makes up for it.
        jacobians = jax.jacfwd(lambda z: stages(model.transform)(params, z, c))(z)
        scales = jnp.linalg.svd(jacobians, compute_uv=False)
        return jnp.max(scales[..., 0] / scales[..., -1])

    return jax.lax.map(one, (z, cond), batch_size=min(64, x.shape[0]))
