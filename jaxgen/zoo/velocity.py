"""What `cnf` and the flow matching entries share: the ODE flow of a network's velocity, and the initialiser of networks in time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.numerics import Solver
from jaxgen.transform import Transform
from jaxgen.transforms import ode_flow

MAX_EXACT_TRACE = 16


def velocity_flow(net: Net, dim: int, solver: Solver | None = None, energy: float = 0.0) -> Transform:
    """The ODE flow whose velocity is `net.apply(params, x, t, cond)`."""
    return ode_flow(init_in_time(net), net.apply, solver=solver, trace=trace_for(dim), energy=energy)


def trace_for(dim: int) -> str:
    """The exact divergence costs d products per evaluation; above 16 coordinates Hutchinson's estimate takes over (kind UNBIASED)."""
    return "exact" if dim <= MAX_EXACT_TRACE else "hutchinson"


def init_in_time(net: Net) -> Callable[..., Any]:
    """The `init` of a transform whose params are those of a network in `(x, t, cond)`."""

    def init(key: jax.Array, z: jax.Array, cond: Any = None) -> Any:
        return net.init(key, z, jnp.zeros((), z.dtype), cond)

    return init


def init_in_times(net: Net) -> Callable[..., Any]:
    """The same for networks in `(x, t, s, cond)`."""

    def init(key: jax.Array, z: jax.Array, cond: Any = None) -> Any:
        zero = jnp.zeros((), z.dtype)
        return net.init(key, z, zero, zero, cond)

    return init
