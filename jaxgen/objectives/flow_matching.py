"""Flow matching: regress the velocity of an ODE on that of a path between paired noise and data."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, drawn, no_aux, require
from jaxgen.objectives.couplings import CouplingLike
from jaxgen.objectives.pairing import pairing
from jaxgen.objectives.times import Times, stratified_times
from jaxgen.paths import Interpolant, Path, interpolant
from jaxgen.types import Aux, Cond, Key, Params

PARTS = ("velocity", "direct", "score")
TimeWeight: TypeAlias = Callable[[jax.Array], jax.Array]
"""A function `(t) -> scalar` that weighs the loss at time t."""


def flow_matching(
    model: Model,
    path: Path | Interpolant | None = None,
    *,
    coupling: CouplingLike = "independent",
    noise: float = 0.0,
    times: Times = stratified_times,
    weight: TimeWeight | None = None,
) -> Objective:
    """Minimise `E weight(t) |velocity(x_t, t) - u|^2` per coordinate, u being the rate of `x_t = alpha x + sigma z + noise eps`.

    The minimum is the velocity of an ODE that carries the law of the noise z to that of the data x. z is drawn from the model's base, which
    may be a data set (`bases.data_set`).

    Args:
        model: A model whose transform has the part `velocity (params, x, t, cond)`, such as an `ode_flow`.
        path: None is the straight line and `paths.trigonometric()` the variance-preserving path. An `Interpolant` adds Gaussian noise
            `gamma(t) eps`: `paths.interpolant(variance=paths.brownian_variance(sigma**2))` with
            `coupling=couplings.entropic(2 * sigma**2)` learns the Schrodinger bridge of scale sigma (SB-CFM).
        coupling: Which noise meets which event: "independent", "optimal_transport", "conditional_optimal_transport" (for classes), a
            `Coupling` such as `couplings.entropic(0.1)`, or a function `(key, x, z, cond) -> z` in JAX.
        noise: The standard deviation of Gaussian noise around the path; the flow ends in data that are blurred by as much.
        times: `(key, num, dtype) -> (num,)`, the times t in [0, 1]; `objectives.logit_normal_times` draws a diffusion's noise levels.
        weight: `(t) -> scalar`, at least 0. None weighs every time by one. The minimum is the same for any weight above 0.

    Returns:
        An objective whose metric is `error`, the loss. With an `Interpolant` it lacks a constant and may be negative.

    Raises:
        ValueError: `coupling` is unknown or `noise` is negative.
        PairingError: The transform lacks the part `velocity`.

    Source: arXiv 2210.02747; arXiv 2302.00482, section 3.2; arXiv 2303.08797; arXiv 2503.10636 for classes;
    arXiv 2403.03206, section 3.1, for times and weights.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> still = jaxgen.transforms.ode_flow(lambda key, z, cond=None: (), lambda params, x, t, cond=None: 0 * x)
    >>> objective = flow_matching(jaxgen.Model(jaxgen.bases.normal((2,)), still), coupling=lambda key, x, z, cond: x - 3.0)
    >>> loss, _ = objective.loss((), (), jax.random.key(0), Batch(jax.numpy.zeros((4, 2))), Clock(0, 1, ()))
    >>> float(loss)  # Every path has the velocity 3.
    9.0
    """
    checks.number("flow_matching: noise", noise, least=0)
    between = path if isinstance(path, Interpolant) else interpolant(path)
    return _matching("flow_matching", model, between, ("velocity",), coupling, noise, times, weight)


def interpolant_matching(
    model: Model,
    between: Interpolant,
    parts: tuple[str, ...] = ("velocity", "score"),
    *,
    coupling: CouplingLike = "independent",
    times: Times = stratified_times,
) -> Objective:
    """Regress several parts of a stochastic interpolant at once and add their losses.

    The SDE of velocity and score, and the ODE of the velocity, have the interpolant's marginals.

    Args:
        model: A model whose transform has each of `parts`, and whose base draws the source x_0.
        between: The interpolant between the source x_0 and the data x_1.
        parts: Some of "velocity", "direct" (E[alpha' x_1 + beta' x_0 | x_t], the velocity without its noise) and "score", whose loss is
            `E |gamma score(x_t, t) + eps|^2`.
        coupling: Which x_0 meets which x_1, as `flow_matching` takes it.
        times: `(key, num, dtype) -> (num,)`, the times t in [0, 1].

    Returns:
        An objective whose metrics are the losses of the parts by name, or `error` if there is one part.

    Raises:
        ValueError: A part is unknown, "score" is asked of an interpolant without noise, or `coupling` is unknown.
        PairingError: The transform lacks a part.

    Source: arXiv 2303.08797, theorem 2.7 and section 2.4.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> zero = lambda params, x, t, cond=None: 0 * x
    >>> flow = jaxgen.transforms.ode_flow(lambda key, z, cond=None: (), zero, parts={"direct": jaxgen.Part(zero)})
    >>> between = jaxgen.paths.interpolant(variance=jaxgen.paths.sine_variance())
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), flow)
    >>> objective = interpolant_matching(model, between, ("velocity", "direct"), coupling=lambda key, x, z, cond: x - 3.0)
    >>> loss, metrics = objective.loss((), (), jax.random.key(0), Batch(jax.numpy.zeros((4, 2))), Clock(0, 1, ()))
    >>> float(loss), sorted(metrics)
    (18.0, ['direct', 'velocity'])
    """
    if not parts or not set(parts) <= set(PARTS):
        raise ValueError(f"interpolant_matching: parts={parts!r}; accepted: some of {', '.join(PARTS)}.")
    if "score" in parts and between.variance is None:
        raise ValueError(
            f"interpolant_matching: parts={parts!r} with an interpolant that has no noise to learn the score from; "
            "accepted: paths.interpolant(variance=...)."
        )
    return _matching("interpolant_matching", model, between, parts, coupling, 0.0, times)


class _Draw(NamedTuple):
    """Hold what one regression is made from: the event `x`, its condition, its noise `z`, the time and the Gaussian noise of the path."""

    x: jax.Array
    cond: Cond
    z: jax.Array
    t: jax.Array
    eps: jax.Array


def _matching(
    function: str,
    model: Model,
    between: Interpolant,
    parts: tuple[str, ...],
    coupling: CouplingLike,
    noise: float,
    times: Times,
    weight: TimeWeight | None = None,
) -> Objective:
    require(function, model, frozenset(parts))
    paired = pairing(function, model, coupling)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_t, key_pair, key_eps = jax.random.split(key, 4)
        z = paired.source(key_z, key_pair, batch)
        t = drawn(batch, lambda num: times(key_t, num, batch.x.dtype))
        eps = drawn(batch, lambda num: jax.random.normal(key_eps, (num, *batch.x.shape[1:]), batch.x.dtype))

        def errors_of(draw: _Draw) -> dict[str, jax.Array]:
            def error_of(part: str) -> jax.Array:
                predict = model.transform.parts[part]
                error = _error(between, part, lambda x: predict(params, x, draw.t, cond=draw.cond), draw, noise)
                return error if weight is None else weight(draw.t) * error

            return {part: error_of(part) for part in parts}

        each = jax.vmap(errors_of)(_Draw(batch.x, batch.cond, z, t, eps))
        errors = {part: jnp.mean(each[part]) for part in parts}
        return sum(errors.values(), jnp.zeros((), batch.x.dtype)), {"error": errors[parts[0]]} if len(parts) == 1 else errors

    return Objective(no_aux, loss, prepare=paired.prepare, additive=paired.additive)


def _error(between: Interpolant, part: str, predict: Callable[[jax.Array], jax.Array], draw: _Draw, noise: float) -> jax.Array:
    """Return the loss of one part at one event, per coordinate; `predict` maps x_t to the part."""
    x, _, z, t, eps = draw
    mean, direct = between.alpha(t) * x + between.beta(t) * z, between.direct(t, z, x)
    if between.variance is None:
        return jnp.mean((predict(mean + noise * eps if noise else mean) - direct) ** 2)
    # Held above rounding so that the ratios below are finite at the ends.
    gamma = jnp.sqrt(jnp.maximum(between.variance(t) + noise**2, jnp.finfo(t.dtype).eps))
    if part == "score":
        return jnp.mean((gamma * predict(mean + gamma * eps) + eps) ** 2)
    if part == "direct":
        return jnp.mean((predict(mean + gamma * eps) - direct) ** 2)
    return antithetic_error(predict, mean, gamma, eps, direct, between.rates(t)[2] / gamma)


def antithetic_error(
    predict: Callable[[jax.Array], jax.Array], mean: jax.Array, gamma: jax.Array, eps: jax.Array, direct: jax.Array, rate: jax.Array
) -> jax.Array:
    """Return the squared error of `predict(mean + gamma eps)` from `direct + rate eps`, averaged over both signs of eps.

    `|rate eps|^2` is subtracted.

    At the ends of a bridge the rate has an infinite square integral. The pair at +eps and -eps cancels the part of the gradient that has
    one, and `|rate eps|^2` depends on no parameter; without it the error may be negative.

    Args:
        predict: The prediction `(d,) -> (d,)`.
        mean: The mean of x_t, `(d,)`.
        gamma: The standard deviation of x_t, a scalar.
        eps: Standard Gaussian noise `(d,)`.
        direct: The rate of the mean, `(d,)`.
        rate: The rate of gamma, a scalar.

    Returns:
        A scalar, per coordinate.

    Source: arXiv 2303.08797, section 6.1.

    >>> import jax.numpy as jnp
    >>> zero, one = jnp.zeros(2), jnp.ones(())
    >>> float(antithetic_error(lambda x: x, zero, one, jnp.ones(2), zero, one))  # (1 - 1)^2 - 1
    -1.0
    """
    up, down = predict(mean + gamma * eps), predict(mean - gamma * eps)
    return jnp.mean(0.5 * (up - direct) ** 2 + 0.5 * (down - direct) ** 2 - rate * eps * (up - down))
