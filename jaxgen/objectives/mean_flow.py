"""MeanFlow: a flow map learnt from data by an identity between average and instantaneous velocity (arXiv 2505.13447)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, no_aux, require
from jaxgen.objectives.couplings import Coupling, Pair, resolve
from jaxgen.objectives.denoising import stratified_times
from jaxgen.objectives.pairing import pairing
from jaxgen.objectives.times import ordered_pairs
from jaxgen.paths import Path, linear


def mean_flow(
    model: Model,
    path: Path | None = None,
    *,
    coupling: str | Coupling | Pair = "independent",
    instantaneous: float = 0.5,
    to_end: float = 0.5,
    power: float = 0.0,
    guidance: float = 1.0,
    mix: float = 0.0,
    drop: float = 0.0,
    null_cond: Any = 0.0,
) -> Objective:
    """Regress `u(x_t, t, s)` on `v + (s - t) du/dt`, the derivative along the path by one jvp and held fixed (arXiv 2505.13447, algorithm 1).

    The average velocity u of the ODE over [t, s] is the only function with `u = v + (s - t) d/dt u(x_t, t, s)`; its sign is the paper's,
    whose time runs from data to noise. v is the rate of the pair's path, so there is no second network.

    path: linear by default, from pure noise to data. coupling: of noise and data, as in `flow_matching`.
    instantaneous: the share of rows with s = t, on which this is flow matching and needs no jvp (the paper's 75 % of r = t). to_end: the
        share of the others with s = 1, the step that a one-step sampler takes; the rest is uniform over t <= s.
    power: rows are weighted by `1 / (|error|^2 + 1e-3)^power`, held fixed (section 4.3; the paper takes 1 for images). 0, the default, is the
        regression whose minimum is the mean; any other prefers rows that fit already.
    guidance, mix: omega and kappa of the paper's section 4.2 and appendix B: v becomes `omega v + kappa u(x_t, t, t | c) +
        (1 - omega - kappa) u(x_t, t, t | none)`, so that one evaluation samples with guidance of scale `omega / (1 - kappa)`.
    drop: the share of rows whose condition is `null_cond`, which stands for none, and whose v is the path's; guidance needs some.

    Needs the part `mean_velocity`. Raises ValueError for numbers out of range, or guidance without conditions.
    """
    _check(instantaneous, to_end, power, guidance, mix, drop)
    require("mean_flow", model, frozenset({"mean_velocity"}))
    u, path, paired = model.transform.parts["mean_velocity"], linear() if path is None else path, pairing(model, resolve(coupling))

    target = _Target(u, path, guidance, mix, null_cond)

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        if (guidance != 1 or mix != 0) and batch.cond is None:
            raise ValueError(f"mean_flow: guidance={guidance!r}, mix={mix!r}; guidance needs conditions and the batch has none.")
        key_z, key_pair, key_now, key_ahead, key_drop = jax.random.split(key, 5)
        z, num, dtype = paired.source(key_z, key_pair, batch), batch.x.shape[0], batch.x.dtype
        dropped = jax.random.uniform(key_drop, (num,)) < drop
        now = round(instantaneous * num)
        t = stratified_times(key_now, now, dtype)
        ahead = ordered_pairs(key_ahead, num - now, dtype, to_end)

        def over(rows: slice, *times: Any) -> jax.Array:
            x, cond, z_, d = jax.tree.map(lambda a: a[rows], (batch.x, batch.cond, z, dropped))
            return jax.vmap(lambda x, c, z, d, t, s: _error(target, params, x, c, z, t, s, d))(x, cond, z_, d, *times)

        parts = [over(slice(now), t, None)] * bool(now) + [over(slice(now, None), *ahead)] * (now < num)
        squares = jnp.concatenate([jnp.mean(p**2, tuple(range(1, p.ndim))) for p in parts])
        weights = jax.lax.stop_gradient((squares + 1e-3) ** -power) if power else 1.0
        return jnp.mean(weights * squares), {"error": jnp.mean(squares)}

    return Objective(no_aux, loss, frozenset({"mean_velocity"}), prepare=paired.prepare)


class _Target(NamedTuple):
    """What the mean velocity `u` is held to: see `mean_flow`."""

    u: Callable[..., jax.Array]
    path: Path
    guidance: float
    mix: float
    null_cond: Any


def _error(
    target: _Target, params: Any, x: jax.Array, cond: Any, z: jax.Array, t: jax.Array, s: jax.Array | None, dropped: jax.Array
) -> jax.Array:
    """u less its target at one pair of times, shaped as the event; without s at s = t, where it is flow matching."""
    u = target.u
    d_alpha, d_sigma = target.path.rates(t)
    at, v = target.path.at(t, x, z), d_alpha * x + d_sigma * z
    cond = None if cond is None else jnp.where(dropped, _null(cond, target.null_cond), cond)
    v = jax.lax.stop_gradient(_steered(target, params, at, t, cond, v, dropped))
    if s is None:
        return u(params, at, t, t, cond) - v
    value, rate = jax.jvp(lambda x, t: u(params, x, t, s, cond), (at, t), (v, jnp.ones_like(t)))
    return value - jax.lax.stop_gradient(v + (s - t) * rate)


def _steered(target: _Target, params: Any, x: jax.Array, t: jax.Array, cond: Any, v: jax.Array, dropped: jax.Array) -> jax.Array:
    """The velocity with guidance in it; the path's where there is none, and on rows whose condition is dropped."""
    guidance, mix = target.guidance, target.mix
    if guidance == 1 and mix == 0:
        return v
    known, none = target.u(params, x, t, t, cond), target.u(params, x, t, t, _null(cond, target.null_cond))
    return jnp.where(dropped, v, guidance * v + mix * known + (1 - guidance - mix) * none)


def _null(cond: jax.Array, null_cond: Any) -> jax.Array:
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
