"""Initial value problems: one `solve` for adaptive and fixed grids, differentiable in both modes; diffrax where it is as fast."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.numerics.embedded import Found, Pair, integrate, integrate_in_reverse


class Solver(NamedTuple):
    """How an ODE is integrated: `num_steps` equal steps where given, else adaptively to `rtol` and `atol`."""

    method: str = "tsit5"
    num_steps: int | None = None
    rtol: float = 1e-5
    atol: float = 1e-5
    max_steps: int = 4096
    adjoint: str = "direct"


class _Tableau(NamedTuple):
    """An explicit Runge-Kutta method: row i of `a` weighs the slopes before stage i, at time fraction `c[i]`; `b` weighs them all."""

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]


_FIXED = {
    "euler": _Tableau(((),), (1.0,), (0.0,)),
    "midpoint": _Tableau(((), (0.5,)), (0.0, 1.0), (0.0, 0.5)),
    "heun": _Tableau(((), (1.0,)), (0.5, 0.5), (0.0, 1.0)),
    "rk4": _Tableau(((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), (0.0, 0.5, 0.5, 1.0)),
}
_ADAPTIVE: dict[str, tuple[Any, int]] = {
    "bosh3": (diffrax.Bosh3, 3),
    "tsit5": (diffrax.Tsit5, 6),
    "dopri5": (diffrax.Dopri5, 6),
    "dopri8": (diffrax.Dopri8, 13),
}
_ADJOINTS: dict[str, Callable[[], diffrax.AbstractAdjoint]] = {
    "direct": diffrax.DirectAdjoint,
    "recursive": diffrax.RecursiveCheckpointAdjoint,
    "backsolve": diffrax.BacksolveAdjoint,
}


def fixed(num_steps: int, method: str = "rk4") -> Solver:
    """`num_steps` equal steps of "euler", "midpoint", "heun" or "rk4": known work, for training."""
    _check_method(method, _FIXED)
    checks.count("num_steps", num_steps)
    return Solver(method, num_steps)


def adaptive(rtol: float = 1e-5, atol: float = 1e-5, method: str = "tsit5", max_steps: int = 4096, *, adjoint: str = "direct") -> Solver:
    """Steps chosen to keep the local error under `atol + rtol |y|`; a solve that needs more than `max_steps` returns NaN, never a guess.

    method: "bosh3", "tsit5", "dopri5" or "dopri8". adjoint: how a solve is differentiated:

    - "direct": forward and reverse mode, any order; the only one through which a Jacobian of a solve can be taken in forward mode.
    - "recursive": reverse mode only, of the steps taken, from checkpoints: less memory and time in reverse mode than "direct".
    - "backsolve": reverse mode only, by solving the adjoint ODE backwards in O(1) memory; the gradient has the solver's error, and states
      saved on the way (`save_at`) have none of these savings (arXiv 1806.07366).
    """
    _check_method(method, _ADAPTIVE)
    if adjoint not in _ADJOINTS:
        raise ValueError(f"adjoint={adjoint!r}; accepted: {', '.join(_ADJOINTS)}.")
    checks.number("adaptive: rtol", rtol, above=0)
    checks.number("adaptive: atol", atol, above=0)
    checks.count("adaptive: max_steps", max_steps)
    return Solver(method, None, rtol, atol, max_steps, adjoint)


def refined(solver: Solver, level: int) -> Solver:
    """`solver` with steps doubled twice a level, or, where it is adaptive, a thousandth of the tolerances.

    No floor keeps a tolerance above the rounding: a solve that asks too much fails and says so, where an equal one would seem to agree.
    """
    if level == 0:
        return solver
    if solver.num_steps is not None:
        return solver._replace(num_steps=solver.num_steps * 4**level)
    # A fifth-order method takes four times the steps for a thousandth of the error.
    small = 1e-3**level
    return solver._replace(rtol=solver.rtol * small, atol=solver.atol * small, max_steps=solver.max_steps * 4**level)


def solve(
    field: Callable[[jax.Array, Any], Any],
    y0: Any,
    t0: float,
    t1: float,
    solver: Solver,
    *,
    save_at: jax.Array | None = None,
    norm: Callable[[Any], jax.Array] | None = None,
) -> tuple[Any, Any]:
    """`y(t1)` of `dy/dt = field(t, y)`, `y(t0) = y0` (any pytree), and the number of evaluations of `field`.

    `save_at` `(S,)`, in the order of integration, returns the states at those times instead, with a new leading axis. `norm` measures the
    error estimate of an adaptive solve (default: root mean square over the whole state). NaN where the solver failed.
    """
    dtype = jnp.result_type(*jax.tree.leaves(y0))
    start, end = jnp.asarray(t0, dtype), jnp.asarray(t1, dtype)
    if solver.num_steps is None:
        return _adaptive_solve(field, y0, start, end, solver, save_at, norm)
    if save_at is None:
        return _fixed_solve(field, y0, start, end, solver, solver.num_steps), solver.num_steps * len(_FIXED[solver.method].b)
    per_save = max(1, round(solver.num_steps / save_at.shape[0]))

    def to_next(carry: Any, t: jax.Array) -> Any:
        y = _fixed_solve(field, carry[1], carry[0], t, solver, per_save)
        return (t, y), y

    return jax.lax.scan(to_next, (start, y0), save_at)[1], per_save * save_at.shape[0] * len(_FIXED[solver.method].b)


def _fixed_solve(field: Callable[[jax.Array, Any], Any], y0: Any, start: jax.Array, end: jax.Array, solver: Solver, num_steps: int) -> Any:
    # Not diffrax: its gradient through a fixed grid takes 1.6 times this scan's with its default adjoint, 5 times and more with the one
    # that has forward mode too, and 2.6 times as long to compile (benchmarks/fixed_grid.py).
    tableau, h = _FIXED[solver.method], (end - start) / num_steps

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
    how = (_pair(solver.method), solver.rtol, solver.atol, solver.max_steps, _root_mean_square if norm is None else norm)
    if solver.adjoint == "recursive":
        found = integrate_in_reverse(field, tuple(consts), y0, start, end, *how)
    else:
        found = _in_both_modes(field, tuple(consts), y0, start, end, solver, norm, how)
    return jax.tree.map(lambda y: jnp.where(found.ok, y, jnp.nan), found.y), found.num_steps * _ADAPTIVE[solver.method][1]


def _in_both_modes(
    field: Callable[..., Any], consts: Any, y0: Any, start: jax.Array, end: jax.Array, solver: Solver, norm: Any, how: Any
) -> Found:
    @jax.custom_jvp
    def value(y0: Any, consts: Any) -> Found:
        return integrate(lambda t, y: field(t, y, *consts), y0, start, end, *how)

    @value.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        def by_diffrax(y0: Any, consts: Any) -> Any:
            return _diffrax_solve(lambda t, y: field(t, y, *consts), y0, start, end, solver, None, norm)

        (y, count), (y_dot, _) = jax.jvp(by_diffrax, primals, tangents)
        tried = (count // _ADAPTIVE[solver.method][1]).astype(jnp.int32)
        zero: Any = np.zeros((), jax.dtypes.float0)
        return Found(y, tried, jnp.ones((), bool)), Found(y_dot, zero, zero)

    return value(y0, consts)


@functools.cache
def _pair(method: str) -> Pair:
    """The coefficients that diffrax has for a method, in our form."""
    table = _ADAPTIVE[method][0].tableau
    a = ((), *(tuple(map(float, row)) for row in table.a_lower))
    return Pair(
        a,
        tuple(map(float, table.b_sol)),
        tuple(map(float, table.b_error)),
        (0.0, *map(float, table.c)),
        _ADAPTIVE[method][0]().error_order(None),
        table.fsal,
    )


def _root_mean_square(error: Any) -> jax.Array:
    leaves = [e.ravel() for e in jax.tree.leaves(error)]
    return jnp.sqrt(jnp.mean(jnp.concatenate(leaves) ** 2))


def _diffrax_solve(
    field: Callable[[Any, Any], Any], y0: Any, start: jax.Array, end: jax.Array, solver: Solver, save_at: Any, norm: Any
) -> tuple[Any, jax.Array]:
    method, num_evaluations = _ADAPTIVE[solver.method]
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
        stepsize_controller=diffrax.PIDController(solver.rtol, solver.atol, **({} if norm is None else {"norm": norm})),
        adjoint=_ADJOINTS[solver.adjoint](),
        max_steps=solver.max_steps,
        # A raised error would be a host callback, which cannot be lowered for several platforms at once.
        throw=False,
    )
    ok = solution.result == diffrax.RESULTS.successful
    ys = solution.ys if save_at is not None else jax.tree.map(lambda y: y[0], solution.ys)
    return jax.tree.map(lambda y: jnp.where(ok, y, jnp.nan), ys), solution.stats["num_steps"] * num_evaluations


def _check_method(method: str, known: Mapping[str, Any]) -> None:
    if method not in known:
        raise ValueError(f"method={method!r}; accepted: {', '.join(known)}.")
