"""Initial value problems through diffrax: one `solve` for adaptive and fixed grids, differentiable in both modes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp


class Solver(NamedTuple):
    """How an ODE is integrated: a fixed number of steps where `num_steps` is given, else adaptively to `rtol` and `atol`."""

    method: str = "tsit5"
    num_steps: int | None = None
    rtol: float = 1e-5
    atol: float = 1e-5
    max_steps: int = 4096


_METHODS: dict[str, Callable[[], diffrax.AbstractSolver]] = {
    "euler": diffrax.Euler,
    "midpoint": diffrax.Midpoint,
    "heun": diffrax.Heun,
    "bosh3": diffrax.Bosh3,
    "tsit5": diffrax.Tsit5,
    "dopri5": diffrax.Dopri5,
    "dopri8": diffrax.Dopri8,
}
STAGES = {"euler": 1, "midpoint": 2, "heun": 2, "bosh3": 3, "tsit5": 6, "dopri5": 6, "dopri8": 13}


def fixed(num_steps: int, method: str = "tsit5") -> Solver:
    """`num_steps` equal steps: known work, for training."""
    _check_method(method)
    if num_steps < 1:
        raise ValueError(f"num_steps={num_steps!r}; accepted: an integer of at least 1.")
    return Solver(method, num_steps)


def adaptive(rtol: float = 1e-5, atol: float = 1e-5, method: str = "tsit5", max_steps: int = 4096) -> Solver:
    """Steps chosen to keep the local error under `atol + rtol |y|`; a solve that needs more than `max_steps` returns NaN, never a guess."""
    _check_method(method)
    return Solver(method, None, rtol, atol, max_steps)


def solve(
    field: Callable[[jax.Array, Any], Any],
    y0: Any,
    t0: float,
    t1: float,
    solver: Solver,
    *,
    save_at: jax.Array | None = None,
    norm: Callable[[Any], jax.Array] | None = None,
) -> tuple[Any, jax.Array]:
    """`y(t1)` of `dy/dt = field(t, y)`, `y(t0) = y0` (any pytree), and the number of evaluations of `field`.

    `save_at` `(S,)` returns the states at those times instead, with a new leading axis. `norm` measures the error estimate of an adaptive
    solve (default: root mean square over the whole state). NaN where the solver failed.
    """
    dtype = jnp.result_type(*jax.tree.leaves(y0))
    start, end = jnp.asarray(t0, dtype), jnp.asarray(t1, dtype)
    if solver.num_steps is not None:
        controller: Any = diffrax.ConstantStepSize()
        dt0, max_steps = (end - start) / solver.num_steps, solver.num_steps + 1
    else:
        controller = diffrax.PIDController(solver.rtol, solver.atol, **({} if norm is None else {"norm": norm}))
        dt0, max_steps = None, solver.max_steps
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: field(t, y)),
        _METHODS[solver.method](),
        start,
        end,
        dt0,
        y0,
        saveat=diffrax.SaveAt(t1=True) if save_at is None else diffrax.SaveAt(ts=save_at),
        stepsize_controller=controller,
        # The only adjoint through which a Jacobian can be taken in forward and in reverse mode.
        adjoint=diffrax.DirectAdjoint(),
        max_steps=max_steps,
        # A raised error would be a host callback, which cannot be lowered for several platforms at once.
        throw=False,
    )
    ok = solution.result == diffrax.RESULTS.successful
    ys = solution.ys if save_at is not None else jax.tree.map(lambda y: y[0], solution.ys)
    ys = jax.tree.map(lambda y: jnp.where(ok, y, jnp.nan), ys)
    return ys, solution.stats["num_steps"] * STAGES[solver.method]


def _check_method(method: str) -> None:
    if method not in _METHODS:
        raise ValueError(f"method={method!r}; accepted: {', '.join(_METHODS)}.")
