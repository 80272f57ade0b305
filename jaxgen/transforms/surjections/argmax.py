"""Categories from continuous values: the largest of a category's numbers, or the sign of one number for two categories."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.transform import Density, Maps, Preimage, Transform, no_params, require_key
from jaxgen.transforms.surjections.contribution import HALF_LOG_2PI, of_sign, within
from jaxgen.types import Cond, Event, Key, Noise, Params


def argmax_codes(num_categories: int, num_columns: int = 1, *, partial: bool = False) -> Transform:
    """Build the surjection from K numbers for each column to the code 0.0, 1.0, ... of the largest number.

    For K = 2 each column has one number, whose sign tells the code. The inverse draws numbers u around a one-hot vector and pushes those of
    the other codes below u_k, `v_j = u_k - softplus(u_k - u_j)`.

    Args:
        num_categories: The number K of categories, at least 2.
        num_columns: The number m of columns; the noise has `m K` numbers, column by column, or m for two categories.
        partial: Whether NaN marks a code that nobody asks for, as `answering` has it: its numbers are NaN and count nothing. Without a key
            `inverse` then takes the middle of the numbers that it would draw.

    Returns:
        A LOWER_BOUND transform onto events `(m,)`, without params. A number that is no code has log density -inf.

    Raises:
        ValueError: A number is too small, or `inverse` is called without a key.

    Source: arXiv 2102.05379, section 3.2 (argmax flows with thresholding).

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> transforms.argmax_codes(3, 2).forward((), jnp.asarray([0.0, 2.0, 1.0, 5.0, -1.0, 3.0])).tolist()
    [1.0, 0.0]
    """
    checks.count("argmax_codes: num_categories", num_categories, 2)
    checks.count("argmax_codes: num_columns", num_columns)
    k_all, m = num_categories, num_columns

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        codes = z > 0 if k_all == 2 else jnp.argmax(z.reshape(m, k_all), -1)
        return codes.astype(z.dtype)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        gone = jnp.isnan(x) & partial
        is_code = (x >= 0) & (x < k_all) & (x == jnp.floor(x))
        log_det = within(is_code | gone, jnp.zeros((), x.dtype))
        shape = (m,) if k_all == 2 else (m, k_all)
        e = jnp.zeros(shape, x.dtype) if partial and key is None else jax.random.normal(require_key("argmax_codes", key), shape, x.dtype)
        if k_all == 2:
            z, log_q = of_sign(e, x > 0.5)
            return Preimage(jnp.where(gone, jnp.nan, z), log_det, jnp.sum(jnp.where(gone, 0, log_q)))
        chosen = jnp.where(is_code, x, 0)[:, None] == jnp.arange(k_all, dtype=x.dtype)[None]
        u = 0.5 * e + jnp.where(chosen, 1, -1).astype(x.dtype)
        ahead = jnp.sum(jnp.where(chosen, u, 0), -1, keepdims=True) - u
        z = jnp.where(chosen, u, u + ahead - jax.nn.softplus(ahead))
        log_slope = jnp.where(chosen, 0, jax.nn.log_sigmoid(ahead))
        log_q = -0.5 * e**2 - HALF_LOG_2PI + jnp.log(jnp.asarray(2, x.dtype)) - log_slope
        away = gone[:, None]
        return Preimage(jnp.where(away, jnp.nan, z).ravel(), log_det, jnp.sum(jnp.where(away, 0, log_q)))

    return Transform(no_params, Maps(forward, inverse), Density.LOWER_BOUND)
