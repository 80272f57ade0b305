"""What entries with a network in time share: its initialiser, the ODE flow of its velocity, and the choice of trace and solver."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.numerics import Solver, fixed
from jaxgen.transform import Transform
from jaxgen.transforms import ode_flow
from jaxgen.types import Cond, Key, Params

MAX_EXACT_TRACE = 16
"""Up to this many coordinates the divergence of a velocity is computed exactly."""


def velocity_flow(net: Net, size: int, solver: Solver | None = None, energy: float = 0.0) -> Transform:
    """Return the ODE flow whose velocity is `net.apply(params, x, t, cond)`.

    Args:
        net: A network in `(x, t, cond)`.
        size: How many numbers an event has, which decides how the divergence is computed.
        solver: The ODE solver; None is the adaptive default of `ode_flow`.
        energy: The weight of the velocity's square in `ode_flow`.
    """
    return ode_flow(init_in_time(net), net.apply, solver=solver, trace=trace_for(size), energy=energy)


def trace_for(size: int) -> str:
    """Return "exact" for up to 16 numbers and "hutchinson" above, where an exact divergence costs too many products."""
    return "exact" if size <= MAX_EXACT_TRACE else "hutchinson"


def in_steps(num_steps: int | None, method: str = "midpoint") -> Solver | None:
    """Return the solver of a number of equal steps.

    Args:
        num_steps: The number of steps; None stands for an adaptive solver.
        method: The method of `numerics.fixed`.

    Returns:
        The solver, or None if `num_steps` is None.
    """
    return None if num_steps is None else fixed(num_steps, method)


def init_in_time(net: Net) -> Callable[..., Params]:
    """Return the `init` of a transform with the params of a network in `(x, t, cond)`."""

    def init(key: Key, z: jax.Array, cond: Cond = None) -> Params:
        return net.init(key, z, jnp.zeros((), z.dtype), cond)

    return init


def init_in_times(net: Net) -> Callable[..., Params]:
    """Return the `init` of a transform with the params of a network in `(x, t, s, cond)`."""

    def init(key: Key, z: jax.Array, cond: Cond = None) -> Params:
        zero = jnp.zeros((), z.dtype)
        return net.init(key, z, zero, zero, cond)

    return init
