"""Bridge matching: learn both drifts of a mixture of Brownian bridges, in rounds of which each has the pairs of the one before (DSBM)."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, require
from jaxgen.objectives.couplings import Coupling, Pair, resolve
from jaxgen.objectives.denoising import Times, stratified_times
from jaxgen.objectives.flow_matching import antithetic_error
from jaxgen.objectives.pairing import pairing
from jaxgen.objectives.rounds import average_at_the_end_of, pairs_of_round
from jaxgen.transform import Batched, over_batch
from jaxgen.transforms import bridge_sde

NEEDS: tuple[str, ...] = ("drift", "backward_drift")
Ends = tuple[jax.Array, jax.Array]


def bridge_matching(
    model: Model,
    sigma: float = 1.0,
    rounds: int = 1,
    *,
    coupling: str | Coupling | Pair = "independent",
    times: Times = stratified_times,
    times_per_pair: int = 4,
    num_steps: int = 12,
) -> Objective:
    """Regress both drifts on those of Brownian bridges of scale `sigma` between pairs, `(x_1 - x_t) / (1 - t)` and `(x_0 - x_t) / t`.

    One round is the diffusion mixture of the coupling's bridges (arXiv 2312.14589, section 3; 2303.16852, proposition 2): a Markov process
    with its marginals. Further ones are iterative Markovian fitting (DSBM-IMF, 2303.16852, algorithm 1): pairs are drawn with the process of
    the round before, whose ends keep their laws, and the fixed point is the Schrodinger bridge of a Brownian motion of scale sigma. Both
    directions learn in every round, each from pairs whose end that it has to reach is real: the forward drift from data and what the
    frozen backward process makes of them, the backward drift from the source and what the forward one makes of it.

    The teacher is the moving average of the params at the end of a round, in aux as `teacher`; its pairs are fresh at every step.
    coupling: in the first round; "optimal_transport" starts nearer to the bridge (DSBM-IMF+), and with `couplings.entropic(2 * sigma**2)`
        one round is the bridge itself, up to the minibatch.
    times_per_pair: at how many times t each of the teacher's pairs is used. num_steps: of its solve by `bridge_sde(method="heun")`.

    Needs the parts `drift` and `backward_drift`, and a base whose noise is a point of the source. The loss lacks what does not depend on
    the params, so it may be negative; on held-out events it is that of the last round. Raises ValueError for a number it cannot use.
    """
    checks.number("bridge_matching: sigma", sigma, above=0)
    checks.count("bridge_matching: rounds", rounds)
    checks.count("bridge_matching: times_per_pair", times_per_pair)
    require("bridge_matching", model, frozenset(NEEDS))
    fields = drift, backward_drift = tuple(model.transform.parts[part] for part in NEEDS)
    paired = pairing(model, resolve(coupling))
    processes = [
        over_batch(bridge_sde(model.transform.init, drift, backward_drift, sigma, num_steps, reverse=way, method="heun"))
        for way in (False, True)
    ]

    def init(key: jax.Array, params: Any, batch: Batch) -> tuple[Any, Any]:
        return params, {"teacher": jax.tree.map(jnp.copy, params)} if rounds > 1 else ()

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_pair, key_t, key_eps = jax.random.split(key, 4)

        def from_data() -> tuple[Ends, Ends]:
            ends = (paired.source(key_z, key_pair, batch), batch.x)
            return ends, ends

        def from_teacher(x: jax.Array, cond: Any) -> tuple[Ends, Ends]:
            return _made(model, processes, num_steps, jax.lax.stop_gradient(aux["teacher"]), key_z, x, cond)

        pairs, cond = pairs_of_round(clock, rounds, batch, times_per_pair, from_data, from_teacher)
        t, eps = times(key_t, batch.x.shape[0], batch.x.dtype), jax.random.normal(key_eps, batch.x.shape, batch.x.dtype)
        one = functools.partial(_errors, fields, sigma, params)
        errors = dict(zip(NEEDS, map(jnp.mean, jax.vmap(one)(pairs, cond, t, eps)), strict=True))
        return sum(errors.values(), jnp.zeros((), batch.x.dtype)), errors

    update = average_at_the_end_of(rounds)
    return Objective(
        init, loss, frozenset(NEEDS), update=update, prepare=paired.prepare, prepared=1 / rounds, unjudged=(rounds - 1) / rounds
    )


def _made(
    model: Model, processes: Sequence[Batched], num_steps: int, teacher: Any, key: jax.Array, x: jax.Array, cond: Any
) -> tuple[Ends, Ends]:
    """The pairs `(x_0, x_1)` for the forward and for the backward drift, by the processes `(forth, back)` of the params `teacher`."""
    key_z, *keys = jax.random.split(key, 3)
    z = model.base.sample(seed=key_z, sample_shape=(x.shape[0],)).astype(x.dtype)

    def ending(process: Batched, key: jax.Array, start: jax.Array) -> jax.Array:
        increments = jax.random.normal(key, (start.shape[0], num_steps, *start.shape[1:]), start.dtype)
        return process.forward(teacher, {"x0": start, "increments": increments}, cond)

    (forth, back), (key_forth, key_back) = processes, keys
    return (ending(back, key_back, x), x), (z, ending(forth, key_forth, z))


def _errors(
    fields: Any, sigma: float, params: Any, pairs: tuple[Ends, Ends], cond: Any, t: jax.Array, eps: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The loss of each drift at one event, per coordinate: the bridge's drift is `+-(x_1 - x_0) - sigma^2 (t or 1 - t) eps / gamma`."""
    gamma = jnp.sqrt(jnp.maximum(sigma**2 * t * (1 - t), jnp.finfo(t.dtype).eps))
    errors = [
        antithetic_error(
            lambda x, field=field: field(params, x, t, cond),
            (1 - t) * x0 + t * x1,
            gamma,
            eps,
            sign * (x1 - x0),
            -(sigma**2) * share / gamma,
        )
        for field, (x0, x1), sign, share in zip(fields, pairs, (1, -1), (t, 1 - t), strict=True)
    ]
    return errors[0], errors[1]
