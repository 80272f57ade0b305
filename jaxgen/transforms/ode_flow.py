"""The flow of an ODE: dx/dt = velocity(x, t) from noise at t = 0 to data at t = 1 (arXiv 1806.07366, 2011.13456)."""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.numerics import Solver, adaptive, divergence, hutch_plus_plus, hutchinson, refined, solve
from jaxgen.paths import Prediction
from jaxgen.transform import Batched, Density, Preimage, Transform

NUM_STAGES = 32
TRACES = ("exact", "hutchinson", "hutchinson_gaussian", "hutch++")


class _Ode(NamedTuple):
    """What is integrated and how; the functions below that take it first are the transform's."""

    velocity: Callable[..., jax.Array]
    solver: Solver
    trace: str
    num_probes: int
    scale: float
    energy: float


def ode_flow(
    init: Callable[..., Any],
    velocity: Callable[..., jax.Array],
    *,
    solver: Solver | None = None,
    trace: str = "exact",
    num_probes: int | None = None,
    scale: float = 1.0,
    energy: float = 0.0,
    parts: Mapping[str, Any] = MappingProxyType({}),
) -> Transform:
    """The flow of `velocity(params, x, t, cond)`, shaped as the event x, started at `scale * z`; `init` is the transform's.

    `log_det` of the inverse is minus the integral of the divergence from noise to data, and `trace` says how the divergence is found:

    - "exact": d = x.size Jacobian-vector products an evaluation (EXACT);
    - "hutchinson": the mean over `num_probes` (default 1) Rademacher probes held fixed along the trajectory, a product each (UNBIASED,
      arXiv 1810.01367);
    - "hutchinson_gaussian": the same with Gaussian probes, whose variance is never smaller;
    - "hutch++": `num_probes` (default 3, a multiple of 3) products, two thirds of them for the directions in which the Jacobian is large,
      where the trace is then exact (UNBIASED, arXiv 2010.09649): for velocities that move few directions, or many probes.

    energy: the price of the path's kinetic energy. `inverse` then returns `log_q = energy * integral of |velocity|^2 dt`, so that the value is
        a LOWER_BOUND of the log density, for training on a coarse grid (arXiv 2002.02798). Without a price maximum likelihood finds
        paths that the grid cannot follow and whose log density it puts too high, far above any model's.

    Gradients through an adaptive solve are those of the solver's `adjoint` (see `numerics.adaptive`). The batched forms share one step for
    all events, chosen in the solver's `norm`. Raises ValueError for an unknown `trace` or a `num_probes` it cannot use.
    """
    checks.number("ode_flow: scale", scale, above=0)
    checks.number("ode_flow: energy", energy, least=0)
    ode = _Ode(velocity, adaptive() if solver is None else solver, trace, _num_probes(trace, num_probes), scale, energy)

    def refine(level: int, exact: bool = False) -> Transform:
        how: Any = {"trace": "exact"} if exact else {"trace": trace, "num_probes": num_probes}
        return ode_flow(init, velocity, solver=refined(ode.solver, level), **how, scale=scale, energy=energy, parts=parts)

    kind = Density.LOWER_BOUND if energy else Density.EXACT if trace == "exact" else Density.UNBIASED
    inverse, batched_inverse = (functools.partial(_inverse, ode, batched) for batched in (False, True))
    exact = kind is Density.EXACT
    with_log_det, batched_log_det = (functools.partial(_forward_and_log_det, ode, b) if exact else None for b in (False, True))
    return Transform(
        init,
        lambda params, z, cond=None: _trajectory(ode, params, z, cond)[0],
        inverse,
        with_log_det,
        kind,
        {
            **parts,
            "velocity": velocity,
            "stages": functools.partial(_stages, ode),
            "nfe": lambda params, z, cond=None: _trajectory(ode, params, z, cond)[1],
        },
        Batched(functools.partial(_batched_forward, ode), batched_inverse, batched_log_det),
        refine=refine,
    )


def probability_flow(
    init: Callable[..., Any],
    prediction: Prediction,
    *,
    solver: Solver | None = None,
    trace: str = "exact",
    num_probes: int | None = None,
) -> Transform:
    """The probability-flow ODE of a diffusion (arXiv 2011.13456, eq. 13), started at `sigma(0) z`; parts: eps, denoiser, velocity, score."""
    scale = float(prediction.path.sigma(jnp.zeros(())))
    return ode_flow(init, prediction.velocity, solver=solver, trace=trace, num_probes=num_probes, scale=scale, parts=prediction.parts())


