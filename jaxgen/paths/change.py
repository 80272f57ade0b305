"""A network trained on one path, read on another: noise levels are matched by their signal-to-noise ratio, points by their scale."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.paths.path import Path
from jaxgen.paths.prediction import Prediction, prediction
from jaxgen.paths.target import unit_target


def on_path(trained: Prediction, path: Path) -> Prediction:
    """`trained` read on `path`: at time s, the old path's t with `alpha(t) / sigma(t)` that of s, and the old point `c x_s`.

    Data and noise behind the two points are the same, so eps and the denoiser are the old ones; velocity, score and v follow from the new
    path's schedules (arXiv 2206.00364, eq. 4, for a change of both; 2403.03206, section 3). Where `path` is noisier or cleaner than the
    old one ever is, the network is asked at its nearer end, with a point of the scale it has there for unit-variance data.
    """
    old, unit = trained.path, unit_target()
    read = trained.read(unit)

    def size(path: Path, t: jax.Array) -> jax.Array:
        return jnp.sqrt(path.alpha(t) ** 2 + path.sigma(t) ** 2)

    def output(params: Any, x: jax.Array, s: jax.Array, cond: Any = None) -> jax.Array:
        t = old.time_of(path.log_snr(s))
        return read(params, size(old, t) / size(path, s) * x, t, cond)

    return prediction(path, output, unit)
