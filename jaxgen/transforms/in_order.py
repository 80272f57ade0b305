"""The questions that an autoregressive transform answers as it is: the next columns of its order, given the first ones."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.transform import Density, Forward, Init, Maps, Preimage, Questions, Transform
from jaxgen.types import Cond, Event, Key, Noise, Params


class InOrder(NamedTuple):
    """Hold what is known of an autoregressive transform, column by column.

    Attributes:
        init: Its `init`.
        forward: Its map from noise `(d,)` to an event `(d,)`.
        back: `(params, x, cond) -> (z, log_det)`, both `(d,)`; entry j depends on the columns up to j.
        log_noise: The log density of one column's noise, elementwise.
        middle: A number that the noise may be.
    """

    init: Init
    forward: Forward
    back: Callable[[Params, Event, Cond], tuple[jax.Array, jax.Array]]
    log_noise: Callable[[jax.Array], jax.Array]
    middle: float


def questions_in_order(f: InOrder) -> Questions:
    """Return the questions that `f` answers without having been trained to.

    Args:
        f: The transform, column by column.
    """
    return Questions(through=lambda given, asked: _in_order(f, np.array(given), np.array(asked)))


def _in_order(f: InOrder, given: np.ndarray, asked: np.ndarray) -> Transform:
    """Return the transform of the asked columns, whose condition is a row with the given ones.

    Raises:
        ValueError: Something is given behind a column that is not, or asked for behind one that is neither given nor asked for.
    """
    ordered = np.all(np.diff(given.astype(int)) <= 0) and np.all(np.diff((given | asked).astype(int)) <= 0)
    if not ordered:
        raise ValueError(
            f"autoregressive_columns: given columns {np.flatnonzero(given).tolist()} and asked for {np.flatnonzero(asked).tolist()}; accepted: the "
            "first columns given and the next ones asked for, as this model was trained in one order; any_subset=True trains all questions."
        )

    def known(cond: Cond, x: jax.Array) -> jax.Array:
        return jnp.where(given, 0 if cond is None else jnp.asarray(cond, x.dtype), 0)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        row = known(cond, z)
        x = f.forward(params, jnp.where(given, f.back(params, row, None)[0], z), None)
        return jnp.where(given, row, x)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        z, log_det = f.back(params, jnp.where(asked, x, known(cond, x)), None)
        middle = jnp.asarray(f.middle, x.dtype)
        return Preimage(jnp.where(asked, z, middle), jnp.sum(jnp.where(asked, log_det, -f.log_noise(middle))))

    return Transform(f.init, Maps(forward, inverse), Density.EXACT)
