"""Rectified flow: flow matching in rounds, each on the pairs (noise, data) that the flow of the round before made (arXiv 2209.03003)."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.numerics import Solver, fixed, solve
from jaxgen.objective import Batch, Clock, Objective, require
from jaxgen.objectives.couplings import Coupling, Pair, resolve
from jaxgen.objectives.denoising import Times, stratified_times
from jaxgen.objectives.pairing import pairing
from jaxgen.objectives.rounds import average_at_the_end_of, pairs_of_round


def reflow(
    model: Model,
    rounds: int = 2,
    *,
    coupling: str | Coupling | Pair = "independent",
    times: Times = stratified_times,
    times_per_pair: int = 4,
    solver: Solver | None = None,
) -> Objective:
    """Flow matching on straight lines in `rounds` equal shares of the fit: on data first, then on pairs `(z, flow(z))` of a frozen flow.

    The flow of the round before keeps every marginal, so its pairs are a coupling of noise and data; straight lines between them cross less
    than between independent ones, so that the next flow is straighter and fewer steps solve it (arXiv 2209.03003, sections 2.1 and 3).
    One round is `flow_matching`. The frozen flow is the moving average of the params at the end of a round, kept in aux as `teacher`: the
    pairs are fresh at every step, under the batch's conditions, and never stored.

    coupling: of noise and data in the first round. times_per_pair: as a pair costs a solve, each is used at so many times t.
    solver: of the frozen flow, `fixed(8, "midpoint")` by default. An optimiser with `cycles=rounds` lets every round settle.

    Needs the part `velocity`, and a base whose noise has the shape of an event. The loss on held-out events is that of the last round.
    Raises ValueError for counts below 1, PairingError without the part.
    """
    checks.count("reflow: rounds", rounds)
    checks.count("reflow: times_per_pair", times_per_pair)
    require("reflow", model, frozenset({"velocity"}))
    velocity, paired = model.transform.parts["velocity"], pairing(model, resolve(coupling))
    solver = fixed(8, "midpoint") if solver is None else solver

    def init(key: jax.Array, params: Any, batch: Batch) -> tuple[Any, Any]:
        return params, {"teacher": jax.tree.map(jnp.copy, params)}

    def error(params: Any, x: jax.Array, z: jax.Array, t: jax.Array, cond: Any) -> jax.Array:
        return jnp.mean((velocity(params, t * x + (1 - t) * z, t, cond) - (x - z)) ** 2)

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_pair, key_t = jax.random.split(key, 3)
        t = times(key_t, batch.x.shape[0], batch.x.dtype)

        def from_teacher(x: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
            z = model.base.sample(seed=key_z, sample_shape=(x.shape[0],)).astype(x.dtype)
            return _flowed(velocity, solver, jax.lax.stop_gradient(aux["teacher"]), z, cond), z

        from_data = lambda: (batch.x, paired.source(key_z, key_pair, batch))
        (x, z), cond = pairs_of_round(clock, rounds, batch, times_per_pair, from_data, from_teacher)
        value = jnp.mean(jax.vmap(functools.partial(error, params))(x, z, t, cond))
        return value, {"error": value}

    needs, update = frozenset({"velocity"}), average_at_the_end_of(rounds)
    return Objective(init, loss, needs, update=update, prepare=paired.prepare, prepared=1 / rounds, unjudged=(rounds - 1) / rounds)


def _flowed(velocity: Callable[..., jax.Array], solver: Solver, params: Any, z: jax.Array, cond: Any) -> jax.Array:
    """The data end of the flow from each row of the noise `z` `(n, *event)`."""

    def field(t: jax.Array, x: jax.Array) -> jax.Array:
        return jax.vmap(lambda x, c: velocity(params, x, t, c))(x, cond)

    return solve(field, z, 0.0, 1.0, solver)[0]
