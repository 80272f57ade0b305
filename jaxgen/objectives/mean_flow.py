"""MeanFlow: a flow map learnt from data by an identity between average and instantaneous velocity."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, drawn, no_aux, require
from jaxgen.objectives.couplings import CouplingLike
from jaxgen.objectives.discrepancy import energy
from jaxgen.objectives.pairing import pairing
from jaxgen.objectives.times import ordered_pairs, stratified_times
from jaxgen.paths import Path, linear
from jaxgen.transform import Part
from jaxgen.types import Aux, Cond, Key, Params


def mean_flow(
    model: Model,
    path: Path | None = None,
    *,
    coupling: CouplingLike = "independent",
    instantaneous: float = 0.5,
    to_end: float = 0.5,
    power: float = 0.0,
    guidance: float = 1.0,
    mix: float = 0.0,
    drop: float = 0.0,
    null_cond: ArrayLike = 0.0,
) -> Objective:
    """Regress the average velocity `u(x_t, t, s)` on `v + (s - t) du/dt`, whose derivative along the path is held fixed.

    The average velocity of an ODE over [t, s] is the only function with `u = v + (s - t) d/dt u(x_t, t, s)`; the paper's sign differs
    because its time runs from data to noise. v is the velocity of the pair's path, so there is no second network, and du/dt costs one
    Jacobian-vector product.

    Args:
        model: A model whose transform has the part `mean_velocity (params, x, t, s, cond)`, such as a `flow_map`.
        path: The path between noise and data. None is the straight line.
        coupling: Which noise meets which event, as `flow_matching` takes it.
        instantaneous: The share of rows with s = t, where the loss is that of flow matching and needs no derivative. The paper takes 0.75.
        to_end: The share of the other rows with s = 1, the step that a one-step sampler takes. The rest is uniform over t <= s.
        power: Rows are weighted by `1 / (|error|^2 + 1e-3)^power`, held fixed, with the squared error per coordinate. 0 is the regression
            whose minimum is the mean; the paper takes 1 for images, which prefers rows that fit already.
        guidance: The scale omega by which v becomes `omega v + kappa u(x_t, t, t | c) + (1 - omega - kappa) u(x_t, t, t | none)`, so that
            one evaluation samples with guidance of scale `omega / (1 - kappa)`.
        mix: The share kappa of the network in v.
        drop: The share of rows whose condition is replaced by `null_cond` and whose v is the path's; guidance needs some.
        null_cond: The condition that stands for none, a number or an array of the shape of a condition.

    Returns:
        An objective whose metric is `error`, the mean squared error before weighting.

    Raises:
        ValueError: A number is out of range, guidance has no dropped rows, `coupling` is unknown, or, at the loss, guidance has no
            conditions.
        PairingError: The transform lacks the part `mean_velocity`.

    Source: arXiv 2505.13447, algorithm 1, sections 4.2 and 4.3, appendix B.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> still = lambda params, x, t, s, cond=None: 0 * x
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.flow_map(lambda key, z, cond=None: (), still))
    >>> objective = mean_flow(model, coupling=lambda key, x, z, cond: x - 3.0)
    >>> loss, _ = objective.loss((), (), jax.random.key(0), Batch(jax.numpy.zeros((4, 2))), Clock(0, 1, ()))
    >>> round(float(loss), 4)  # Every path has the velocity 3.
    9.0
    """
    _check(instantaneous, to_end, power, guidance, mix, drop)
    require("mean_flow", model, frozenset({"mean_velocity"}))
    paired = pairing("mean_flow", model, coupling)
    target = _Target(model.transform.parts["mean_velocity"], path or linear(), guidance, mix, null_cond)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        if target.guided and batch.cond is None:
            raise ValueError(f"mean_flow: guidance={guidance!r}, mix={mix!r}; accepted: 1 and 0 for a batch without conditions.")
        key_z, key_pair, key_now, key_ahead, key_drop = jax.random.split(key, 5)
        z, num, dtype = paired.source(key_z, key_pair, batch), batch.x.shape[0], batch.x.dtype
        dropped = drawn(batch, lambda num: jax.random.uniform(key_drop, (num,))) < drop
        now = round(instantaneous * num)
        t = stratified_times(key_now, now, dtype)
        ahead = ordered_pairs(key_ahead, num - now, dtype, to_end)

        def errors(rows: slice, t: jax.Array, s: jax.Array | None) -> jax.Array:
            x, cond, z_, d = jax.tree.map(lambda a: a[rows], (batch.x, batch.cond, z, dropped))
            each = jax.vmap(lambda x, c, z, d, t, s: _error(target, params, x, c, z, t, s, d))(x, cond, z_, d, t, s)
            return jnp.mean(each**2, tuple(range(1, each.ndim)))

        squares = [errors(slice(now), t, None)] * bool(now) + [errors(slice(now, None), *ahead)] * (now < num)
        squares = jnp.concatenate(squares)
        weights = jax.lax.stop_gradient((squares + 1e-3) ** -power)
        return jnp.mean(weights * squares), {"error": jnp.mean(squares)}

    return Objective(no_aux, loss, prepare=paired.prepare, judge=energy(model).loss)


class _Target(NamedTuple):
    """Hold what the mean velocity `u` is regressed on: see `mean_flow`."""

    u: Part
    path: Path
    guidance: float
    mix: float
    null_cond: ArrayLike

    @property
    def guided(self) -> bool:
        return (self.guidance, self.mix) != (1, 0)


def _error(
    target: _Target, params: Params, x: jax.Array, cond: Cond, z: jax.Array, t: jax.Array, s: jax.Array | None, dropped: jax.Array
) -> jax.Array:
    """Return u less its target at one pair of times, shaped as the event; None for s is s = t, where the target is that of flow matching."""
    u = target.u
    d_alpha, d_sigma = target.path.rates(t)
    x_t, v = target.path.at(t, x, z), d_alpha * x + d_sigma * z
    cond = None if cond is None else jnp.where(dropped, _null(cond, target.null_cond), cond)
    v = jax.lax.stop_gradient(_steered(target, params, x_t, t, cond, v, dropped))
    if s is None:
        return u(params, x_t, t, t, cond=cond) - v
    value, rate = jax.jvp(lambda x, t: u(params, x, t, s, cond=cond), (x_t, t), (v, jnp.ones_like(t)))
    return value - jax.lax.stop_gradient(v + (s - t) * rate)


def _steered(target: _Target, params: Params, x: jax.Array, t: jax.Array, cond: Cond, v: jax.Array, dropped: jax.Array) -> jax.Array:
    """Return the velocity with guidance in it; the path's velocity without guidance, and on rows whose condition is dropped."""
    if not target.guided or cond is None:
        return v
    guidance, mix = target.guidance, target.mix
    known, none = target.u(params, x, t, t, cond=cond), target.u(params, x, t, t, cond=_null(cond, target.null_cond))
    return jnp.where(dropped, v, guidance * v + mix * known + (1 - guidance - mix) * none)


def _null(cond: jax.Array | np.ndarray, null_cond: ArrayLike) -> jax.Array:
    return jnp.broadcast_to(jnp.asarray(null_cond, cond.dtype), cond.shape)


def _check(instantaneous: float, to_end: float, power: float, guidance: float, mix: float, drop: float) -> None:
    for name, share in (("instantaneous", instantaneous), ("to_end", to_end)):
        checks.number(f"mean_flow: {name}", share, least=0, most=1)
    checks.number("mean_flow: power", power, least=0)
    checks.number("mean_flow: guidance", guidance, least=0)
    checks.number("mean_flow: mix", mix, least=0, below=1)
    checks.number("mean_flow: drop", drop, least=0, below=1)
    if (guidance, mix) != (1, 0) and not drop:
        raise ValueError(f"mean_flow: drop={drop!r} with guidance={guidance!r}, mix={mix!r}; accepted: a share above 0, such as 0.1.")
