"""Initial value problems: one `solve` for adaptive and fixed grids, differentiable in both modes; diffrax does what the loops here do not."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.compiled import traced_once
from jaxgen.numerics.adaptive_grid import Solution, integrate, integrate_in_reverse
from jaxgen.numerics.diffrax_solve import pair_of, solve_by_diffrax
from jaxgen.numerics.fixed_grid import solve_on_fixed_grid
from jaxgen.numerics.solver import ADAPTIVE, FIXED, Solver
from jaxgen.numerics.step_control import Control


def solve(
    field: Callable[[jax.Array, Any], Any],
    y0: Any,
    t0: float,
    t1: float,
    solver: Solver,
    *,
    save_at: jax.Array | None = None,
    batched: bool = False,
) -> tuple[Any, Any]:
    """Solve `dy/dt = field(t, y)` from `y(t0) = y0` to `t1`.

    Args:
        field: `(t, y) -> dy/dt`, a pytree like `y`.
        y0: The state at `t0`, any pytree of arrays.
        t0: The time at which the solve starts.
        t1: The time at which it ends, before or after `t0`.
        solver: `fixed(...)` or `adaptive(...)`.
        save_at: None, or times `(S,)` in the order of integration at which states are returned instead.
        batched: Whether every leaf of `y0` has a leading axis of events, whose errors the solver's `norm` then tells apart.

    Returns:
        The state at `t1`, or the states at `save_at` with a new leading axis, NaN where the solver failed; and the number of evaluations
        of `field`.

    >>> import jax.numpy as jnp
    >>> from jaxgen.numerics import adaptive, solve
    >>> y, _ = solve(lambda t, y: -y, jnp.asarray([1.0, 2.0]), 0.0, 1.0, adaptive())
    >>> bool(jnp.allclose(y, jnp.exp(-1) * jnp.asarray([1.0, 2.0]), atol=1e-4))
    True
    """
    dtype = jnp.result_type(*jax.tree.leaves(y0))
    start, end = jnp.asarray(t0, dtype), jnp.asarray(t1, dtype)
    norm = _worst_event if batched and solver.norm == "worst_event" else _root_mean_square
    if solver.num_steps is None:
        return _adaptive_solve(field, y0, start, end, solver, save_at, norm)
    if save_at is None:
        return solve_on_fixed_grid(field, y0, start, end, solver, solver.num_steps), solver.num_steps * len(FIXED[solver.method].b)
    per_save = max(1, round(solver.num_steps / save_at.shape[0]))

    def to_next(carry: Any, t: jax.Array) -> Any:
        y = solve_on_fixed_grid(field, carry[1], carry[0], t, solver, per_save)
        return (t, y), y

    return jax.lax.scan(to_next, (start, y0), save_at)[1], per_save * save_at.shape[0] * len(FIXED[solver.method].b)


def _adaptive_solve(
    field: Callable[[Any, Any], Any], y0: Any, start: jax.Array, end: jax.Array, solver: Solver, save_at: Any, norm: Any
) -> tuple[Any, jax.Array]:
    if save_at is not None or solver.adjoint == "backsolve":
        return solve_by_diffrax(field, y0, start, end, solver, save_at, norm)
    # Our own loop and not diffrax's, which pays for its derivatives in every solve (benchmarks/dynamics.py).
    pure, consts = jax.closure_convert(field, start, y0)
    field = traced_once(pure)
    control = Control(pair_of(solver.method), solver.rtol, solver.atol, solver.max_steps, norm, solver.longest_step)
    if solver.adjoint == "recursive":
        solution = integrate_in_reverse(field, tuple(consts), y0, start, end, control)
    else:
        solution = _in_both_modes(field, tuple(consts), y0, start, end, solver, control)
    return jax.tree.map(lambda y: jnp.where(solution.ok, y, jnp.nan), solution.y), solution.num_steps * ADAPTIVE[solver.method][1]


def _in_both_modes(
    field: Callable[..., Any], consts: Any, y0: Any, start: jax.Array, end: jax.Array, solver: Solver, control: Control
) -> Solution:
    @jax.custom_jvp
    def value(y0: Any, consts: Any) -> Solution:
        return integrate(lambda t, y: field(t, y, *consts), y0, start, end, control)

    @value.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        def by_diffrax(y0: Any, consts: Any) -> Any:
            return solve_by_diffrax(lambda t, y: field(t, y, *consts), y0, start, end, solver, None, control.norm)

        (y, count), (y_dot, _) = jax.jvp(by_diffrax, primals, tangents)
        tried = (count // ADAPTIVE[solver.method][1]).astype(jnp.int32)
        zero: Any = np.zeros((), jax.dtypes.float0)
        return Solution(y, tried, jnp.ones((), bool)), Solution(y_dot, zero, zero)

    return value(y0, consts)


def _root_mean_square(error: Any) -> jax.Array:
    leaves = [e.ravel() for e in jax.tree.leaves(error)]
    return jnp.sqrt(jnp.mean(jnp.concatenate(leaves) ** 2))


def _worst_event(error: Any) -> jax.Array:
    leaves = [e.reshape(e.shape[0], -1) for e in jax.tree.leaves(error)]
    return jnp.sqrt(jnp.max(jnp.mean(jnp.concatenate(leaves, 1) ** 2, 1)))
