"""Activation normalisation: an elementwise affine map that is set from the first batch of data."""

import jax
import jax.numpy as jnp

from jaxgen.transform import Hooks, Transform
from jaxgen.transforms.affine import diagonal_affine
from jaxgen.types import Cond, Event, Key, Noise, Params

# A coordinate that is constant in the first batch must not divide by zero.
MIN_SCALE = 1e-3


def actnorm() -> Transform:
    """Build an activation normalisation: one shift and one scale for each coordinate, set from the first batch of data.

    The map is the identity at first. Its hook `data_init` sets `loc` and `exp(log_scale)` to the mean and the standard deviation of a
    batch, so that the noise behind that batch is standardised. `jaxgen.objectives.data_initialised(objective, model)` runs the hooks of
    a whole model before the fit.

    Returns:
        The EXACT transform `x = loc + exp(log_scale) z` of events of any shape. Its params are `{"loc", "log_scale"}`, both of the event's
        shape.

    Source: arXiv 1807.03039, section 3.1.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> f = transforms.actnorm()
    >>> params, z = f.hooks.data_init({}, jnp.asarray([[3.0], [5.0]]))
    >>> params["loc"].tolist(), z.tolist()
    ([4.0], [[-1.0], [1.0]])
    """
    diagonal = diagonal_affine()

    def data_init(params: Params, x: Event, /, cond: Cond = None, keys: Key | None = None) -> tuple[Params, Noise]:
        params = {"loc": jnp.mean(x, 0), "log_scale": jnp.log(jnp.maximum(jnp.std(x, 0), MIN_SCALE))}
        inverse = diagonal.one.inverse
        assert inverse is not None
        return params, jax.vmap(lambda x: inverse(params, x).z)(x)

    return diagonal._replace(hooks=Hooks(data_init=data_init))
