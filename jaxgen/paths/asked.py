"""A prediction of some coordinates: the network sees the state of those that are asked for, and moves no other."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.paths.prediction import Function, Prediction
from jaxgen.paths.target import Target
from jaxgen.roles import decoded
from jaxgen.types import Params


def of_asked(prediction: Prediction) -> Prediction:
    """Restrict a prediction to the coordinates that are asked for; the condition is `jaxgen.roles.coded` of the roles.

    The state of the others is hidden from the network, and every reading of them is zero. So the ODE of the velocity moves the coordinates
    that are asked for and leaves the others where they are.

    Args:
        prediction: The prediction of a network that is told the roles as its condition.

    Returns:
        The restricted prediction.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> ones = paths.prediction(paths.linear(), lambda params, x, t, cond=None: jnp.ones_like(x), "velocity")
    >>> given_first = jnp.asarray([7.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    >>> paths.of_asked(ones).velocity((), jnp.zeros(2), jnp.asarray(0.5), given_first).tolist()
    [0.0, 1.0]
    """

    def restricted(function: Function) -> Function:
        def on_asked(params: Params, x: jax.Array, t: jax.Array, cond: Any = None) -> Any:
            asked = decoded(cond).asked

            def kept(y: jax.Array) -> jax.Array:
                return jnp.where(asked, y, 0)

            return jax.tree.map(kept, function(params, kept(x), t, cond))

        return on_asked

    def read(wanted: str | Target) -> Function:
        return restricted(prediction.read(wanted))

    names = ("eps", "denoiser", "velocity", "score", "v", "both")
    return prediction._replace(read=read, **{name: restricted(getattr(prediction, name)) for name in names})
