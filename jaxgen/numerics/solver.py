"""How an ODE is integrated: on a grid of equal steps or adaptively, by which method, in which norm, and how it is differentiated."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import diffrax

from jaxgen import checks


class Solver(NamedTuple):
    """How an ODE is integrated: `num_steps` equal steps where given, else adaptively to `rtol` and `atol`."""

    method: str = "tsit5"
    num_steps: int | None = None
    rtol: float = 1e-5
    atol: float = 1e-5
    max_steps: int = 4096
    adjoint: str = "direct"
    norm: str = "worst_event"


class Tableau(NamedTuple):
    """An explicit Runge-Kutta method: row i of `a` weighs the slopes before stage i, at time fraction `c[i]`; `b` weighs them all."""

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]


FIXED = {
    "euler": Tableau(((),), (1.0,), (0.0,)),
    "midpoint": Tableau(((), (0.5,)), (0.0, 1.0), (0.0, 0.5)),
    "heun": Tableau(((), (1.0,)), (0.5, 0.5), (0.0, 1.0)),
    "rk4": Tableau(((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), (0.0, 0.5, 0.5, 1.0)),
}
ADAPTIVE: dict[str, tuple[Any, int]] = {
    "bosh3": (diffrax.Bosh3, 3),
    "tsit5": (diffrax.Tsit5, 6),
    "dopri5": (diffrax.Dopri5, 6),
    "dopri8": (diffrax.Dopri8, 13),
}
NORMS = ("worst_event", "rms")
ADJOINTS: dict[str, Callable[[], diffrax.AbstractAdjoint]] = {
    "direct": diffrax.DirectAdjoint,
    "recursive": diffrax.RecursiveCheckpointAdjoint,
    "backsolve": diffrax.BacksolveAdjoint,
}


def fixed(num_steps: int, method: str = "rk4") -> Solver:
    """`num_steps` equal steps of "euler", "midpoint", "heun" or "rk4": known work, for training.

    Raises ValueError for fewer than one step, or an unknown method.
    """
    _check_method(method, FIXED)
    checks.count("num_steps", num_steps)
    return Solver(method, num_steps)


def adaptive(
    rtol: float = 1e-5,
    atol: float = 1e-5,
    method: str = "tsit5",
    max_steps: int = 4096,
    *,
    adjoint: str = "direct",
    norm: str = "worst_event",
) -> Solver:
    """Steps chosen to keep the local error under `atol + rtol |y|`; a solve that needs more than `max_steps` returns NaN, never a guess.

    method: "bosh3", "tsit5", "dopri5" or "dopri8". adjoint: how a solve is differentiated:

    - "direct": forward and reverse mode, any order; the only one through which a Jacobian of a solve can be taken in forward mode.
    - "recursive": reverse mode only, of the steps taken, from checkpoints: less memory and time in reverse mode than "direct".
    - "backsolve": reverse mode only, by solving the adjoint ODE backwards in O(1) memory; the gradient has the solver's error, and states
      saved on the way (`save_at`) have none of these savings (arXiv 1806.07366).

    norm: whose root-mean-square error is held under the tolerance where a batch of events shares its steps (alone, an event has its own):

    - "worst_event": every event's, so that each is as accurate as if it were solved alone, whatever the others are.
    - "rms": the batch's, as diffrax and torchdiffeq measure a batch that is one state: fewer steps, but single events may be tens of
      times less accurate, and what an event is given depends on its neighbours (a batch that is split over devices is one batch on each).
    Raises ValueError for tolerances that are not positive, or an unknown method, adjoint or norm.
    """
    _check_method(method, ADAPTIVE)
    if adjoint not in ADJOINTS:
        raise ValueError(f"adjoint={adjoint!r}; accepted: {', '.join(ADJOINTS)}.")
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r}; accepted: {', '.join(NORMS)}.")
    checks.number("adaptive: rtol", rtol, above=0)
    checks.number("adaptive: atol", atol, above=0)
    checks.count("adaptive: max_steps", max_steps)
    return Solver(method, None, rtol, atol, max_steps, adjoint, norm)


def refined(solver: Solver, level: int) -> Solver:
    """`solver` with steps doubled twice a level, or, where it is adaptive, a thousandth of the tolerances for every event.

    No floor keeps a tolerance above the rounding: a solve that asks too much fails and says so, where an equal one would seem to agree.
    """
    if level == 0:
        return solver
    if solver.num_steps is not None:
        return solver._replace(num_steps=solver.num_steps * 4**level)
    # A fifth-order method takes four times the steps for a thousandth of the error.
    small = 1e-3**level
    return solver._replace(rtol=solver.rtol * small, atol=solver.atol * small, max_steps=solver.max_steps * 4**level, norm="worst_event")


def _check_method(method: str, known: Mapping[str, Any]) -> None:
    if method not in known:
        raise ValueError(f"method={method!r}; accepted: {', '.join(known)}.")
