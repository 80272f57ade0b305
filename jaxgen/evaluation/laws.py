"""The laws a model's numbers obey, measured in float64: determinant, normalisation, round trip, order of convergence, coverage."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from jaxgen import numerics
from jaxgen.certificate import refined_model, round_trip
from jaxgen.model import LogProb, Model, log_prob, sample
from jaxgen.transform import Density, over_batch

CLOSED, SOLVED = 1e-9, 1e-4
"""Relative tolerances: of closed-form maps, and ten times the default tolerance of a solve."""
_FAST_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class Finding(NamedTuple):
    """What a law gave: the measured `value`, the `limit` it is held to, and whether it `passed`; None where it could not be decided."""

    value: float
    limit: float
    passed: bool | None


def tolerance(model: Model) -> float:
    """`CLOSED` for closed-form maps, `SOLVED` where a solver's tolerance could be refined."""
    return CLOSED if model.transform.refine is None else SOLVED


def determinant_law(key: jax.Array, model: Model, params: Any, num: int = 8) -> Finding | None:
    """Largest difference between log-determinants and slogdet of the Jacobian of `forward`, relative to the largest of them.

    `forward_and_log_det` at `num` noises of the base and `inverse` at their images, with the exact trace where it is estimated. None where
    `forward` is no bijection of the noise or has no density.
    """
    noise = jax.eval_shape(lambda k: model.base.sample(seed=k), key)
    event = jax.eval_shape(model.transform.forward, params, noise)
    if model.transform.density > Density.UNBIASED or getattr(noise, "shape", None) != event.shape or len(event.shape) != 1:
        return None
    # At level 0 the map as it is; of a few-step sampler, the flow whose density it claims.
    transform = model.transform if model.transform.refine is None else model.transform.refine(0, True)
    if transform.density is not Density.EXACT or transform.inverse is None:
        return None
    inverse, with_log_det = transform.inverse, transform.forward_and_log_det

    def one(params: Any, z: Any) -> Any:
        def image(z: Any) -> Any:
            x = transform.forward(params, z)
            return x, x

        jacobian, x = jax.jacfwd(image, has_aux=True)(z)
        truth = jnp.linalg.slogdet(jacobian)[1]
        return truth, -inverse(params, x).log_det, truth if with_log_det is None else with_log_det(params, z)[1]

    with jax.enable_x64(True):
        params, z = _double(params), _double(jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, num)))
        compiled = jax.jit(jax.vmap(one, (None, 0))).lower(params, z).compile(compiler_options=_FAST_COMPILE)
        truth, *found = (np.asarray(a) for a in compiled(params, z))
    error = max(np.abs(a - truth).max() for a in found) / max(1.0, np.abs(truth).max())
    return _at_most(float(error), tolerance(model))


