"""Bridge matching: learn both drifts of a mixture of Brownian bridges, in rounds on pairs made by the round before."""

import functools
from collections.abc import Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, drawn, require
from jaxgen.objectives.couplings import CouplingLike
from jaxgen.objectives.flow_matching import antithetic_error
from jaxgen.objectives.pairing import pairing
from jaxgen.objectives.rounds import in_rounds, pairs_of_round
from jaxgen.objectives.times import Times, stratified_times
from jaxgen.transform import Field, Maps
from jaxgen.transforms import bridge_sde
from jaxgen.types import Aux, Cond, Key, Params

NEEDS: tuple[str, str] = ("drift", "backward_drift")
Ends: TypeAlias = tuple[jax.Array, jax.Array]
"""The ends `(x_0, x_1)` of bridges, from the source at t = 0 to the data at t = 1."""


def bridge_matching(
    model: Model,
    sigma: float = 1.0,
    rounds: int = 1,
    *,
    coupling: CouplingLike = "independent",
    times: Times = stratified_times,
    times_per_pair: int = 4,
    num_steps: int = 12,
) -> Objective:
    """Regress two drifts on the drifts of Brownian bridges of scale `sigma`, `(x_1 - x_t) / (1 - t)` forward and `(x_0 - x_t) / t` backward.

    One round learns the Markov process with the marginals of the bridges between the coupling's pairs. Further rounds are iterative
    Markovian fitting (DSBM-IMF): pairs are drawn with the processes of the round before, whose ends keep their laws, and the fixed point is
    the Schrodinger bridge of a Brownian motion of scale sigma. Both directions learn in every round, each from pairs whose target end is
    real: the forward drift from data and what the frozen backward process makes of them, the backward drift from the source and what the
    frozen forward process makes of it. The frozen processes have the moving average of the params at the end of a round, kept in the
    auxiliaries as `teacher`, and their pairs are made anew at every step.

    Args:
        model: A model whose transform has the parts `drift` and `backward_drift`, both `(params, x, t, cond)`, and whose base draws the
            source.
        sigma: The standard deviation that the Brownian motion has reached at t = 1.
        rounds: The number of rounds.
        coupling: Which x_0 meets which x_1 in the first round, as `flow_matching` takes it. "optimal_transport" starts nearer to the bridge
            (DSBM-IMF+); with `couplings.entropic(2 * sigma**2)` one round is the bridge itself, up to the minibatch.
        times: `(key, num, dtype) -> (num,)`, the times t in [0, 1].
        times_per_pair: At how many times t each pair of the frozen processes is used.
        num_steps: The number of steps of the frozen processes, by `bridge_sde(method="heun")`.

    Returns:
        An objective whose metrics are the losses `drift` and `backward_drift`. They lack what depends on no parameter, so they may be
        negative.

    Raises:
        ValueError: `sigma` is not positive, a count is below 1, or `coupling` is unknown.
        PairingError: The transform lacks a part.

    Source: arXiv 2303.16852, proposition 2 and algorithm 1; arXiv 2312.14589, section 3.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> field = lambda sign: lambda params, x, t, cond=None: 3.0 * sign + 0 * x
    >>> parts = {"drift": jaxgen.Part(field(1)), "backward_drift": jaxgen.Part(field(-1))}
    >>> flow = jaxgen.transforms.ode_flow(lambda key, z, cond=None: (), field(1), parts=parts)
    >>> objective = bridge_matching(jaxgen.Model(jaxgen.bases.normal((2,)), flow), coupling=lambda key, x, z, cond: x - 3.0)
    >>> loss, _ = objective.loss((), (), jax.random.key(0), Batch(jax.numpy.zeros((4, 2))), Clock(0, 1, ()))
    >>> float(loss)  # All bridges cross the distance 3 in unit time.
    0.0
    """
    checks.number("bridge_matching: sigma", sigma, above=0)
    checks.counts("bridge_matching", rounds=rounds, times_per_pair=times_per_pair, num_steps=num_steps)
    require("bridge_matching", model, frozenset(NEEDS))
    drifts = drift, backward_drift = tuple(model.transform.parts[part].field() for part in NEEDS)
    paired = pairing("bridge_matching", model, coupling)
    processes = [
        over_batch(bridge_sde(model.transform.init, drift, backward_drift, sigma, num_steps, reverse=reverse, method="heun"))
        for reverse in (False, True)
    ]

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_pair, key_t, key_eps = jax.random.split(key, 4)

        def from_data() -> tuple[Ends, Ends]:
            ends = (paired.source(key_z, key_pair, batch), batch.x)
            return ends, ends

        def from_teacher(x: jax.Array, cond: Cond) -> tuple[Ends, Ends]:
            return _pairs_of(model, processes, num_steps, jax.lax.stop_gradient(aux["teacher"]), key_z, x, cond)

        pairs, cond = pairs_of_round(clock, rounds, batch, times_per_pair, from_data, from_teacher)
        t = drawn(batch, lambda num: times(key_t, num, batch.x.dtype))
        eps = drawn(batch, lambda num: jax.random.normal(key_eps, (num, *batch.x.shape[1:]), batch.x.dtype))
        each = jax.vmap(functools.partial(_errors, drifts, sigma, params))(pairs, cond, t, eps)
        errors = dict(zip(NEEDS, map(jnp.mean, each), strict=True))
        return sum(errors.values(), jnp.zeros((), batch.x.dtype)), errors

    # Later rounds repeat the pairs of some rows for others.
    return in_rounds(loss, paired.prepare, rounds)._replace(additive=paired.additive and rounds == 1)


def _pairs_of(
    model: Model, processes: Sequence[Maps], num_steps: int, teacher: Params, key: Key, x: jax.Array, cond: Cond
) -> tuple[Ends, Ends]:
    """Return the pairs for the forward and for the backward drift, made by the forward and the backward process at the params `teacher`."""
    key_z, key_forward, key_backward = jax.random.split(key, 3)
    z = model.base.sample(seed=key_z, sample_shape=(x.shape[0],)).astype(x.dtype)

    def end_of(process: Maps, key: Key, start: jax.Array) -> jax.Array:
        increments = jax.random.normal(key, (start.shape[0], num_steps, *start.shape[1:]), start.dtype)
        return process.forward(teacher, {"x0": start, "increments": increments}, cond)

    forward, backward = processes
    return (end_of(backward, key_backward, x), x), (z, end_of(forward, key_forward, z))


def _errors(
    drifts: Sequence[Field], sigma: float, params: Params, pairs: tuple[Ends, Ends], cond: Cond, t: jax.Array, eps: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the loss of each drift at one event, per coordinate.

    Given x_t, the forward drift of a bridge is `x_1 - x_0 - sigma^2 t eps / gamma` and the backward one
    `x_0 - x_1 - sigma^2 (1 - t) eps / gamma`.
    """
    gamma = jnp.sqrt(jnp.maximum(sigma**2 * t * (1 - t), jnp.finfo(t.dtype).eps))

    def error(drift: Field, ends: Ends, direct: jax.Array, elapsed: jax.Array) -> jax.Array:
        mean = (1 - t) * ends[0] + t * ends[1]
        return antithetic_error(lambda x: drift(params, x, t, cond), mean, gamma, eps, direct, -(sigma**2) * elapsed / gamma)

    to_data, to_source = pairs
    forward = error(drifts[0], to_data, to_data[1] - to_data[0], t)
    return forward, error(drifts[1], to_source, to_source[0] - to_source[1], 1 - t)
