"""Flow matching: regress the velocity of an ODE on that of a path between paired noise and data (arXiv 2210.02747, 2302.00482, 2303.08797)."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, no_aux, require
from jaxgen.objectives.couplings import Coupling, Pair, resolve
from jaxgen.objectives.denoising import Times, stratified_times
from jaxgen.objectives.pairing import pairing
from jaxgen.paths import Interpolant, Path, interpolant, linear

PARTS = ("velocity", "direct", "score")


def flow_matching(
    model: Model,
    path: Path | Interpolant | None = None,
    *,
    coupling: str | Coupling | Pair = "independent",
    noise: float = 0.0,
    times: Times = stratified_times,
) -> Objective:
    """Conditional flow matching: `E |velocity(x_t, t) - u|^2` per coordinate with u the rate of `x_t = alpha x + sigma z + noise eps`.

    path: linear by default; `paths.trigonometric()` is the variance-preserving one. z is drawn from the model's base, which may be a data
        set (`bases.data_set`). An `Interpolant` adds `gamma(t) eps`, and the flow is that of E[alpha' x + sigma' z + gamma' eps | x_t]:
        `paths.interpolant(variance=paths.brownian_variance(sigma**2))` with `coupling=couplings.entropic(2 * sigma**2)` is the Schrodinger
        bridge of SB-CFM (arXiv 2302.00482, section 3.2.4).
    coupling: which z meets which x: "independent", "optimal_transport" (2302.00482, section 3.2.3), "conditional_optimal_transport" (for
        classes; 2503.10636), a `Coupling` such as `couplings.entropic(0.1)`, or a function `(key, x, z, cond) -> z`.
    noise: standard deviation of Gaussian noise around the path (2302.00482, section 3.2.1): the flow ends in data that much blurred.

    Needs the part `velocity`. Raises ValueError for an unknown coupling or a negative noise.
    """
    if not noise >= 0:
        raise ValueError(f"flow_matching: noise={noise!r}; accepted: a standard deviation, 0 or positive.")
    between = path if isinstance(path, Interpolant) else interpolant(linear() if path is None else path)
    return _matching("flow_matching", model, between, ("velocity",), resolve(coupling), noise, times)


def interpolant_matching(
    model: Model,
    between: Interpolant,
    parts: tuple[str, ...] = ("velocity", "score"),
    *,
    coupling: str | Coupling | Pair = "independent",
    times: Times = stratified_times,
) -> Objective:
    """Regressions for several parts of a stochastic interpolant at once (arXiv 2303.08797, theorem 2.7 and section 2.4), their losses added.

    parts: "velocity", "direct" (E[alpha' x_1 + beta' x_0 | x_t], the velocity without its noise) and "score", weighted by gamma^2 as
        `E |gamma score(x_t, t) + eps|^2`; the transform must have each. The SDE of velocity and score has the interpolant's marginals.
    coupling: of the source x_0, drawn from the model's base, with the data x_1; as in `flow_matching`.

    Raises ValueError for an unknown part, or for "score" where the interpolant has no noise.
    """
    if not parts or not set(parts) <= set(PARTS):
        raise ValueError(f"parts={parts!r}; accepted: some of {', '.join(PARTS)}.")
    if "score" in parts and _noiseless(between):
        raise ValueError("parts: the score is learnt from noise and this interpolant has none; give paths.interpolant(variance=...).")
    return _matching("interpolant_matching", model, between, parts, resolve(coupling), 0.0, times)


def _matching(
    name: str, model: Model, between: Interpolant, parts: tuple[str, ...], coupling: Coupling, noise: float, times: Times
) -> Objective:
    require(name, model, frozenset(parts))
    predict = {part: model.transform.parts[part] for part in parts}
    paired = pairing(model, coupling)

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_t, key_pair, key_eps = jax.random.split(key, 4)
        z = paired.source(key_z, key_pair, batch)
        t = times(key_t, batch.x.shape[0], batch.x.dtype)
        eps = jax.random.normal(key_eps, batch.x.shape, batch.x.dtype)

        def one(x: jax.Array, cond: Any, z: jax.Array, t: jax.Array, eps: jax.Array) -> dict[str, jax.Array]:
            return {part: _error(between, part, functools.partial(f, params), x, cond, z, t, eps, noise) for part, f in predict.items()}

        each = jax.vmap(one)(batch.x, batch.cond, z, t, eps)
        errors = {part: jnp.mean(each[part]) for part in parts}
        return sum(errors.values(), jnp.zeros((), batch.x.dtype)), {"error": errors[parts[0]]} if len(parts) == 1 else errors

    return Objective(no_aux, loss, frozenset(parts), prepare=paired.prepare)


def _error(
    between: Interpolant, part: str, predict: Any, x: jax.Array, cond: Any, z: jax.Array, t: jax.Array, eps: jax.Array, noise: float
) -> jax.Array:
    """The loss of one part at one event, per coordinate."""
    mean, direct = between.alpha(t) * x + between.beta(t) * z, between.direct(t, z, x)
    if _noiseless(between):
        return jnp.mean((predict(mean + noise * eps if noise else mean, t, cond) - direct) ** 2)
    # Held above rounding so that the ratios below are finite at the ends.
    gamma = jnp.sqrt(jnp.maximum(between.variance(t) + noise**2, jnp.finfo(t.dtype).eps))
    if part == "score":
        return jnp.mean((gamma * predict(mean + gamma * eps, t, cond) + eps) ** 2)
    if part == "direct":
        return jnp.mean((predict(mean + gamma * eps, t, cond) - direct) ** 2)
    rate = between.rates(t)[2] / gamma
    return antithetic_error(lambda x: predict(x, t, cond), mean, gamma, eps, direct, rate)


def antithetic_error(
    predict: Callable[[jax.Array], jax.Array], mean: jax.Array, gamma: jax.Array, eps: jax.Array, direct: jax.Array, rate: jax.Array
) -> jax.Array:
    """The squared error per coordinate of `predict(mean + gamma eps)` against `direct + rate eps`, less what depends on no parameter.

    At the ends of a bridge the rate has an infinite square integral. The pair at +eps and -eps cancels what has (arXiv 2303.08797, section
    6.1), and |rate eps|^2 is left out: so the error may be negative.
    """
    up, down = predict(mean + gamma * eps), predict(mean - gamma * eps)
    return jnp.mean(0.5 * (up - direct) ** 2 + 0.5 * (down - direct) ** 2 - rate * eps * (up - down))


def _noiseless(between: Interpolant) -> bool:
    return between.variance is jnp.zeros_like