def _num_probes(trace: str, num_probes: int | None) -> int:
    if trace not in TRACES:
        raise ValueError(f"trace={trace!r}; accepted: {', '.join(repr(t) for t in TRACES)}.")
    step = 3 if trace == "hutch++" else 1
    if num_probes is not None and (trace == "exact" or not isinstance(num_probes, int) or num_probes < 1 or num_probes % step):
        accepted = "None" if trace == "exact" else f"a positive multiple of {step}"
        raise ValueError(f"num_probes={num_probes!r} with trace={trace!r}; accepted: {accepted}.")
    return step if num_probes is None else num_probes


def _probes(ode: _Ode, key: jax.Array, x: jax.Array) -> Any:
    """Probes shaped as x, or `num` of them; for Hutch++ the pair of a sketch and probes `(., x.size)`, a third of `num` each (no wider a sketch)."""
    num = ode.num_probes
    if ode.trace == "hutch++":
        key_sketch, key_probes = jax.random.split(key)
        # Gaussian, as random signs repeat themselves in few dimensions and the sketch would then be of lower rank.
        sketch = jax.random.normal(key_sketch, (min(num // 3, x.size), x.size), x.dtype)
        return sketch, jax.random.rademacher(key_probes, (num // 3, x.size), x.dtype)
    shape = x.shape if num == 1 else (num, *x.shape)
    return jax.random.rademacher(key, shape, x.dtype) if ode.trace == "hutchinson" else jax.random.normal(key, shape, x.dtype)


def _inverse(ode: _Ode, batched: bool, params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
    if ode.trace != "exact" and key is None:
        raise ValueError(f"ode_flow.inverse: key=None; the divergence is estimated ({ode.trace}), give a key such as jax.random.key(0).")
    z, log_det, *paid = _integrate(ode, batched, params, x, cond, key, 1.0, 0.0)
    # Backwards in time the energy's integral is negative.
    return Preimage(z / ode.scale, log_det - _log_scale(ode, x[0] if batched else x), -paid[0] if paid else 0.0)


def _forward_and_log_det(ode: _Ode, batched: bool, params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
    x, log_det, *_ = _integrate(ode, batched, params, ode.scale * z, cond, None, 0.0, 1.0)
    return x, log_det + _log_scale(ode, z[0] if batched else z)


def _batched_forward(ode: _Ode, params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
    def field(t: jax.Array, x: jax.Array) -> jax.Array:
        return jax.vmap(lambda x, c: ode.velocity(params, x, t, c))(x, cond)

    return solve(field, ode.scale * z, 0.0, 1.0, ode.solver, batched=True)[0]


def _trajectory(ode: _Ode, params: Any, z: jax.Array, cond: Any, times: Any = None) -> tuple[jax.Array, jax.Array]:
    return solve(lambda t, x: ode.velocity(params, x, t, cond), ode.scale * z, 0.0, 1.0, ode.solver, save_at=times)


def _stages(ode: _Ode, params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
    return _trajectory(ode, params, z, cond, jnp.linspace(0.0, 1.0, NUM_STAGES + 1, dtype=z.dtype)[1:])[0]


def _log_scale(ode: _Ode, event: jax.Array) -> jax.Array:
    return event.size * jnp.log(jnp.asarray(ode.scale, event.dtype))


def _integrate(ode: _Ode, batched: bool, params: Any, x: jax.Array, cond: Any, key: Any, t0: float, t1: float) -> tuple[jax.Array, ...]:
    """From `x`, one event or, `batched`, many: the other end, the integral of the divergence and, where it has a price, that of the energy."""
    zero = jnp.zeros(x.shape[:1] if batched else (), x.dtype)
    state = (x, zero, zero) if ode.energy else (x, zero)
    exact = ode.trace == "exact"
    if not batched:
        probe = None if exact else _probes(ode, key, x)
        return solve(lambda t, s: _rates(ode, params, t, s[0], cond, probe), state, t0, t1, ode.solver)[0]
    probes = None if exact else jax.vmap(lambda k, x: _probes(ode, k, x))(key, x)

    def field(t: jax.Array, state: Any) -> Any:
        return jax.vmap(lambda x, c, p: _rates(ode, params, t, x, c, p))(state[0], cond, probes)

    return solve(field, state, t0, t1, ode.solver, batched=True)[0]


def _rates(ode: _Ode, params: Any, t: jax.Array, x: jax.Array, cond: Any, probe: Any) -> tuple[jax.Array, ...]:
    """The velocity, its divergence and, where it has a price, the energy's rate."""

    def at_t(x: jax.Array) -> jax.Array:
        return ode.velocity(params, x, t, cond)

    if probe is None:
        v, rate = divergence(at_t, x)
    elif ode.trace == "hutch++":
        v, rate = hutch_plus_plus(at_t, x, *probe)
    else:
        v, rate = hutchinson(at_t, x, probe)
    return (v, rate, ode.energy * jnp.sum(v**2)) if ode.energy else (v, rate)
