"""The third noun: an objective, how parameters are found; it and its trained auxiliaries are dropped at inference.

An objective factory takes a model and checks what it needs of it: `flow_matching(model, path)` wants the part `velocity`, and refuses a
model without one by `PairingError`. Every valid pairing trains. Objectives see batches.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax

from jaxgen.model import Model


class Batch(NamedTuple):
    """Data as an objective sees it: `x` is `(n, *event)`, `cond` is `(n, *cond)` or None, `z` is noise an objective's `prepare` paired with x.

    For an objective that is `data_free`, `x` is `(n, 0)`: it says how many draws to make, and nothing else.
    """

    x: Any
    cond: Any = None
    z: Any = None


class Clock(NamedTuple):
    """Where training stands: `step` of `num_steps` (int32 scalars), `ema` the moving average of the params."""

    step: Any
    num_steps: Any
    ema: Any


class Objective(NamedTuple):
    """How params are found, as a tuple of pure functions.

    init:    `(key, params, batch) -> (params, aux)`; data-dependent initialisation lives here; `aux` are trained auxiliaries (a critic).
    loss:    `(params, aux, key, batch, clock) -> (scalar, metrics)`; the gradient is taken with respect to params and aux together. A game
             between two players is one scalar `L_G(theta, stop(phi)) + L_D(stop(theta), phi)`, which has both players' gradients.
    needs:   names of the transform's parts it uses.
    update:  `(params, aux, key, batch, clock) -> aux`, state that has no gradient, such as a frozen teacher; optional.
    prepare: `(key, batch) -> batch`, work on the host in numpy, such as an optimal-transport plan; optional. It may set `z` and nothing else.
    finish:  `(params, aux, data) -> params`, after the fit, such as the Gaussian of an autoencoder's codes; optional.
    parts:   pure functions of aux for pictures and diagnostics, such as `critic (aux, x, cond) -> scalar`.
    prepared: the share of the fit, from its beginning, whose batches are prepared; `loss` does not read their `z` after it.
    unjudged: the share of the fit, from its beginning, whose held-out losses say nothing, as what they measure is yet to be trained or changes.
    data_free: whether it learns from something else than events, such as an unnormalised density; then `fit` is given None for data.
    """

    init: Callable[..., tuple[Any, Any]]
    loss: Callable[..., tuple[jax.Array, dict[str, jax.Array]]]
    needs: frozenset[str] = frozenset()
    update: Callable[..., Any] | None = None
    prepare: Callable[..., Batch] | None = None
    finish: Callable[..., Any] | None = None
    parts: Mapping[str, Callable[..., Any]] = MappingProxyType({})
    data_free: bool = False
    prepared: float = 1.0
    unjudged: float = 0.0


class PairingError(TypeError):
    """Raised when an objective is paired with a model that lacks what it needs."""


def require(objective: str, model: Model, needs: frozenset[str]) -> None:
    """Refuse a pairing: raises `PairingError` naming the parts of `needs` that `model.transform` lacks and those it has."""
    missing = sorted(needs - set(model.transform.parts))
    if missing:
        have = ", ".join(sorted(model.transform.parts)) or "none"
        raise PairingError(f"objective {objective} needs the parts {', '.join(missing)}; this transform has: {have}.")


def no_aux(key: jax.Array, params: Any, batch: Batch) -> tuple[Any, Any]:
    """The `init` of an objective without auxiliaries: params as they are, and an empty tuple."""
    del key, batch
    return params, ()
