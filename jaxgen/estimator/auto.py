"""What "auto" makes of the rows of a table: a mixture weighted by cross-validation, and with enough rows a flow beside it."""

import dataclasses
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import zoo
from jaxgen.estimator.layouts import Chosen
from jaxgen.estimator.stacked import Stacked, stacking_weights
from jaxgen.model import log_prob
from jaxgen.objectives import dropout
from jaxgen.training import PATIENCE, Entry, Fitted, TrainingDiverged, fit, steps_for
from jaxgen.training.decay import decay_for
from jaxgen.training.optimizers import Adam
from jaxgen.types import Params

AUTO = "auto"
ENTRY, FLOW = "mixture_with_flow", "nsf_ar"
"""The entry that "auto" makes of a table of numbers, and the one that is the flow in it."""
FLOW_ROWS = 300
"""With fewer rows no flow is tried: its compilation takes ten times as long as all the rest."""
PRIOR = 2.0
"""What the weights of mixture and flow count as seen beside the validation rows: as many rows of each."""


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
        supports: Whether the supports and the tails of columns are looked for.
        weight_decay: The decay of the weights of the flow of "auto"; None takes 1 up to 2,000 rows, and less for more.
        dropout: The probability with which a hidden unit of a perceptron is dropped in a training step.
        keep: Whether an interrupt ends the training of a flow and keeps what is fitted by then; otherwise it ends the fit.
    """

    name: str = AUTO
    options: dict[str, Any] = {}  # noqa: RUF012
    num_steps: int | None = None
    batch_size: int = 256
    held_out: float = 0.15
    patience: int | None = PATIENCE
    seed: int = 0
    progress: bool | None = False
    supports: bool = True
    weight_decay: float | None = None
    dropout: float = 0.0
    keep: bool = False


def fit_auto(table: Chosen, held_out: np.ndarray, settings: Settings) -> tuple[dict[str, Any], Fitted]:
    """Fit a flow beside the mixture of a table if it has at least 300 rows, and weight both by rows that neither has seen.

    Args:
        table: The rows in their coordinates, with the mixture.
        held_out: The indices of the rows that decide when the flow stops and what weight it has; without any there is no flow.
        settings: How the flow is trained; its options are those of `nsf_ar`.

    Returns:
        The options with which `zoo.build("mixture_with_flow", ...)` makes the entry, and what was fitted for it.

    Raises:
        ValueError: An option is not one of `nsf_ar`.

    >>> import numpy as np
    >>> from jaxgen.estimator.layouts import choose_layout, layout_of
    >>> x = np.random.default_rng(0).standard_normal((60, 2))
    >>> options, fitted = fit_auto(choose_layout(layout_of(x), x), np.zeros(0, int), Settings())
    >>> options["flow"], fitted.params["loc"].shape == (options["num_components"], 2)
    (False, True)
    """
    began, stacked = time.perf_counter(), table.stacked
    flow = zoo.build(FLOW, table.rows.shape[1:], **settings.options)
    options = {"num_components": stacked.num_components, "num_kernels": stacked.num_kernels}
    enough = len(table.rows) >= FLOW_ROWS and len(held_out) > 0
    fitted = _flow(flow, np.delete(table.rows, held_out, 0), table.rows[held_out], settings) if enough else None
    if fitted is None:
        nothing = {"loss": np.zeros(0, np.float32), "valid_step": np.zeros(0, np.int32), "valid_loss": np.zeros(0, np.float32)}
        seconds = {"compile_seconds": 0.0, "train_seconds": time.perf_counter() - began, "num_steps": 0}
        return {**options, "flow": False}, Fitted(_arrays(stacked), (), {**nothing, **seconds})
    of_flow = log_prob(flow.model, fitted.params, jnp.asarray(table.rows[held_out], jnp.float32)).value
    logs = np.stack([table.unseen_log_prob(held_out), np.asarray(of_flow, np.float64)], 1)
    weights = stacking_weights(np.nan_to_num(logs, nan=-np.inf), prior=PRIOR)
    params = {"logits": jnp.log(jnp.asarray(weights, jnp.float32)), "parts": (_arrays(stacked), fitted.params)}
    history = {**fitted.history, "flow_weight": float(weights[1])}
    return {**settings.options, **options}, fitted._replace(params=params, history=history, state=None, key=None)


def _flow(entry: Entry, train: np.ndarray, valid: np.ndarray, settings: Settings) -> Fitted | None:
    """Train the flow; None if it diverges, as on a column of wild outliers, where the mixture stands alone."""
    decay = decay_for(len(train)) if settings.weight_decay is None else settings.weight_decay
    assert isinstance(entry.optimizer, Adam)
    decayed = entry._replace(optimizer=dataclasses.replace(entry.optimizer, weight_decay=decay))
    try:
        return fit_split(decayed, train, valid, settings)
    except TrainingDiverged:
        return None


def fit_split(entry: Entry, train: np.ndarray, valid: np.ndarray | None, settings: Settings) -> Fitted:
    """Train an entry for as long as the number of rows supports, and keep the params with the best validation loss.

    Args:
        entry: The entry.
        train: Rows `(n, d)` to train on.
        valid: Rows to validate with; None trains to the end.
        settings: The number of steps, the batch size, the patience and the seed.

    Raises:
        KeyboardInterrupt: The training was interrupted, and `settings.keep` is false.
    """
    batch_size = min(settings.batch_size, len(train))
    if settings.dropout:
        entry = entry._replace(objective=dropout(entry.objective, settings.dropout))
    num_steps = settings.num_steps or steps_for(entry.card.num_steps, len(train), batch_size)
    held_out = {} if valid is None else {"valid": valid.astype(np.float32), "patience": settings.patience}
    key = jax.random.key(settings.seed)
    fitted = fit(key, entry, train.astype(np.float32), num_steps, batch_size=batch_size, progress=settings.progress, **held_out)
    if fitted.status == "interrupted" and not settings.keep:
        # `fit` has taken the interrupt for its own end; without it a cross-validation would go on with the next fold.
        raise KeyboardInterrupt
    return fitted


def _arrays(stacked: Stacked) -> Params:
    return {name: jnp.asarray(value, jnp.float32) for name, value in stacked.params.items()}
