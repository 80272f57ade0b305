"""Fit a model to a table with what its number of rows supports: validation rows, early stopping, a sensible length."""

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import zoo
from jaxgen.estimator.stacked import Stacked, stack, stacking_weights
from jaxgen.model import Model, log_prob
from jaxgen.training import PATIENCE, Entry, Fitted, adam, fit, steps_for
from jaxgen.types import Params

AUTO = "auto"
FLOW_ROWS = 300
"""With fewer rows "auto" does not try a flow, whose compilation takes ten times as long as all the rest."""
PRIOR = 2.0
"""What the weights of mixture and flow count as seen beside the validation rows: as many rows of each."""
DECAY_ROWS = 2_000
"""Up to so many rows the flow's weights decay in full."""
MOST_HELD_OUT = 5_000
FEWEST_HELD_OUT = 5


class Settings(NamedTuple):
    """Say how a model is fitted to a table.

    Attributes:
        name: "auto", or the name of an entry of the zoo.
        options: Options of the entry; with "auto", those of `nsf_ar`.
        num_steps: The number of training steps; None takes what is sensible for the number of rows.
        batch_size: The number of rows of a step, at most.
        held_out: The fraction of the rows that validate.
        patience: Stop after this many validation losses in a row without a better one; None never stops.
        seed: The seed of everything.
        progress: Whether progress is shown.
    """

    name: str = AUTO
    options: dict[str, Any] = {}  # noqa: RUF012
    num_steps: int | None = None
    batch_size: int = 256
    held_out: float = 0.15
    patience: int | None = PATIENCE
    seed: int = 0
    progress: bool | None = False


def fit_table(x: np.ndarray, settings: Settings = Settings()) -> tuple[Entry, Fitted]:  # noqa: B008
    """Fit a model to the rows of a table and return it in the units of the table.

    With "auto" the model is a mixture of Gaussians and kernels, weighted by cross-validation. From 300 rows on a flow is a further part,
    with a weight that the validation rows give it.

    Args:
        x: Rows `(n, d)` of finite numbers.
        settings: The model and how it is trained.

    Returns:
        The entry, whose events have the units of the table, and what was fitted.

    >>> import jax, jaxgen, numpy as np
    >>> rows = np.random.default_rng(0).normal(170.0, 10.0, (200, 1))
    >>> entry, fitted = fit_table(rows)
    >>> bool(abs(jaxgen.log_prob(entry.model, fitted.params, np.float32([[170.0]])).value[0] + 3.22) < 0.2)
    True
    """
    x = np.asarray(x, np.float64)
    loc, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    rows = (x - loc) / scale
    train, valid = split_rows(rows, settings)
    if settings.name != AUTO:
        entry = zoo.build(settings.name, rows.shape[1:], **settings.options)
        fitted = _trained(entry, train, valid, settings)
    elif len(rows) < FLOW_ROWS or valid is None:
        entry, fitted = _mixture(stack(rows, settings.seed))
    else:
        entry, fitted = _with_flow(rows, train, valid, settings)
    return zoo.in_units(entry, fitted, loc, scale)


def split_rows(rows: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the rows to train on and those to validate with, or None if there are too few.

    Args:
        rows: Rows `(n, d)`.
        settings: Which fraction validates, and the seed.
    """
    held_out = min(round(settings.held_out * len(rows)), MOST_HELD_OUT)
    if held_out < FEWEST_HELD_OUT:
        return rows, None
    order = np.random.default_rng([8, settings.seed]).permutation(len(rows))
    return rows[order[held_out:]], rows[order[:held_out]]


def _with_flow(rows: np.ndarray, train: np.ndarray, valid: np.ndarray, settings: Settings) -> tuple[Entry, Fitted]:
    """Return the mixture of all rows beside a flow, weighted by how well either predicts the validation rows."""
    entry, alone = _mixture(stack(train, settings.seed))
    flow = zoo.build("nsf_ar", rows.shape[1:], **settings.options)
    # A prior whose share falls with the number of rows: it pays up to some thousands (`benchmarks/defaults.py`).
    rate = settings.options.get("learning_rate", zoo.describe("nsf_ar", rows.shape[1:])["learning_rate"])
    flow = flow._replace(optimizer=adam(rate, weight_decay=min(1.0, DECAY_ROWS / len(train))))
    fitted = _trained(flow, train, valid, settings)
    logs = np.stack([_log_prob(entry.model, alone.params, valid), _log_prob(flow.model, fitted.params, valid)], 1)
    weights = stacking_weights(logs, prior=PRIOR)
    everything = stack(rows, settings.seed)
    both = zoo.build("mixture_with_flow", rows.shape[1:], None, **_sizes(everything), **settings.options)
    params = {"logits": jnp.log(jnp.asarray(weights, jnp.float32)), "parts": (_arrays(everything), fitted.params)}
    return both, fitted._replace(params=params, history={**fitted.history, "flow_weight": float(weights[1])}, state=None)


def _trained(entry: Entry, train: np.ndarray, valid: np.ndarray | None, settings: Settings) -> Fitted:
    batch_size = min(settings.batch_size, len(train))
    num_steps = settings.num_steps or steps_for(entry.card.num_steps, len(train), batch_size)
    held_out = {} if valid is None else {"valid": valid.astype(np.float32), "patience": settings.patience}
    key = jax.random.key(settings.seed)
    return fit(key, entry, train.astype(np.float32), num_steps, batch_size=batch_size, progress=settings.progress, **held_out)


def _mixture(stacked: Stacked) -> tuple[Entry, Fitted]:
    """Return the entry of a mixture and its params, which need no training."""
    began, d = time.perf_counter(), stacked.params["loc"].shape[1]
    entry = zoo.build("mixture_with_flow", (d,), None, flow=False, **_sizes(stacked))
    history = {"loss": np.zeros(0, np.float32), "valid_step": np.zeros(0, np.int32), "valid_loss": np.zeros(0, np.float32)}
    seconds = {"compile_seconds": 0.0, "train_seconds": time.perf_counter() - began, "num_steps": 0}
    return entry, Fitted(_arrays(stacked), (), {**history, **seconds})


def _sizes(stacked: Stacked) -> dict[str, Any]:
    return {"num_components": stacked.num_components, "num_kernels": stacked.num_kernels}


def _arrays(stacked: Stacked) -> Params:
    return {name: jnp.asarray(value, jnp.float32) for name, value in stacked.params.items()}


def _log_prob(model: Model, params: Params, x: np.ndarray) -> np.ndarray:
    return np.asarray(log_prob(model, params, jnp.asarray(x, jnp.float32)).value, np.float64)
