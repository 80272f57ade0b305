"""`show`: the picture of a trained model, drawn of what `fit` returned."""

import jax
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.arguments import check_event
from jaxgen.evaluation import density_grid, follow
from jaxgen.model import log_prob, sample
from jaxgen.training import Entry, Fitted
from jaxgen.training.seeds import require_one_seed
from jaxgen.transform import Density
from jaxgen.types import Cond, Key
from jaxgen.viz.images import grid
from jaxgen.viz.of_entry import picture
from jaxgen.viz.row import draw_row

NUM_IMAGES = 64


def show(entry: Entry, fitted: Fitted, data: ArrayLike, *, cond: Cond = None, key: Key | None = None, size: int = 100) -> Figure:
    """Draw a trained model: noise, the stages of the transformation, output, target and learned density; or a grid of sampled images.

    Of events with more than two coordinates the first two are drawn, and no density. The picture is computed from the model alone, so that
    it also shows a model that was made by hand.

    Args:
        entry: The entry.
        fitted: What `fit` returned for it.
        data: Real events `(m, *event)`, in the units in which the model was trained.
        cond: Conditions `(64, *cond)` of the images to sample; None for an entry without conditions, and for vectors.
        key: Random key of the noise; None is `jax.random.key(0)`.
        size: The number of points along each axis of the density.

    Returns:
        A figure, which a notebook shows. `figure.savefig("picture.png")` writes it.

    Raises:
        ValueError: The data are not finite events of the model, `fitted` is not the fit of one seed, a model of vectors has conditions, or
            `size` is below 2.

    >>> import jax, jaxgen
    >>> entry = jaxgen.zoo.build("realnvp", event_shape=(2,), width=8, num_layers=2)
    >>> x = jax.random.normal(jax.random.key(1), (64, 2))
    >>> fitted = jaxgen.fit(jax.random.key(0), entry, x, num_steps=2, batch_size=8)
    >>> [axes.get_label() for axes in jaxgen.viz.show(entry, fitted, x, size=8).axes]
    ['base', 'stage', 'output', 'target', 'density']
    """
    checks.count("show: size", size, least=2)
    if not isinstance(entry, Entry):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"show: entry=<{type(entry).__name__}>; accepted: the jaxgen.Entry that was trained.")
    require_one_seed("show", fitted)
    events, key = _events(data), jax.random.key(0) if key is None else key
    if events.ndim not in (2, 4) or not events.size:
        raise ValueError(f"show: data of shape {events.shape}; accepted: events (m, d), or images (m, height, width, channels).")
    key_follow, key_density = jax.random.split(key)
    model, params = entry.model, fitted.params
    if events.ndim == 4:
        num = NUM_IMAGES if cond is None else len(jax.tree.leaves(cond)[0])
        return grid(sample(key, model, params, num, cond))
    if not np.isfinite(events).all():
        raise ValueError(f"show: data with {np.sum(~np.isfinite(events))} numbers that are not finite; accepted: finite numbers.")
    if cond is not None or entry.card.config.get("cond_shape") is not None:
        raise ValueError(
            "show: entry=one of vectors with conditions; accepted: one without. Draw samples of this one for a condition by jaxgen.viz.corner."
        )
    check_event("show", model, params, events, None)
    followed = follow(key_follow, model, params, events)
    kind, density = model.transform.kind, None
    if kind is not Density.IMPLICIT and events.shape[1] == 2:
        xs, ys, points = density_grid(events, size)
        values = log_prob(model, params, points, key=key_density).value
        density = xs, ys, np.asarray(values).reshape(size, size)
    return draw_row(picture(entry, fitted, followed, events, density, str(kind)))


def _events(data: ArrayLike) -> np.ndarray:
    try:
        return np.asarray(data, np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"show: data=<{type(data).__name__}> that holds no numbers alone; accepted: an array of numbers.") from None
