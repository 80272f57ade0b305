"""Initial value problems: one `solve` for adaptive and fixed grids, differentiable in both modes; diffrax where it is as fast."""

import functools
from collections.abc import Callable
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.numerics.embedded import Control, Found, Pair, integrate, integrate_in_reverse
from jaxgen.numerics.solver import ADAPTIVE, ADJOINTS, FIXED, Solver


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
    """`y(t1)` of `dy/dt = field(t, y)`, `y(t0) = y0` (any pytree), and the number of evaluations of `field`.

    `save_at` `(S,)`, in the order of integration, returns the states at those times instead, with a new leading axis. `batched` says
    that the leading axis of every leaf of `y0` is of events, whose errors the solver's `norm` then tells apart. NaN where the solver failed.
    """
    dtype = jnp.result_type(*jax.tree.leaves(y0))
    start, end = jnp.asarray(t0, dtype), jnp.asarray(t1, dtype)
    norm = _worst_event if batched and solver.norm == "worst_event" else _root_mean_square
    if solver.num_steps is None:
        return _adaptive_solve(field, y0, start, end, solver, save_at, norm)
    if save_at is None:
        return _fixed_solve(field, y0, start, end, solver, solver.num_steps), solver.num_steps * len(FIXED[solver.method].b)
    per_save = max(1, round(solver.num_steps / save_at.shape[0]))

    def to_next(carry: Any, t: jax.Array) -> Any:
        y = _fixed_solve(field, carry[1], carry[0], t, solver, per_save)
        return (t, y), y

    return jax.lax.scan(to_next, (start, y0), save_at)[1], per_save * save_at.shape[0] * len(FIXED[solver.method].b)


def _fixed_solve(field: Callable[[jax.Array, Any], Any], y0: Any, start: jax.Array, end: jax.Array, solver: Solver, num_steps: int) -> Any:
    # Not diffrax: its gradient through a fixed grid takes 1.6 times this scan's with its default adjoint, 5 times and more with the one
    # that has forward mode too, and 2.6 times as long to compile (benchmarks/fixed_grid.py).
    tableau, h = FIXED[solver.method], (end - start) / num_steps

    def combine(y: Any, weights: tuple[float, ...], slopes: list[Any]) -> Any:
        for w, k in zip(weights, slopes, strict=True):
            if w:
                y = jax.tree.map(lambda a, b, w=w: a + h * w * b, y, k)
        return y

    # Recomputing a step's inner values on the way back is cheaper than keeping them.
    @jax.checkpoint
    def step(y: Any, i: jax.Array) -> Any:
        t, slopes = start + i.astype(h.dtype) * h, []
        for row, c in zip(tableau.a, tableau.c, strict=True):
            slopes.append(field(t + c * h, combine(y, row, slopes)))
        return combine(y, tableau.b, slopes), None

    return jax.lax.scan(step, y0, jnp.arange(num_steps))[0]


def _adaptive_solve(
    field: Callable[[Any, Any], Any], y0: Any, start: jax.Array, end: jax.Array, solver: Solver, save_at: Any, norm: Any
) -> tuple[Any, jax.Array]:
    if save_at is not None or solver.adjoint == "backsolve":
        return _diffrax_solve(field, y0, start, end, solver, save_at, norm)
    # Our own loop and not diffrax's, which pays for its derivatives in every solve (benchmarks/dynamics.py).
    field, consts = jax.closure_convert(field, start, y0)
    control = Control(_pair(solver.method), solver.rtol, solver.atol, solver.max_steps, norm)
    if solver.adjoint == "recursive":
        found = integrate_in_reverse(field, tuple(consts), y0, start, end, control)
    else:
        found = _in_both_modes(field, tuple(consts), y0, start, end, solver, control)
    return jax.tree.map(lambda y: jnp.where(found.ok, y, jnp.nan), found.y), found.num_steps * ADAPTIVE[solver.method][1]


def _in_both_modes(
    field: Callable[..., Any], consts: Any, y0: Any, start: jax.Array, end: jax.Array, solver: Solver, control: Control
) -> Found:
    @jax.custom_jvp
    def value(y0: Any, consts: Any) -> Found:
        return integrate(lambda t, y: field(t, y, *consts), y0, start, end, control)

    @value.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        def by_diffrax(y0: Any, consts: Any) -> Any:
            return _diffrax_solve(lambda t, y: field(t, y, *consts), y0, start, end, solver, None, control.norm)

        (y, count), (y_dot, _) = jax.jvp(by_diffrax, primals, tangents)
        tried = (count // ADAPTIVE[solver.method][1]).astype(jnp.int32)
        zero: Any = np.zeros((), jax.dtypes.float0)
        return Found(y, tried, jnp.ones((), bool)), Found(y_dot, zero, zero)

    return value(y0, consts)


@functools.cache
def _pair(method: str) -> Pair:
    """The coefficients that diffrax has for a method, in our form."""
    table = ADAPTIVE[method][0].tableau
    a = ((), *(tuple(map(float, row)) for row in table.a_lower))
    return Pair(
        a,
        tuple(map(float, table.b_sol)),
        tuple(map(float, table.b_error)),
        (0.0, *map(float, table.c)),
        ADAPTIVE[method][0]().error_order(None),
        table.fsal,
    )


def _root_mean_square(error: Any) -> jax.Array:
    leaves = [e.ravel() for e in jax.tree.leaves(error)]
    return jnp.sqrt(jnp.mean(jnp.concatenate(leaves) ** 2))


def _worst_event(error: Any) -> jax.Array:
    leaves = [e.reshape(e.shape[0], -1) for e in jax.tree.leaves(error)]
    return jnp.sqrt(jnp.max(jnp.mean(jnp.concatenate(leaves, 1) ** 2, 1)))


def _diffrax_solve(
    field: Callable[[Any, Any], Any], y0: Any, start: jax.Array, end: jax.Array, solver: Solver, save_at: Any, norm: Any
) -> tuple[Any, jax.Array]:
    method, num_evaluations = ADAPTIVE[solver.method]
    consts: Any = ()
    if solver.adjoint == "backsolve":
        # Its rule sees arguments only, so what the field closes over becomes one.
        field, consts = jax.closure_convert(field, start, y0)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: field(t, y, *args)),
        method(),
        start,
        end,
        None,
        y0,
        tuple(consts),
        saveat=diffrax.SaveAt(t1=True) if save_at is None else diffrax.SaveAt(ts=save_at),
        stepsize_controller=diffrax.PIDController(solver.rtol, solver.atol, norm=norm),
        adjoint=ADJOINTS[solver.adjoint](),
        max_steps=solver.max_steps,
        # A raised error would be a host callback, which cannot be lowered for several platforms at once.
        throw=False,
    )
    ok = solution.result == diffrax.RESULTS.successful
    ys = solution.ys if save_at is not None else jax.tree.map(lambda y: y[0], solution.ys)
    return jax.tree.map(lambda y: jnp.where(ok, y, jnp.nan), ys), solution.stats["num_steps"] * num_evaluations
