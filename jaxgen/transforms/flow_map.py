"""Flow maps: from any time t straight to any later s, as few steps of one network. `f(params, x, t, s, cond)` is the one signature."""

from collections.abc import Mapping
from typing import Protocol

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.numerics import Solver
from jaxgen.paths import Path
from jaxgen.transform import Hooks, Init, Maps, Part, Transform, field_part
from jaxgen.transforms.ode_flow import ode_flow
from jaxgen.types import Cond, Noise, Params

DENSITIES = ("implicit", "ode")


class MeanVelocity(Protocol):
    """The average over [t, s] of an ODE's velocity along its solution through `x` at t, shaped as `x` (arXiv 2505.13447, eq. 3)."""

    def __call__(self, params: Params, x: jax.Array, t: jax.Array, s: jax.Array, /, cond: Cond = None) -> jax.Array: ...


def flow_map(
    init: Init,
    mean_velocity: MeanVelocity,
    num_steps: int = 1,
    *,
    density: str = "implicit",
    solver: Solver | None = None,
    trace: str = "exact",
) -> Transform:
    """Take `num_steps` equal steps of the map `f(x, t, s) = x + (s - t) mean_velocity(x, t, s)` from noise at t = 0 to data at s = 1.

    If `mean_velocity` is the average velocity of an ODE, f solves that ODE and any number of steps gives the same sample. A velocity that
    ignores s gives Euler's method.

    Args:
        init: `(key, z, cond=None) -> params`.
        mean_velocity: `(params, x, t, s, cond=None) -> rate`, shaped as the event `x`.
        num_steps: How many steps a sample takes.
        density: "implicit", or "ode", which reports the density of the ODE `dx/dt = mean_velocity(x, t, t)`. The map solves that ODE only
            as well as it is trained.
        solver: How the ODE is solved for its density; None is `numerics.adaptive()`.
        trace: How the ODE's divergence is computed, as in `ode_flow`.

    Returns:
        The transform. Its parts are `mean_velocity`; `velocity`, its limit s = t; and `jump(params, x, t, s, cond=None)`, the map f itself.

    Raises:
        ValueError: `density` is unknown, or `num_steps` is below 1.

    >>> import jax.numpy as jnp
    >>> halving = flow_map(lambda key, z, cond=None: (), lambda params, x, t, s, cond=None: -x / 2)
    >>> halving.forward((), jnp.asarray([4.0, 2.0]))
    Array([2., 1.], dtype=float32)
    """
    checks.count("flow_map: num_steps", num_steps)
    if density not in DENSITIES:
        raise ValueError(f"flow_map: density={density!r}; accepted: {', '.join(map(repr, DENSITIES))}.")
    jump = _jump(mean_velocity)

    # The sample and all states, apart, so that sampling keeps no states.
    def run(params: Params, z: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array]:
        grid = jnp.linspace(0.0, 1.0, num_steps + 1, dtype=z.dtype)

        def step(x: jax.Array, ts: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            x = jump(params, x, *ts, cond)
            return x, x

        return jax.lax.scan(step, z, (grid[:-1], grid[1:]))

    def forward(params: Params, z: jax.Array, /, cond: Cond = None) -> jax.Array:
        if num_steps == 1:
            zero = jnp.zeros((), z.dtype)
            return jump(params, z, zero, zero + 1, cond)
        return run(params, z, cond)[0]

    parts = _parts(mean_velocity)
    hooks = Hooks(lambda params, z, cond=None: run(params, z, cond)[1], lambda params, z, cond=None: num_steps)
    map_alone = Transform(init, Maps(forward), hooks=hooks, parts=parts)
    if density == "implicit":
        return map_alone
    ode = ode_flow(init, parts["velocity"].field(), solver=solver, trace=trace)
    return map_alone._replace(kind=ode.kind, proxy=ode)


def renoised_flow_map(init: Init, mean_velocity: MeanVelocity, path: Path, num_steps: int) -> Transform:
    """Sample by multistep consistency: to data by `f(x, t, 1)`, back to the next time by new noise, and again.

    After the first evaluation each one starts from `alpha(t) x + sigma(t) z`, so errors of a long step are not carried on. The noise
    between the steps passes through the network, so the density is IMPLICIT.

    Args:
        init: `(key, z, cond=None) -> params`.
        mean_velocity: `(params, x, t, s, cond=None) -> rate`, as for `flow_map`.
        path: The path on which data is noised again.
        num_steps: How many evaluations a sample takes, at equal steps of t.

    Returns:
        The transform of the base `diffusion_noise(event, num_steps - 1)`, with the parts of `flow_map`; its stages are the `num_steps`
        guesses at the data.

    Raises:
        ValueError: `num_steps` is below 2, which `flow_map` is for, or the noise has another number of increments.

    Source: arXiv 2303.01469, algorithm 1.

    >>> import jax.numpy as jnp, jaxgen
    >>> to_zero = renoised_flow_map(lambda key, z, cond=None: (), lambda params, x, t, s, cond=None: -x / (1 - t), jaxgen.paths.linear(), 2)
    >>> float(to_zero.forward((), {"x0": jnp.ones(1), "increments": jnp.ones((1, 1))})[0])
    0.0
    """
    checks.count("renoised_flow_map: num_steps", num_steps, 2)
    jump = _jump(mean_velocity)

    def run(params: Params, z: Noise, cond: Cond) -> tuple[jax.Array, jax.Array]:
        x0, increments = z["x0"], z["increments"]
        if increments.shape[0] != num_steps - 1:
            raise ValueError(
                f"renoised_flow_map: increments of shape {increments.shape}; accepted: ({num_steps - 1}, ...), "
                f"the noise of diffusion_noise(event, {num_steps - 1})."
            )
        grid = jnp.linspace(0.0, 1.0, num_steps + 1, dtype=x0.dtype)[:-1]

        def step(x: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            t, noise = inputs
            x = jump(params, path.at(t, x, noise), t, jnp.ones_like(t), cond)
            return x, x

        first = jump(params, path.sigma(grid[0]) * x0, grid[0], jnp.ones_like(grid[0]), cond)
        x, states = jax.lax.scan(step, first, (grid[1:], increments))
        return x, jnp.concatenate([first[None], states])

    return Transform(
        lambda key, z, cond=None: init(key, z["x0"], cond),
        Maps(lambda params, z, cond=None: run(params, z, cond)[0]),
        hooks=Hooks(lambda params, z, cond=None: run(params, z, cond)[1], lambda params, z, cond=None: num_steps),
        parts=_parts(mean_velocity),
    )


def _jump(mean_velocity: MeanVelocity) -> MeanVelocity:
    def jump(params: Params, x: jax.Array, t: jax.Array, s: jax.Array, /, cond: Cond = None) -> jax.Array:
        return x + (s - t) * mean_velocity(params, x, t, s, cond)

    return jump


def _parts(mean_velocity: MeanVelocity) -> Mapping[str, Part]:
    def velocity(params: Params, x: jax.Array, t: jax.Array, /, cond: Cond = None) -> jax.Array:
        return mean_velocity(params, x, t, t, cond)

    functions = {"mean_velocity": mean_velocity, "velocity": velocity, "jump": _jump(mean_velocity)}
    return {name: field_part(function) for name, function in functions.items()}
