"""What "auto" makes of the rows of a table: a mixture weighted by cross-validation, and with enough rows a flow beside it."""

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import zoo
from jaxgen.estimator.stacked import Stacked, stack, stacking_weights
from jaxgen.model import Model, log_prob
from jaxgen.training import PATIENCE, Entry, Fitted, TrainingDiverged, adam, fit, steps_for
from jaxgen.types import Params

AUTO = "auto"
ENTRY = "mixture_with_flow"
FLOW_ROWS = 300
"""With fewer rows no flow is tried: its compilation takes ten times as long as all the rest."""
PRIOR = 2.0
"""What the weights of mixture and flow count as seen beside the validation rows: as many rows of each."""
DECAY_ROWS = 2_000
"""Up to so many rows the flow's weights decay in full."""


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


def fit_auto(rows: np.ndarray, train: np.ndarray, valid: np.ndarray | None, settings: Settings) -> tuple[dict[str, Any], Fitted]:
    """Fit a mixture to rows and, if there are at least 300, a flow beside it.

    Args:
        rows: All rows `(n, d)`, about standardised, to which the mixture is fitted in the end.
        train: Those of them that train the flow.
        valid: The others, which decide when it stops and what weight it has; None fits no flow.
        settings: How the flow is trained; its options are those of `nsf_ar`.

    Returns:
        The options with which `zoo.build("mixture_with_flow", ...)` makes the entry, and what was fitted for it.

    >>> import numpy as np
    >>> options, fitted = fit_auto(np.random.default_rng(0).standard_normal((60, 2)), None, None, Settings())
    >>> options["flow"], fitted.params["loc"].shape == (options["num_components"], 2)
    (False, True)
    """
    began, everything = time.perf_counter(), stack(rows, settings.seed)
    options = {"num_components": everything.num_components, "num_kernels": everything.num_kernels}
    fitted = None if len(rows) < FLOW_ROWS or valid is None else _flow(train, valid, settings)
    if fitted is None or valid is None:
        nothing = {"loss": np.zeros(0, np.float32), "valid_step": np.zeros(0, np.int32), "valid_loss": np.zeros(0, np.float32)}
        seconds = {"compile_seconds": 0.0, "train_seconds": time.perf_counter() - began, "num_steps": 0}
        return {**options, "flow": False}, Fitted(_arrays(everything), (), {**nothing, **seconds})
    of_train = stack(train, settings.seed)
    alone = zoo.build(ENTRY, rows.shape[1:], None, flow=False, num_components=of_train.num_components, num_kernels=of_train.num_kernels)
    flow = zoo.build("nsf_ar", rows.shape[1:], **settings.options)
    logs = [_log_prob(alone.model, _arrays(of_train), valid), _log_prob(flow.model, fitted.params, valid)]
    weights = stacking_weights(np.nan_to_num(np.stack(logs, 1), nan=-np.inf), prior=PRIOR)
    params = {"logits": jnp.log(jnp.asarray(weights, jnp.float32)), "parts": (_arrays(everything), fitted.params)}
    history = {**fitted.history, "flow_weight": float(weights[1])}
    return {**settings.options, **options}, fitted._replace(params=params, history=history, state=None)


def _flow(train: np.ndarray, valid: np.ndarray, settings: Settings) -> Fitted | None:
    """Train the flow; None if it diverges, as on a column of wild outliers, where the mixture stands alone."""
    entry = zoo.build("nsf_ar", train.shape[1:], **settings.options)
    # A prior whose share falls with the number of rows: it pays up to some thousands (`benchmarks/defaults.py`).
    rate = settings.options.get("learning_rate", zoo.describe("nsf_ar", train.shape[1:])["learning_rate"])
    optimizer = adam(rate, weight_decay=min(1.0, DECAY_ROWS / len(train)))
    try:
        fitted = fit_split(entry._replace(optimizer=optimizer), train, valid, settings)
    except TrainingDiverged:
        return None
    return fitted


def fit_split(entry: Entry, train: np.ndarray, valid: np.ndarray | None, settings: Settings) -> Fitted:
    """Train an entry for as long as the number of rows supports, and keep the params with the best validation loss.

    Args:
        entry: The entry.
        train: Rows `(n, d)` to train on.
        valid: Rows to validate with; None trains to the end.
        settings: The number of steps, the batch size, the patience and the seed.

    Raises:
        KeyboardInterrupt: The training was interrupted.
    """
    batch_size = min(settings.batch_size, len(train))
    num_steps = settings.num_steps or steps_for(entry.card.num_steps, len(train), batch_size)
    held_out = {} if valid is None else {"valid": valid.astype(np.float32), "patience": settings.patience}
    key = jax.random.key(settings.seed)
    fitted = fit(key, entry, train.astype(np.float32), num_steps, batch_size=batch_size, progress=settings.progress, **held_out)
    if fitted.status == "interrupted":
        # `fit` has taken the interrupt for its own end; without it a cross-validation would go on with the next fold.
        raise KeyboardInterrupt
    return fitted


def _arrays(stacked: Stacked) -> Params:
    return {name: jnp.asarray(value, jnp.float32) for name, value in stacked.params.items()}


def _log_prob(model: Model, params: Params, x: np.ndarray) -> np.ndarray:
    return np.asarray(log_prob(model, params, jnp.asarray(x, jnp.float32)).value, np.float64)
