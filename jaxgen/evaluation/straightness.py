"""How straight the paths of a flow are: zero where one step of Euler's method is exact."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.numerics import fixed, solve
from jaxgen.objective import require


def straightness(
    key: jax.Array, model: Model, params: Any, num_samples: int = 2_000, cond: Any = None, *, num_times: int = 32
) -> tuple[float, float]:
    """`E integral |x_1 - x_0 - v(x_t, t)|^2 dt` along the flow of the part `velocity` (arXiv 2209.03003, section 2.1), and its standard error.

    In squared units of the data, coordinates summed; over `num_samples` paths from the model's base, `num_times` times a path. cond:
    `(num_samples, *cond)`. Raises PairingError for a model without the part `velocity`.
    """
    checks.count("straightness: num_samples", num_samples, 2)
    checks.count("straightness: num_times", num_times)
    require("straightness", model, frozenset({"velocity"}))
    each = np.asarray(jax.jit(_deviations, static_argnums=(0, 1, 2))(model, num_samples, num_times, params, key, cond), np.float64)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(num_samples))


def _deviations(model: Model, num_samples: int, num_times: int, params: Any, key: jax.Array, cond: Any) -> jax.Array:
    velocity = model.transform.parts["velocity"]
    start = model.base.sample(seed=key, sample_shape=(num_samples,))
    middles = (jnp.arange(num_times, dtype=start.dtype) + 0.5) / num_times
    times = jnp.concatenate([middles, jnp.ones(1, start.dtype)])

    def field(t: jax.Array, x: jax.Array) -> jax.Array:
        return jax.vmap(lambda x, c: velocity(params, x, t, c))(x, cond)

    states = solve(field, start, 0.0, 1.0, fixed(2 * num_times), save_at=times)[0]
    rates = jax.lax.map(lambda tx: field(*tx), (middles, states[:-1]))
    return jnp.mean(jnp.sum((states[-1] - start - rates) ** 2, tuple(range(2, rates.ndim))), 0)
