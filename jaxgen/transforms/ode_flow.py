"""The flow of an ODE: dx/dt = velocity(x, t) from noise at t = 0 to data at t = 1 (arXiv 1806.07366, 2011.13456)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.numerics import Solver, adaptive, divergence, hutch_plus_plus, hutchinson, refined, solve
from jaxgen.paths import Prediction
from jaxgen.transform import Batched, Density, Preimage, Transform

NUM_STAGES = 32
TRACES = ("exact", "hutchinson", "hutchinson_gaussian", "hutch++")


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
    all events, chosen by the worst of them. Raises ValueError for an unknown `trace` or a `num_probes` it cannot use.
    """
    num = _num_probes(trace, num_probes)
    checks.number("ode_flow: scale", scale, above=0)
    checks.number("ode_flow: energy", energy, least=0)
    solver = adaptive() if solver is None else solver
    exact = trace == "exact"

    def draw(key: jax.Array, x: jax.Array) -> Any:
        return _probes(key, x, trace, num)

    def with_divergence(params: Any, cond: Any, probe: Any) -> Callable[..., Any]:
        def field(t: jax.Array, state: Any) -> Any:
            def at_t(x: jax.Array) -> jax.Array:
                return velocity(params, x, t, cond)

            if probe is None:
                v, rate = divergence(at_t, state[0])
            elif trace == "hutch++":
                v, rate = hutch_plus_plus(at_t, state[0], *probe)
            else:
                v, rate = hutchinson(at_t, state[0], probe)
            return (v, rate, energy * jnp.sum(v**2)) if energy else (v, rate)

        return field

    def log_scale(event: jax.Array) -> jax.Array:
        return event.size * jnp.log(jnp.asarray(scale, event.dtype))

    def alone(params: Any, x: jax.Array, cond: Any, key: Any, t0: float, t1: float) -> tuple[jax.Array, ...]:
        zero = jnp.zeros((), x.dtype)
        probe = None if exact else draw(key, x)
        state = (x, zero, zero) if energy else (x, zero)
        return solve(with_divergence(params, cond, probe), state, t0, t1, solver)[0]

    def together(params: Any, x: jax.Array, cond: Any, key: Any, t0: float, t1: float) -> tuple[jax.Array, ...]:
        zero = jnp.zeros(x.shape[:1], x.dtype)
        state = (x, zero, zero) if energy else (x, zero)
        probes = None if exact else jax.vmap(draw)(key, x)

        def field(t: jax.Array, state: Any) -> Any:
            return jax.vmap(lambda s, c, p: with_divergence(params, c, p)(t, s))(state, cond, probes)

        return solve(field, state, t0, t1, solver, norm=_worst_event)[0]

    def inverse_by(integrate: Callable[..., tuple[jax.Array, ...]]) -> Callable[..., Preimage]:
        def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
            if not exact and key is None:
                raise ValueError(
                    f"ode_flow.inverse: key=None; the divergence is estimated ({trace}), give a key such as jax.random.key(0)."
                )
            z, log_det, *paid = integrate(params, x, cond, key, 1.0, 0.0)
            # Backwards in time the energy's integral is negative.
            return Preimage(z / scale, log_det - log_scale(x if integrate is alone else x[0]), -paid[0] if paid else 0.0)

        return inverse

    def log_det_by(integrate: Callable[..., tuple[jax.Array, ...]]) -> Callable[..., tuple[jax.Array, jax.Array]]:
        def forward_and_log_det(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
            x, log_det, *_ = integrate(params, scale * z, cond, None, 0.0, 1.0)
            return x, log_det + log_scale(z if integrate is alone else z[0])

        return forward_and_log_det

    def trajectory(params: Any, z: jax.Array, cond: Any, times: Any) -> tuple[jax.Array, jax.Array]:
        return solve(lambda t, x: velocity(params, x, t, cond), scale * z, 0.0, 1.0, solver, save_at=times)

    def batched_forward(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        def field(t: jax.Array, x: jax.Array) -> jax.Array:
            return jax.vmap(lambda x, c: velocity(params, x, t, c))(x, cond)

        return solve(field, scale * z, 0.0, 1.0, solver, norm=_worst_event)[0]

    def stages(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        return trajectory(params, z, cond, jnp.linspace(0.0, 1.0, NUM_STAGES + 1, dtype=z.dtype)[1:])[0]

    def refine(level: int, exact: bool = False) -> Transform:
        how: Any = {"trace": "exact"} if exact else {"trace": trace, "num_probes": num_probes}
        return ode_flow(init, velocity, solver=refined(solver, level), **how, scale=scale, energy=energy, parts=parts)

    kind = Density.LOWER_BOUND if energy else Density.EXACT if exact else Density.UNBIASED
    return Transform(
        init,
        lambda params, z, cond=None: trajectory(params, z, cond, None)[0],
        inverse_by(alone),
        log_det_by(alone) if kind is Density.EXACT else None,
        kind,
        {**parts, "velocity": velocity, "stages": stages, "nfe": lambda params, z, cond=None: trajectory(params, z, cond, None)[1]},
        Batched(batched_forward, inverse_by(together), log_det_by(together) if kind is Density.EXACT else None),
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


def _probes(key: jax.Array, x: jax.Array, trace: str, num: int) -> Any:
    """Probes shaped as x, or `num` of them; for Hutch++ the pair of a sketch and probes `(., x.size)`, a third of `num` each (no wider a sketch)."""
    if trace == "hutch++":
        key_sketch, key_probes = jax.random.split(key)
        # Gaussian, as random signs repeat themselves in few dimensions and the sketch would then be of lower rank.
        sketch = jax.random.normal(key_sketch, (min(num // 3, x.size), x.size), x.dtype)
        return sketch, jax.random.rademacher(key_probes, (num // 3, x.size), x.dtype)
    shape = x.shape if num == 1 else (num, *x.shape)
    return jax.random.rademacher(key, shape, x.dtype) if trace == "hutchinson" else jax.random.normal(key, shape, x.dtype)


def _worst_event(error: Any) -> jax.Array:
    """The largest root-mean-square error of an event in the batch, so that a shared step is as safe as each event's own."""
    leaves = [e.reshape(e.shape[0], -1) for e in jax.tree.leaves(error)]
    return jnp.sqrt(jnp.max(jnp.mean(jnp.concatenate(leaves, 1) ** 2, 1)))
