"""How straight the paths of a flow are: the measure is zero if one step of Euler's method is exact."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.numerics import fixed, solve
from jaxgen.objective import require
from jaxgen.types import Cond, Key, Params


def straightness(
    key: Key, model: Model, params: Params, num_samples: int = 2_000, cond: Cond = None, *, num_times: int = 32
) -> tuple[float, float]:
    """Estimate `E integral |x_1 - x_0 - v(x_t, t)|^2 dt` along the flow of a model's velocity v.

    Args:
        key: Random key of the noise x_0.
        model: A model whose transform has the part `velocity`.
        params: Its parameters.
        num_samples: Number of paths, at least 2.
        cond: Conditions `(num_samples, *cond)`, or None.
        num_times: Number of times at which each path is looked at.

    Returns:
        The mean over paths, in squares of the data's units and summed over coordinates, and its standard error.

    Raises:
        PairingError: The model has no part `velocity`.
        ValueError: A count is too small.

    Source: arXiv 2209.03003, section 2.1.

    >>> import jax, jaxgen
    >>> turn = lambda params, x, t, cond: jax.numpy.pi * jax.numpy.stack([-x[1], x[0]])
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.ode_flow(lambda *args: (), turn))
    >>> straightness(jax.random.key(0), model, (), 50)[0] > 10
    True
    """
    checks.count("straightness: num_samples", num_samples, 2)
    checks.count("straightness: num_times", num_times)
    require("straightness", model, frozenset({"velocity"}))
    each = np.asarray(jax.jit(_deviations, static_argnums=(0, 1, 2))(model, num_samples, num_times, params, key, cond), np.float64)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(num_samples))


def _deviations(model: Model, num_samples: int, num_times: int, params: Params, key: Key, cond: Cond) -> jax.Array:
    velocity = model.transform.parts["velocity"].field()
    start = model.base.sample(seed=key, sample_shape=(num_samples,))
    middles = (jnp.arange(num_times, dtype=start.dtype) + 0.5) / num_times
    times = jnp.concatenate([middles, jnp.ones(1, start.dtype)])

    def field(t: jax.Array, x: jax.Array) -> jax.Array:
        return jax.vmap(lambda x, c: velocity(params, x, t, c))(x, cond)

    states = solve(field, start, 0.0, 1.0, fixed(2 * num_times), save_at=times)[0]
    rates = jax.lax.map(lambda tx: field(*tx), (middles, states[:-1]))
    return jnp.mean(jnp.sum((states[-1] - start - rates) ** 2, tuple(range(2, rates.ndim))), 0)
