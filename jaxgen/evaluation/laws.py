"""The laws that the numbers of a model obey, measured in float64: determinant, normalisation, round trip, order, coverage."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import numerics
from jaxgen.certificate import Certificate, refined_model, round_trip
from jaxgen.lifting import over_batch
from jaxgen.model import LogProb, Model, log_prob, sample
from jaxgen.transform import Density, density_of
from jaxgen.types import Key, Noise, Params, PyTree

CLOSED, SOLVED = 1e-9, 1e-4
"""Relative tolerances: for closed-form maps, and for solved maps ten times the default tolerance of a solve."""
_FAST_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class Finding(NamedTuple):
    """The result of a law.

    Attributes:
        value: The measured number.
        limit: The number that it is held to.
        passed: Whether the law holds; None if this could not be decided.
    """

    value: float
    limit: float
    passed: bool | None


def tolerance(model: Model) -> float:
    """Return the relative tolerance of a model: `CLOSED` for closed-form maps, `SOLVED` if it has a solver that can be refined.

    >>> import jaxgen
    >>> tolerance(jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.flip()))
    1e-09
    """
    return CLOSED if density_of(model.transform).hooks.refine is None else SOLVED


def determinant_law(key: Key, model: Model, params: Params, num: int = 8) -> Finding | None:
    """Compare the log-determinants of a model with `slogdet` of the Jacobian of `forward`.

    Both `forward_and_log_det` at the noise and `inverse` at its images are compared. If the model estimates a trace, the exact one is used.

    Args:
        key: Random key of the noise.
        model: A model of vectors.
        params: Its parameters.
        num: Number of draws of the noise.

    Returns:
        The largest difference, relative to the largest log-determinant or 1. None if `forward` is no bijection of the noise or has no
        density.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 3.0))
    >>> determinant_law(jax.random.key(0), model, ()).passed
    True
    """
    noise = jax.eval_shape(lambda k: model.base.sample(seed=k), key)
    event = jax.eval_shape(model.transform.forward, params, noise)
    if model.transform.kind > Density.UNBIASED or getattr(noise, "shape", None) != event.shape or len(event.shape) != 1:
        return None
    # At level 0 the map as it is; of a few-step sampler, the flow whose density it claims.
    transform = density_of(model.transform)
    transform = transform if transform.hooks.refine is None else transform.hooks.refine(0, True)
    if transform.kind is not Density.EXACT or transform.inverse is None:
        return None
    inverse, with_log_det = transform.inverse, transform.forward_and_log_det

    def of_noise(params: Params, z: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        def image(z: jax.Array) -> tuple[jax.Array, jax.Array]:
            x = transform.forward(params, z)
            return x, x

        jacobian, x = jax.jacfwd(image, has_aux=True)(z)
        truth = jnp.linalg.slogdet(jacobian)[1]
        return truth, -inverse(params, x).log_det, truth if with_log_det is None else with_log_det(params, z)[1]

    with jax.enable_x64(True):
        params, z = _double(params), _double(jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, num)))
        compiled = jax.jit(jax.vmap(of_noise, (None, 0))).lower(params, z).compile(compiler_options=_FAST_COMPILE)
        truth, *log_dets = (np.asarray(a) for a in compiled(params, z))
    error = max(np.abs(a - truth).max() for a in log_dets) / max(1.0, np.abs(truth).max())
    return _at_most(float(error), tolerance(model))


def grid_over(x: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Lay a grid over two-dimensional samples, dense in the middle and sparse in the tails, for the integral of a density.

    Along each axis the grid is the hyperbolic sine of an even one, out to twice the range of the samples.

    Args:
        x: Samples `(n, 2)`.
        side: Number of points along each axis.

    Returns:
        The points `(side * side, 2)` and the area `(side * side,)` that each stands for.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(500, 2))
    >>> points, area = grid_over(x, 40)
    >>> grid_normalisation(np.sum(-0.5 * points**2 - 0.5 * np.log(2 * np.pi), 1), area).passed
    True
    """
    centre, scale = np.median(x, 0), x.std(0)
    u = np.linspace(-1, 1, side)
    stretch = np.arcsinh(2 * np.ptp(x, 0) / scale)
    axes = [c + s * np.sinh(k * u) for c, s, k in zip(centre, scale, stretch, strict=True)]
    lengths = [s * k * np.cosh(k * u) * (u[1] - u[0]) for s, k in zip(scale, stretch, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2), np.outer(*lengths).ravel()


def grid_normalisation(values: np.ndarray, area: np.ndarray, limit: float = 2e-3) -> Finding:
    """Measure `|integral of exp(values) - 1|` over a grid.

    Args:
        values: Log densities `(n,)` at the points of the grid.
        area: The area `(n,)` that each point stands for.
        limit: Largest error that passes.

    Returns:
        The error.

    >>> import numpy as np
    >>> grid_normalisation(np.zeros(4), np.full(4, 0.25))
    Finding(value=0.0, limit=0.002, passed=True)
    """
    return _at_most(abs(float(np.sum(np.exp(values) * area)) - 1), limit)


def weight_normalisation(key: Key, model: Model, params: Params, samples: np.ndarray, num: int = 8_192) -> Finding:
    """Measure `|mean of exp(log_prob) / r - 1|` over draws of a wide proposal r, by importance weights.

    The mean is 1 also for a lower bound, whose exponential is right on average. If the model estimates a trace, the exact one is used,
    because the exponential of an unbiased log density is biased upwards.

    Args:
        key: Random key of what an estimate draws.
        model: A model of vectors.
        params: Its parameters.
        samples: Samples `(n, d)` of the model; the proposal is centred on them and wider.
        num: Number of draws of the proposal.

    Returns:
        The error, held to three standard errors. It is undecided if the weights vary so much that their mean says little.
    """
    import scipy.stats

    rng = np.random.default_rng(0)
    # A Student t with four degrees of freedom: its tails are heavier than the tails of a Gaussian's image under most maps.
    centre, scale = np.median(samples, 0), 1.2 * samples.std(0)
    u = rng.standard_t(4, (num, samples.shape[1]))
    log_r = np.sum(scipy.stats.t.logpdf(u, 4) - np.log(scale), 1)
    values = in_float64(model, params, centre + scale * u, key=key, exact=True).value
    weights = np.exp(np.asarray(values, np.float64) - log_r)
    error, stderr = abs(float(weights.mean()) - 1), float(weights.std() / np.sqrt(num))
    return Finding(error, 3 * stderr, error <= 3 * stderr if stderr < 0.1 else None)


def sum_of_probabilities(key: Key, model: Model, params: Params, events: np.ndarray, num_draws: int = 2_048) -> Finding:
    """Measure `|sum of exp(log_prob) - 1|` over all events of a discrete model.

    Args:
        key: Random key of what a bound draws.
        model: A model of codes.
        params: Its parameters.
        events: Every event `(n, sites)`.
        num_draws: How many draws average a bound, whose exponential is right on average.

    Returns:
        The error, held to `CLOSED` for an exact density and to three standard errors for a bound.

    >>> import jax, jaxgen
    >>> truth = jaxgen.paths.discrete.tabular(jaxgen.paths.discrete.masked(2))
    >>> f = jaxgen.transforms.any_order(lambda key, z, cond=None: jnp.zeros(2), truth)
    >>> model = jaxgen.Model(jaxgen.bases.uniform((1,)), f)
    >>> sum_of_probabilities(jax.random.key(0), model, jnp.zeros(2), np.asarray([[0.0], [1.0]])).passed
    True
    """
    exact = model.transform.kind is Density.EXACT
    rows = events if exact else np.repeat(events, num_draws, 0)
    weights = np.exp(in_float64(model, params, rows, key=key).value).reshape(len(events), -1)
    error = abs(float(weights.mean(1).sum()) - 1)
    if exact:
        return _at_most(error, CLOSED)
    return _at_most(error, 3 * float(np.sqrt(np.sum(weights.var(1) / weights.shape[1]))))


def round_trip_law(key: Key, model: Model, params: Params, x: np.ndarray) -> Finding:
    """Measure the largest `|forward(inverse(x)) - x|`, relative to `1 + |x|`.

    Args:
        key: Random key of what an inverse draws.
        model: The model; its solver, if it has one, is refined by one level.
        params: Its parameters.
        x: Events `(n, *event)`.

    Returns:
        The largest relative error, held to the tolerance of the model.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 3.0))
    >>> round_trip_law(jax.random.key(0), model, (), np.ones((3, 2))).passed
    True
    """
    solved = density_of(model.transform).hooks.refine is not None
    with jax.enable_x64(True):
        back = round_trip(refined_model(model, True, int(solved), False), _double(params), jnp.asarray(x, jnp.float64), None, key)
    return _at_most(float(np.max(np.abs(np.asarray(back) - x) / (1 + np.abs(x)))), tolerance(model))


def coverage(certificate: Certificate, truth: np.ndarray, wanted: float = 0.95, *, truth_bound: np.ndarray | float = 0.0) -> Finding:
    """Measure the share of events whose certified interval holds the true log density.

    Args:
        certificate: Certified log densities of n events.
        truth: True log densities `(n,)`.
        wanted: The share that a certificate promises.
        truth_bound: Half width of the interval around a truth that is itself estimated; the two errors are independent.

    Returns:
        The share, which passes down to three standard errors below `wanted`.

    >>> import jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 3.0))
    >>> certificate = jaxgen.certify(model, (), np.zeros((3, 2), np.float32), 1e-3)
    >>> coverage(certificate, np.full(3, -np.log(2 * np.pi * 9.0))).value
    1.0
    """
    value = certificate.value
    share = float(np.mean((np.abs(value - truth) <= np.hypot(certificate.bound, truth_bound)) | (value == truth)))
    limit = wanted - 3 * float(np.sqrt(wanted * (1 - wanted) / len(value)))
    return Finding(share, limit, share >= limit)


def in_float64(model: Model, params: Params, x: np.ndarray, *, key: Key, level: int = 0, exact: bool = False) -> LogProb:
    """Compute `log_prob` in float64.

    Args:
        model: The model.
        params: Its parameters.
        x: Events `(n, *event)`.
        key: Random key of what an estimate draws.
        level: Number of levels by which the model's solver is refined.
        exact: Whether an estimated trace is replaced by the exact one.

    Returns:
        Log densities in nats, as NumPy arrays of float64.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 3.0))
    >>> value = in_float64(model, (), np.zeros((1, 2)), key=jax.random.key(0)).value[0]
    >>> bool(abs(value + np.log(2 * np.pi * 9.0)) < 1e-12)
    True
    """
    with jax.enable_x64(True):
        result = log_prob(refined_model(model, True, level, exact), _double(params), jnp.asarray(x, jnp.float64), key=key)
        return LogProb(np.asarray(result.value), np.asarray(result.stderr), result.density)  # pyright: ignore[reportArgumentType]


def order_of(states: list[np.ndarray]) -> float:
    """Measure the order p at which `|y_n - y_2n|` falls as `n^-p` with the number n of steps.

    The norm of each difference enters by its median over events, so that a few rough events do not decide.

    Args:
        states: Three or more arrays `(events, d)`, each with twice the steps of the one before; the last three are used.

    Returns:
        The order.

    >>> import numpy as np
    >>> round(order_of([np.full((1, 1), 1 / n**2) for n in (4, 8, 16)]), 6)
    2.0
    """
    coarse, fine = (np.median(np.linalg.norm(a - b, axis=-1)) for a, b in zip(states[-3:-1], states[-2:], strict=True))
    return float(np.log2(coarse / fine))


def solver_order(key: Key, model: Model, params: Params, num_steps: int = 32, method: str = "rk4") -> float | None:
    """Measure the order of a solver with fixed steps on a model's velocity.

    It runs from t = 0 to 0.9, because the velocity of a diffusion is stiff at the end, and only a grid that resolves it shows the order.

    Args:
        key: Random key of 64 draws of the noise.
        model: A model, with or without the part `velocity`.
        params: Its parameters.
        num_steps: Number of steps of the coarsest of three grids.
        method: Name of the solver's method.

    Returns:
        The order, or None for a model without a velocity.
    """
    part = model.transform.parts.get("velocity")
    if part is None:
        return None
    velocity = part.field()

    def run(n: int) -> np.ndarray:
        def of_noise(params: Params, z: jax.Array) -> jax.Array:
            return numerics.solve(lambda t, x: velocity(params, x, t, None), z, 0.0, 0.9, numerics.fixed(n, method))[0]

        return np.asarray(jax.jit(jax.vmap(of_noise, (None, 0)))(_double(params), z))

    with jax.enable_x64(True):
        z = _double(jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, 64)))
        return order_of([run(n * num_steps) for n in (1, 2, 4)])


