"""A network trained on one path and read on another: noise levels match in their signal-to-noise ratio, points in their scale."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.paths.path import Path
from jaxgen.paths.prediction import Prediction, prediction
from jaxgen.paths.target import unit_target


def on_path(trained: Prediction, path: Path) -> Prediction:
    """Read a network that was trained on one path on another path.

    At time s the network is asked at the time t of its own path that has the same ratio `alpha / sigma`, with the point scaled to that
    path. Data and noise behind the two points are the same, so eps and the denoiser do not change; velocity, score and v follow from the
    new path's schedules. If `path` is noisier or cleaner than the network's path ever is, the network is asked at the nearer end, with a
    point of the scale it has there for unit-variance data.

    Args:
        trained: The prediction on the path of its training.
        path: The new path.

    Returns:
        The prediction on `path`, with the same params.

    Source: arXiv 2206.00364, eq. 4; arXiv 2403.03206, section 3.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import paths
    >>> trained = paths.mixture_prediction(paths.linear(), jnp.ones(1), jnp.ones((1, 1)), 1.0)
    >>> moved = jax.jit(paths.on_path(trained, paths.trigonometric()).denoiser)
    >>> bool(jnp.allclose(moved((), jnp.zeros(1), jnp.asarray(0.5)), 0.5, atol=1e-4))
    True
    """
    old, unit = trained.path, unit_target()
    read = trained.read(unit)

    def size(path: Path, t: jax.Array) -> jax.Array:
        return jnp.sqrt(path.alpha(t) ** 2 + path.sigma(t) ** 2)

    def output(params: Any, x: jax.Array, s: jax.Array, cond: Any = None) -> jax.Array:
        t = old.time_of(path.log_snr(s))
        return read(params, size(old, t) / size(path, s) * x, t, cond)

    return prediction(path, output, unit, coupled=trained.coupled)