def grid_over(x: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Points `(side^2, 2)` around the samples `x` `(n, 2)`, dense in the middle and sparse in the tails, and the area of each.

    A hyperbolic sine of an even grid, out to twice the samples' range.
    """
    centre, spread = np.median(x, 0), x.std(0)
    u = np.linspace(-1, 1, side)
    stretch = np.arcsinh(2 * np.ptp(x, 0) / spread)
    axes = [c + s * np.sinh(k * u) for c, s, k in zip(centre, spread, stretch, strict=True)]
    lengths = [s * k * np.cosh(k * u) * (u[1] - u[0]) for s, k in zip(spread, stretch, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2), np.outer(*lengths).ravel()


def grid_normalisation(values: np.ndarray, area: np.ndarray, limit: float = 2e-3) -> Finding:
    """`|integral of exp(values) - 1|` over a grid whose points stand for `area` each."""
    return _at_most(abs(float(np.sum(np.exp(values) * area)) - 1), limit)


def weight_normalisation(key: jax.Array, model: Model, params: Any, samples: np.ndarray, num: int = 8_192) -> Finding:
    """`|mean of exp(log_prob) / r - 1|` over `num` draws of a wide proposal r, one draw each: 0 also for a lower bound, which loses nothing.

    With the exact trace where it is estimated, as the exponential of an unbiased log density is biased upwards. Held to three standard
    errors; undecided where the weights vary so much that their mean says little.
    """
    rng = np.random.default_rng(0)
    # A Student t with four degrees of freedom: its tails are heavier than those of a Gaussian's image under most maps.
    centre, spread = np.median(samples, 0), 1.2 * samples.std(0)
    u = rng.standard_t(4, (num, samples.shape[1]))
    log_r = np.sum(scipy.stats.t.logpdf(u, 4) - np.log(spread), 1)
    values = in_float64(model, params, centre + spread * u, key=key, exact=True).value
    weights = np.exp(np.asarray(values, np.float64) - log_r)
    error, stderr = abs(float(weights.mean()) - 1), float(weights.std() / np.sqrt(num))
    return Finding(error, 3 * stderr, error <= 3 * stderr if stderr < 0.1 else None)


def round_trip_law(key: jax.Array, model: Model, params: Any, x: np.ndarray) -> Finding:
    """Largest `|forward(inverse(x)) - x|` relative to 1 + |x| over the events `x` `(n, *event)`, one level refined where there is a solver."""
    solved = model.transform.refine is not None
    with jax.enable_x64(True):
        back = round_trip(refined_model(model, True, int(solved), False), _double(params), jnp.asarray(x, jnp.float64), None, key)
    return _at_most(float(np.max(np.abs(np.asarray(back) - x) / (1 + np.abs(x)))), tolerance(model))


def coverage(found: LogProb, truth: np.ndarray, wanted: float = 0.95, *, truth_bound: np.ndarray | float = 0.0) -> Finding:
    """The share of events whose certified interval holds `truth` `(n,)`, held to three standard errors of a share below `wanted`.

    truth_bound: half width of the interval around a truth that is itself estimated; the two errors are independent.
    """
    assert found.certificate is not None
    value = np.asarray(found.value)
    share = float(np.mean((np.abs(value - truth) <= np.hypot(found.certificate.bound, truth_bound)) | (value == truth)))
    limit = wanted - 3 * float(np.sqrt(wanted * (1 - wanted) / len(value)))
    return Finding(share, limit, share >= limit)


def in_float64(model: Model, params: Any, x: np.ndarray, *, key: jax.Array, level: int = 0, exact: bool = False) -> LogProb:
    """Plain `log_prob` in float64, with the model's solver `level` steps refined and, where `exact`, its trace exact."""
    with jax.enable_x64(True):
        found = log_prob(refined_model(model, True, level, exact), _double(params), jnp.asarray(x, jnp.float64), key=key)
        return LogProb(np.asarray(found.value), np.asarray(found.stderr), found.density)  # pyright: ignore[reportArgumentType]


def order_of(states: list[np.ndarray]) -> float:
    """The order p for which `|y_n - y_2n|` falls as `n^-p`, from the last three of `states`, each with twice the steps of the one before.

    The median over events of the difference's norm, so that a few rough events do not decide.
    """
    coarse, fine = (np.median(np.linalg.norm(a - b, axis=-1)) for a, b in zip(states[-3:-1], states[-2:], strict=True))
    return float(np.log2(coarse / fine))


def solver_order(key: jax.Array, model: Model, params: Any, num_steps: int = 32, method: str = "rk4") -> float | None:
    """The measured order of a fixed grid of `method` on the model's own velocity; None where it has none.

    From t = 0 to 0.9: at the end a diffusion's velocity is stiff, and an order is seen on grids only that resolve it.
    """
    velocity = model.transform.parts.get("velocity")
    if velocity is None:
        return None

    def run(n: int) -> np.ndarray:
        def one(params: Any, z: Any) -> Any:
            return numerics.solve(lambda t, x: velocity(params, x, t, None), z, 0.0, 0.9, numerics.fixed(n, method))[0]

        return np.asarray(jax.jit(jax.vmap(one, (None, 0)))(_double(params), z))

    with jax.enable_x64(True):
        z = _double(jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, 64)))
        return order_of([run(n * num_steps) for n in (1, 2, 4)])


def sampler_order(key: jax.Array, build: Callable[[int], Model], params: Any, num_steps: int = 64) -> float:
    """The measured order of `build(num_steps)`'s own steps: of a stochastic sampler the strong one, its increments joined in pairs.

    Of 1,024 noises: with 64, the median of a stochastic sampler's differences leaves an order of 0.5 uncertain by a tenth.
    """
    models = [build(n * num_steps) for n in (1, 2, 4)]

    def run(model: Model, z: Any) -> np.ndarray:
        return np.asarray(jax.jit(over_batch(model.transform).forward)(_double(params), z))

    with jax.enable_x64(True):
        z = _double(jax.vmap(lambda k: models[-1].base.sample(seed=k))(jax.random.split(key, 1_024)))
        states = []
        for model in reversed(models):
            states.insert(0, run(model, z))
            if isinstance(z, dict):
                z = {**z, "increments": _joined(z["increments"], model, params)}
    return order_of(states)


def _joined(increments: jax.Array, model: Model, params: Any) -> jax.Array:
    """Standard increments `(n, 2 k, d)` as those of steps twice as long; equal ones unless the sampler's part `times` says otherwise."""
    pairs = increments.reshape(increments.shape[0], -1, 2, *increments.shape[2:])
    times = model.transform.parts.get("times", lambda params: np.arange(increments.shape[1] + 1.0))(params)
    share = jnp.sqrt(jnp.diff(times).reshape(-1, 2))
    return jnp.einsum("nks...,ks->nk...", pairs, share / jnp.linalg.norm(share, axis=1, keepdims=True))


def samples_of(key: jax.Array, model: Model, params: Any, num: int) -> np.ndarray:
    """`num` samples as float64 `(num, d)`, those that are not finite left out."""
    x = np.asarray(sample(key, model, params, num), np.float64)
    return x[np.isfinite(x).all(1)]


def _at_most(value: float, limit: float) -> Finding:
    return Finding(value, limit, bool(value <= limit))


def _double(tree: Any) -> Any:
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.float64) if jnp.issubdtype(jnp.result_type(a), jnp.floating) else a, tree)
