"""The choice of an ODE integration: equal or adaptive steps, the method, the norm of the error, and the way to differentiate."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxgen import checks


class Solver(NamedTuple):
    """Describe how an ODE is integrated. `fixed` and `adaptive` make solvers and check their arguments.

    Attributes:
        method: The Runge-Kutta method.
        num_steps: The number of equal steps, or None for adaptive steps.
        rtol: The relative tolerance of adaptive steps.
        atol: The absolute tolerance of adaptive steps, in units of the state.
        max_steps: The number of steps after which an adaptive solve gives up.
        adjoint: How an adaptive solve is differentiated: "direct", "recursive" or "backsolve".
        norm: The norm in which the error of a batch is measured: "worst_event" or "rms".
        longest_step: The longest adaptive step, as a fraction of the interval.
    """

    method: str = "tsit5"
    num_steps: int | None = None
    rtol: float = 1e-5
    atol: float = 1e-5
    max_steps: int = 4096
    adjoint: str = "direct"
    norm: str = "worst_event"
    longest_step: float = 1.0


class Tableau(NamedTuple):
    """Hold the coefficients of an explicit Runge-Kutta method.

    Attributes:
        a: Row i weighs the slopes before stage i.
        b: The weights of all slopes in the state at the end of a step.
        c: The time of each stage, as a fraction of the step.
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]


FIXED = {
    "euler": Tableau(((),), (1.0,), (0.0,)),
    "midpoint": Tableau(((), (0.5,)), (0.0, 1.0), (0.0, 0.5)),
    "heun": Tableau(((), (1.0,)), (0.5, 0.5), (0.0, 1.0)),
    "rk4": Tableau(((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), (0.0, 0.5, 0.5, 1.0)),
}
# diffrax takes half a second to import, so its classes stand here by name, and only a solve imports them.
ADAPTIVE = {"bosh3": ("Bosh3", 3), "tsit5": ("Tsit5", 6), "dopri5": ("Dopri5", 6), "dopri8": ("Dopri8", 13)}
NORMS = ("worst_event", "rms")
REFINED_STEPS = 256
"""The fewest steps of a refined solve: what happens between two evaluations is not seen, however small the tolerance."""
ADJOINTS = {"direct": "DirectAdjoint", "recursive": "RecursiveCheckpointAdjoint", "backsolve": "BacksolveAdjoint"}


def fixed(num_steps: int, method: str = "rk4") -> Solver:
    """Return a solver of equal steps, whose work is known in advance, as training wants it.

    Args:
        num_steps: Number of steps, at least 1.
        method: "euler", "midpoint", "heun" or "rk4".

    Returns:
        The solver.

    Raises:
        ValueError: `num_steps` is below 1, or the method is unknown.

    >>> import jax.numpy as jnp
    >>> from jaxgen.numerics import fixed, solve
    >>> y, num_evaluations = solve(lambda t, y: -y, jnp.asarray(1.0), 0.0, 1.0, fixed(4))
    >>> bool(abs(y - jnp.exp(-1)) < 1e-3), num_evaluations
    (True, 16)
    """
    _check_method("fixed", method, FIXED)
    checks.count("fixed: num_steps", num_steps)
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
    """Return a solver whose steps keep the local error under `atol + rtol |y|`.

    A solve that needs more than `max_steps` returns NaN, never a guess.

    Args:
        rtol: The relative tolerance, above 0.
        atol: The absolute tolerance, above 0, in units of the state.
        method: "bosh3", "tsit5", "dopri5" or "dopri8".
        max_steps: The number of steps after which a solve gives up.
        adjoint: How a solve is differentiated.
            "direct": forward and reverse mode of any order. Only through this one can a Jacobian be taken in forward mode.
            "recursive": reverse mode only, of the steps taken, from checkpoints; it needs less memory and time than "direct".
            "backsolve": reverse mode only, by solving the adjoint ODE backwards in constant memory. The gradient then has the solver's
            error, and states saved on the way (`save_at`) save no memory (arXiv 1806.07366).
        norm: The error that is held under the tolerance if a batch of events shares its steps. A single event always has its own.
            "worst_event": the root mean square of each event, so that every event is as accurate as if it were solved alone.
            "rms": the root mean square of the whole batch, as diffrax and torchdiffeq measure it. It takes fewer steps, but single events
            may be tens of times less accurate, and an event's result depends on its neighbours; a batch that is split over devices counts
            as one batch on each device, and the copies with which `jaxgen.log_prob` fills a batch up (`jaxgen.batch_sizes`) count too.

    Returns:
        The solver.

    Raises:
        ValueError: A tolerance is not positive, `max_steps` is below 1, or the method, adjoint or norm is unknown.

    >>> import jax.numpy as jnp
    >>> from jaxgen.numerics import adaptive, solve
    >>> y, _ = solve(lambda t, y: -y, jnp.asarray(1.0), 0.0, 1.0, adaptive())
    >>> bool(abs(y - jnp.exp(-1)) < 1e-4)
    True
    """
    _check_method("adaptive", method, ADAPTIVE)
    if adjoint not in ADJOINTS:
        raise ValueError(f"adaptive: adjoint={adjoint!r}; accepted: {', '.join(ADJOINTS)}.")
    if norm not in NORMS:
        raise ValueError(f"adaptive: norm={norm!r}; accepted: {', '.join(NORMS)}.")
    checks.number("adaptive: rtol", rtol, above=0)
    checks.number("adaptive: atol", atol, above=0)
    checks.count("adaptive: max_steps", max_steps)
    return Solver(method, None, rtol, atol, max_steps, adjoint, norm)


def refined(solver: Solver, level: int) -> Solver:
    """Return a more accurate solver: four times the steps a level, or tolerances a thousand times smaller if it is adaptive.

    Either takes at least 256 steps at the first level and four times as many at each further one. A solve of few long steps would not see a
    short pulse, and a tolerance does not help against what no evaluation sees.

    No floor keeps a tolerance above rounding. A solve that asks for too much fails and says so, while an unchanged solve would seem to
    agree.

    Args:
        solver: The solver to refine; an adaptive solver also gets the norm "worst_event".
        level: The number of refinements; 0 returns `solver` itself.

    Returns:
        The refined solver.

    >>> from jaxgen.numerics import fixed, refined
    >>> refined(fixed(8), 1).num_steps, refined(fixed(100), 1).num_steps
    (256, 400)
    """
    if level == 0:
        return solver
    fewest = REFINED_STEPS * 4 ** (level - 1)
    if solver.num_steps is not None:
        return solver._replace(num_steps=max(solver.num_steps * 4**level, fewest))
    # A fifth-order method takes four times the steps for a thousandth of the error.
    small, longest = 1e-3**level, min(solver.longest_step, 1 / fewest)
    tolerances = {"rtol": solver.rtol * small, "atol": solver.atol * small}
    return solver._replace(**tolerances, max_steps=max(solver.max_steps, fewest) * 4**level, norm="worst_event", longest_step=longest)


def _check_method(where: str, method: str, known: Mapping[str, Any]) -> None:
    if method not in known:
        raise ValueError(f"{where}: method={method!r}; accepted: {', '.join(known)}.")
