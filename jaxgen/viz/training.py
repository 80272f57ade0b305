"""`training`: the losses of a fit over its steps."""

import numpy as np
from matplotlib.figure import Figure

from jaxgen.training import Fitted
from jaxgen.training.seeds import require_one_seed
from jaxgen.viz.figure import Drawing, plain_axes

_LOSS, _VALID, _NUM_WINDOWS = "#3b6fb6", "#c8752c", 200


def training(fitted: Fitted) -> Figure:
    """Draw the training loss and the validation losses of a fit over its steps, and below them the norm of the gradient.

    The line of the training loss is its mean over short windows, and the band is the range within them.

    Args:
        fitted: What `fit` returned.

    Returns:
        A figure, which a notebook shows. A ring marks the best validation loss.

    Raises:
        ValueError: `fitted` is not the fit of one seed.

    >>> import jax, jaxgen
    >>> entry = jaxgen.zoo.build("cfm", event_shape=(2,), width=8)
    >>> x = jax.random.normal(jax.random.key(1), (64, 2))
    >>> fitted = jaxgen.fit(jax.random.key(0), entry, x, num_steps=4, batch_size=8)
    >>> [axes.get_ylabel() for axes in training(fitted).axes]
    ['loss', 'gradient norm']
    """
    require_one_seed("training", fitted)
    figure = Drawing((6.5, 4.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    plain_axes(above, f"{fitted.status} after {fitted.history['num_steps']:,} steps", "", "loss")
    plain_axes(below, "", "step", "gradient norm")
    steps, mean, low, high = _windows(fitted.history["loss"])
    above.fill_between(steps, low, high, color=_LOSS, alpha=0.2, linewidth=0)
    above.plot(steps, mean, color=_LOSS, linewidth=1.2, label="training")
    if len(fitted.history.get("valid_loss", ())):
        at, losses = np.asarray(fitted.history["valid_step"]), np.asarray(fitted.history["valid_loss"])
        above.plot(at, losses, color=_VALID, linewidth=1.2, marker=".", markersize=3, label="validation")
        if np.isfinite(losses).any():
            best = int(np.nanargmin(np.where(np.isfinite(losses), losses, np.nan)))
            above.plot(at[best], losses[best], "o", color=_VALID, markerfacecolor="none", markersize=8)
    above.legend(fontsize=7, frameon=False, labelcolor="#7b8390")
    steps, mean, low, high = _windows(fitted.history["gradient_norm"])
    below.fill_between(steps, low, high, color=_LOSS, alpha=0.2, linewidth=0)
    below.plot(steps, mean, color=_LOSS, linewidth=1.0)
    if len(mean) and np.nanmin(low) > 0:
        below.set_yscale("log")
    return figure


def _windows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the last step, the mean, the least and the largest value of each of at most 200 windows of equal length."""
    values = np.asarray(values, np.float64)
    if not len(values):
        return values, values, values, values
    pieces = np.array_split(values, min(len(values), _NUM_WINDOWS))
    steps = np.cumsum([len(piece) for piece in pieces])
    mean, low, high = (np.array([reduce(piece) for piece in pieces]) for reduce in (np.mean, np.min, np.max))
    return steps, mean, low, high
