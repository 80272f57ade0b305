"""Flow maps: from any time t straight to any later s, as few steps of one network. `f(params, x, t, s, cond)` is the one signature."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.numerics import Solver
from jaxgen.paths import Path
from jaxgen.transform import Transform, over_batch
from jaxgen.transforms.ode_flow import ode_flow

DENSITIES = ("implicit", "ode")


def flow_map(
    init: Callable[..., Any],
    mean_velocity: Callable[..., jax.Array],
    num_steps: int = 1,
    *,
    density: str = "implicit",
    solver: Solver | None = None,
    trace: str = "exact",
) -> Transform:
    """`num_steps` equal steps of the map `f(x, t, s) = x + (s - t) mean_velocity(x, t, s)` from noise at t = 0 to data at s = 1.

    mean_velocity: `(params, x (d,), t, s, cond) -> (d,)`, the average over [t, s] of the velocity of an ODE along its solution through x at
        t (arXiv 2505.13447, eq. 3). Where it is that, f solves the ODE and any `num_steps` gives the same; a velocity that ignores s gives
        Euler's method.
    density: "implicit", or "ode", which labels the samples by the density of the ODE `dx/dt = mean_velocity(x, t, t)`, EXACT or UNBIASED as
        `ode_flow` finds it with `solver` and `trace`; the map solves it only as well as it is trained, and the note says so.

    parts: `mean_velocity`; `velocity (params, x, t, cond)`, its limit s = t; `jump (params, x, t, s, cond)`, the map f itself.
    Raises ValueError for another density or a number of steps below 1.

    >>> import jax.numpy as jnp
    >>> halving = flow_map(lambda key, z, cond=None: (), lambda params, x, t, s, cond=None: -x / 2)
    >>> halving.forward((), jnp.asarray([4.0, 2.0]))
    Array([2., 1.], dtype=float32)
    """
    checks.count("flow_map: num_steps", num_steps)
    if density not in DENSITIES:
        raise ValueError(f"flow_map: density={density!r}; accepted: {', '.join(map(repr, DENSITIES))}.")
    parts = _parts(mean_velocity)
    jump = parts["jump"]

    def stages(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        grid = jnp.linspace(0.0, 1.0, num_steps + 1, dtype=z.dtype)

        def step(x: jax.Array, ts: Any) -> Any:
            x = jump(params, x, *ts, cond)
            return x, x

        return jax.lax.scan(step, z, (grid[:-1], grid[1:]))[1]

    def forward(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        if num_steps == 1:
            zero = jnp.zeros((), z.dtype)
            return jump(params, z, zero, zero + 1, cond)
        return stages(params, z, cond)[-1]

    own = {**parts, "stages": stages, "nfe": lambda params, z, cond=None: num_steps}
    if density == "implicit":
        return Transform(init, forward, parts=own)
    flow, plain = ode_flow(init, parts["velocity"], solver=solver, trace=trace), over_batch(Transform(init, forward))
    assert flow.batched is not None
    return flow._replace(
        forward=forward,
        forward_and_log_det=None,
        parts=own,
        batched=flow.batched._replace(forward=plain.forward, forward_and_log_det=None),
        note=f"density of the ODE of the map's velocity; the sampler takes {num_steps} step{'s' * (num_steps > 1)}.",
    )


def renoised_flow_map(init: Callable[..., Any], mean_velocity: Callable[..., jax.Array], path: Path, num_steps: int) -> Transform:
    """Multistep consistency sampling (arXiv 2303.01469, algorithm 1): to data by `f(x, t, 1)`, back to the next time by new noise, and again.

    Base: `diffusion_noise(event, num_steps - 1)`. After the first evaluation each one starts from `alpha(t) x + sigma(t) z` on `num_steps`
    equal steps of t, so errors of a long step are not carried on. IMPLICIT. parts: as `flow_map`; `stages` are the `num_steps` guesses at
    the data. Raises ValueError for fewer than 2 steps, which `flow_map` is for, or increments of another number.
    """
    checks.count("renoised_flow_map: num_steps", num_steps, 2)
    parts = _parts(mean_velocity)
    jump = parts["jump"]

    def stages(params: Any, z: Any, cond: Any = None) -> jax.Array:
        x0, increments = z["x0"], z["increments"]
        if increments.shape[0] != num_steps - 1:
            raise ValueError(
                f"increments of shape {increments.shape}; expected ({num_steps - 1}, ...): the base is diffusion_noise(event, {num_steps - 1})."
            )
        grid = jnp.linspace(0.0, 1.0, num_steps + 1, dtype=x0.dtype)[:-1]

        def step(x: jax.Array, inputs: Any) -> Any:
            t, noise = inputs
            x = jump(params, path.at(t, x, noise), t, jnp.ones_like(t), cond)
            return x, x

        first = jump(params, path.sigma(grid[0]) * x0, grid[0], jnp.ones_like(grid[0]), cond)
        return jnp.concatenate([first[None], jax.lax.scan(step, first, (grid[1:], increments))[1]])

    return Transform(
        lambda key, z, cond=None: init(key, z["x0"], cond),
        lambda params, z, cond=None: stages(params, z, cond)[-1],
        parts={**parts, "stages": stages, "nfe": lambda params, z, cond=None: num_steps},
        note="no density: the noise between the steps passes through the network.",
    )


def _parts(mean_velocity: Callable[..., jax.Array]) -> Mapping[str, Callable[..., jax.Array]]:
    def velocity(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        return mean_velocity(params, x, t, t, cond)

    def jump(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any = None) -> jax.Array:
        return x + (s - t) * mean_velocity(params, x, t, s, cond)

    return MappingProxyType({"mean_velocity": mean_velocity, "velocity": velocity, "jump": jump})