def sampler_order(key: Key, build: Callable[[int], Model], params: Params, num_steps: int = 64) -> float:
    """Measure the order of a sampler's steps; for a stochastic sampler it is the strong order.

    The coarser samplers get the increments of the finest one, joined in pairs, so that all follow the same path. With 64 draws instead of
    1,024, the median of a stochastic sampler's differences would leave an order of 0.5 uncertain by a tenth.

    Args:
        key: Random key of 1,024 draws of the noise.
        build: Returns the model with a number of steps.
        params: The parameters of all these models.
        num_steps: Number of steps of the coarsest of three samplers.

    Returns:
        The order.
    """
    models = [build(n * num_steps) for n in (1, 2, 4)]

    def run(model: Model, z: Noise) -> np.ndarray:
        return np.asarray(jax.jit(over_batch(model.transform).forward)(_double(params), z))

    with jax.enable_x64(True):
        z = _double(jax.vmap(lambda k: models[-1].base.sample(seed=k))(jax.random.split(key, 1_024)))
        states = []
        for model in reversed(models):
            states.insert(0, run(model, z))
            if isinstance(z, dict):
                z = {**z, "increments": _joined(z["increments"], model, params)}
    return order_of(states)


def _joined(increments: jax.Array, model: Model, params: Params) -> jax.Array:
    """Join standard increments `(n, 2 k, d)` in pairs, weighted by the steps of the part `times`, or equally if the sampler has no such part."""
    pairs = increments.reshape(increments.shape[0], -1, 2, *increments.shape[2:])
    part = model.transform.parts.get("times")
    times = jnp.arange(increments.shape[1] + 1.0) if part is None else part(params)
    share = jnp.sqrt(jnp.diff(times).reshape(-1, 2))
    return jnp.einsum("nks...,ks->nk...", pairs, share / jnp.linalg.norm(share, axis=1, keepdims=True))


def samples_of(key: Key, model: Model, params: Params, num: int) -> np.ndarray:
    """Draw samples of a model of vectors and leave out those that are not finite.

    Args:
        key: A random key.
        model: A model of vectors.
        params: Its params.
        num: The number of samples to draw.

    Returns:
        Samples `(k, d)` float64, `k <= num`.
    """
    x = np.asarray(sample(key, model, params, num), np.float64)
    return x[np.isfinite(x).all(1)]


def _at_most(value: float, limit: float) -> Finding:
    return Finding(value, limit, bool(value <= limit))


def _double(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.float64) if jnp.issubdtype(jnp.result_type(a), jnp.floating) else a, tree)
