"""`density`: the learned density of a model of two coordinates."""

import jax
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.evaluation import density_grid
from jaxgen.model import Model, log_prob
from jaxgen.types import Cond, Key, Params
from jaxgen.viz.figure import Drawing, plain_axes
from jaxgen.viz.palette import INK

_MAX_POINTS = 1_500


def density(model: Model, params: Params, data: ArrayLike, *, cond: Cond = None, key: Key | None = None, size: int = 150) -> Figure:
    """Draw the density of a model over the window of the data, with the data as small points.

    Args:
        model: A model of events `(2,)` with a density.
        params: Its parameters.
        data: Real events `(m, 2)`, which set the window; at most 1,500 are drawn.
        cond: One condition `(*cond,)`, or None for a model without conditions.
        key: Random key of a density that is estimated; None is `jax.random.key(0)`.
        size: The number of points along each axis.

    Returns:
        A figure, which a notebook shows. Its title names the kind of the density.

    Raises:
        ValueError: The data are not `(m, 2)`, or `size` is below 2.
        ImplicitDensityError: The model has no density.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> density(model, (), jax.random.normal(jax.random.key(0), (50, 2)), size=8).axes[0].get_title()
    'density, exact'
    """
    checks.count("density: size", size, least=2)
    events = np.asarray(data, np.float32)
    if events.ndim != 2 or events.shape[1] != 2 or not len(events):
        raise ValueError(f"density: data of shape {events.shape}; accepted: (m, 2).")
    xs, ys, points = density_grid(events, size)
    conds = None if cond is None else jax.tree.map(lambda c: np.broadcast_to(c, (len(points), *np.shape(c))), cond)
    values = log_prob(model, params, points, conds, key=jax.random.key(0) if key is None else key).value
    figure = Drawing((4.4, 4.0), layout="constrained")
    axes = figure.subplots()
    plain_axes(axes, f"density, {model.transform.kind}")
    shaded = axes.pcolormesh(xs, ys, np.exp(np.asarray(values).reshape(size, size)), cmap="viridis", shading="nearest")
    axes.scatter(*events[:_MAX_POINTS].T, s=1.5, color=INK, linewidths=0, alpha=0.7)
    figure.colorbar(shaded, ax=axes).ax.tick_params(labelsize=7, colors=INK)
    return figure
