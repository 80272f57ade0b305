"""Integration by diffrax where the loops of this package do not serve: states on the way, forward mode and the adjoint ODE."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.numerics.solver import ADAPTIVE, ADJOINTS, Solver
from jaxgen.numerics.step_control import Pair


@functools.cache
def pair_of(method: str) -> Pair:
    """Return diffrax's coefficients of an adaptive method, as a `Pair` of this package."""
    import diffrax

    name, _ = ADAPTIVE[method]
    solver = getattr(diffrax, name)
    table = solver.tableau
    a = ((), *(tuple(map(float, row)) for row in table.a_lower))
    return Pair(
        a,
        tuple(map(float, table.b_sol)),
        tuple(map(float, table.b_error)),
        (0.0, *map(float, table.c)),
        solver().error_order(None),
        table.fsal,
    )


def solve_by_diffrax(
    field: Callable[[Any, Any], Any], y0: Any, start: jax.Array, end: jax.Array, solver: Solver, save_at: Any, norm: Any
) -> tuple[Any, jax.Array]:
    """Integrate `dy/dt = field(t, y)` from `y(start) = y0` to `end` by diffrax.

    Args:
        field: `(t, y) -> dy/dt`, a pytree like `y`.
        y0: The state at `start`, any pytree of arrays.
        start: The first time, a scalar.
        end: The last time, a scalar.
        solver: An adaptive solver.
        save_at: The times `(T,)` at which states are wanted; None for the state at `end` alone.
        norm: The norm of a pytree in which the error is measured.

    Returns:
        The state at `end`, or the states at `save_at` with a leading axis `T`, and the number of evaluations of `field`. The states are NaN
        if the solve failed.
    """
    import diffrax

    method, num_evaluations = ADAPTIVE[solver.method]
    consts: Any = ()
    if solver.adjoint == "backsolve":
        # Its rule sees arguments only, so what the field closes over becomes one.
        field, consts = jax.closure_convert(field, start, y0)
    longest = None if solver.longest_step >= 1 else solver.longest_step * jnp.abs(end - start)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: field(t, y, *args)),
        getattr(diffrax, method)(),
        start,
        end,
        None,
        y0,
        tuple(consts),
        saveat=diffrax.SaveAt(t1=True) if save_at is None else diffrax.SaveAt(ts=save_at),
        stepsize_controller=diffrax.PIDController(solver.rtol, solver.atol, norm=norm, dtmax=longest),
        adjoint=getattr(diffrax, ADJOINTS[solver.adjoint])(),
        max_steps=solver.max_steps,
        # A raised error would be a host callback, which cannot be lowered for several platforms at once.
        throw=False,
    )
    ok = solution.result == diffrax.RESULTS.successful
    ys = solution.ys if save_at is not None else jax.tree.map(lambda y: y[0], solution.ys)
    return jax.tree.map(lambda y: jnp.where(ok, y, jnp.nan), ys), solution.stats["num_steps"] * num_evaluations
