"""Rectified flow: flow matching in rounds, each on the pairs (noise, data) that the flow of the round before made."""

import functools

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.numerics import Solver, fixed, solve
from jaxgen.objective import Batch, Clock, Objective, drawn, require
from jaxgen.objectives.couplings import CouplingLike
from jaxgen.objectives.pairing import pairing
from jaxgen.objectives.rounds import in_rounds, pairs_of_round
from jaxgen.objectives.times import Times, stratified_times
from jaxgen.transform import Part
from jaxgen.types import Aux, Cond, Key, Params


def reflow(
    model: Model,
    rounds: int = 2,
    *,
    coupling: CouplingLike = "independent",
    times: Times = stratified_times,
    times_per_pair: int = 4,
    solver: Solver | None = None,
) -> Objective:
    """Match flows on straight lines in equal rounds: on data first, then on pairs `(z, flow(z))` that a frozen flow makes of noise.

    The flow of the round before keeps every marginal, so its pairs are a coupling of noise and data. Straight lines between them cross less
    than between independent ones, so the next flow is straighter and needs fewer steps. One round is `flow_matching`. The frozen flow has
    the moving average of the params at the end of a round, kept in the auxiliaries as `teacher`. Its pairs are made anew at every step,
    under the conditions of the batch.

    Args:
        model: A model whose transform has the part `velocity (params, x, t, cond)` and whose base draws noise of the shape of an event.
        rounds: The number of rounds. An optimizer with `cycles=rounds` lets the params settle in each.
        coupling: Which noise meets which event in the first round, as `flow_matching` takes it.
        times: `(key, num, dtype) -> (num,)`, the times t in [0, 1].
        times_per_pair: At how many times t each pair of the frozen flow is used, as a pair costs a solve.
        solver: The solver of the frozen flow. None is `fixed(8, "midpoint")`.

    Returns:
        An objective whose metric is `error`, the loss. Validation losses count in the last round only.

    Raises:
        ValueError: A count is below 1 or `coupling` is unknown.
        PairingError: The transform lacks the part `velocity`.

    Source: arXiv 2209.03003, sections 2.1 and 3.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> flow = jaxgen.transforms.ode_flow(lambda key, z, cond=None: (), lambda params, x, t, cond=None: params + 0 * x)
    >>> objective = reflow(jaxgen.Model(jaxgen.bases.normal((2,)), flow))
    >>> aux, batch = {"teacher": 2.0}, Batch(jax.numpy.zeros((4, 2)))
    >>> loss, _ = objective.loss(5.0, aux, jax.random.key(0), batch, Clock(jax.numpy.asarray(9), 10, ()))
    >>> round(float(loss), 3)  # In the last round the pairs are 2 apart.
    9.0
    """
    checks.count("reflow: rounds", rounds)
    checks.count("reflow: times_per_pair", times_per_pair)
    require("reflow", model, frozenset({"velocity"}))
    velocity, paired = model.transform.parts["velocity"], pairing("reflow", model, coupling)
    solver = fixed(8, "midpoint") if solver is None else solver

    def error_of(params: Params, x: jax.Array, z: jax.Array, t: jax.Array, cond: Cond) -> jax.Array:
        return jnp.mean((velocity(params, t * x + (1 - t) * z, t, cond=cond) - (x - z)) ** 2)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_pair, key_t = jax.random.split(key, 3)
        t = drawn(batch, lambda num: times(key_t, num, batch.x.dtype))

        def from_data() -> tuple[jax.Array, jax.Array]:
            return batch.x, paired.source(key_z, key_pair, batch)

        def from_teacher(x: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array]:
            z = model.base.sample(seed=key_z, sample_shape=(x.shape[0],)).astype(x.dtype)
            return _data_end(velocity, solver, jax.lax.stop_gradient(aux["teacher"]), z, cond), z

        (x, z), cond = pairs_of_round(clock, rounds, batch, times_per_pair, from_data, from_teacher)
        error = jnp.mean(jax.vmap(functools.partial(error_of, params))(x, z, t, cond))
        return error, {"error": error}

    # Later rounds repeat the pairs of some rows for others.
    return in_rounds(loss, paired.prepare, rounds)._replace(additive=paired.additive and rounds == 1)


def _data_end(velocity: Part, solver: Solver, params: Params, z: jax.Array, cond: Cond) -> jax.Array:
    """Return the data end of the flow from each row of the noise `z` `(n, *event)`."""

    def field(t: jax.Array, x: jax.Array) -> jax.Array:
        return jax.vmap(lambda x, c: velocity(params, x, t, cond=c))(x, cond)

    return solve(field, z, 0.0, 1.0, solver)[0]
