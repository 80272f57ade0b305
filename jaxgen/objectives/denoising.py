"""Denoising: regress one reading of a diffusion network on the data and the noise that made its input."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, no_aux, require
from jaxgen.paths import TARGETS, Path

Times = Callable[[jax.Array, int, Any], jax.Array]


def stratified_times(key: jax.Array, num: int, dtype: Any) -> jax.Array:
    """`num` times on (0, 1), one in each equal cell at a shared offset: uniform marginals, less variance (arXiv 2107.00630, appendix I.1)."""
    return (jnp.arange(num, dtype=dtype) + jax.random.uniform(key, (), dtype)) / num


def grid_times(num_steps: int) -> Times:
    """Times drawn from the first `num_steps` points of the grid `k / num_steps`: those at which a sampler with that many steps asks."""
    checks.count("grid_times: num_steps", num_steps)

    def times(key: jax.Array, num: int, dtype: Any) -> jax.Array:
        return jnp.floor(stratified_times(key, num, dtype) * num_steps) / num_steps

    return times


def lognormal_times(path: Path, mean: float = -1.2, sd: float = 1.2) -> Times:
    """Times at which log sigma is normal (arXiv 2206.00364, table 1), read off a table of the path's decreasing sigma."""
    checks.number("lognormal_times: mean", mean)
    checks.number("lognormal_times: sd", sd, above=0)

    def times(key: jax.Array, num: int, dtype: Any) -> jax.Array:
        grid = jnp.linspace(0.0, 1.0, 1025, dtype=dtype)
        # Where sigma ends at 0, its logarithm would be infinite and the last cell's interpolation NaN.
        log_sigma = jnp.log(jnp.maximum(path.sigma(grid), jnp.finfo(dtype).tiny))
        return jnp.interp(mean + sd * jax.scipy.stats.norm.ppf(stratified_times(key, num, dtype)), log_sigma[::-1], grid[::-1])

    return times


def denoising(
    model: Model,
    path: Path,
    part: str = "eps",
    *,
    weight: Callable[[Path, jax.Array], jax.Array] | None = None,
    times: Times = stratified_times,
) -> Objective:
    """Minimise `E weight(t) |part(x_t, t) - target|^2` per coordinate with `x_t = alpha x + sigma z` (arXiv 2006.11239, eq. 14).

    part: "eps" (target z), "denoiser" (x), "score" (-z / sigma), "velocity" (alpha' x + sigma' z) or "v" (alpha z - sigma x);
    the transform must have it.
    weight: `(path, t) -> scalar`, one by default. times: `(key, num, dtype) -> (num,)` in [0, 1].
    Raises ValueError for another part, PairingError where the transform has it not.
    """
    if part not in TARGETS:
        raise ValueError(f"part={part!r}; accepted: {', '.join(TARGETS)}.")
    require("denoising", model, frozenset({part}))
    predict = model.transform.parts[part]

    def one(params: Any, x: jax.Array, cond: Any, z: jax.Array, t: jax.Array) -> jax.Array:
        error = jnp.mean((predict(params, path.at(t, x, z), t, cond) - TARGETS[part].at(path, t, x, z)) ** 2)
        return error if weight is None else weight(path, t) * error

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_t = jax.random.split(key)
        z = jax.random.normal(key_z, batch.x.shape, batch.x.dtype) if batch.z is None else batch.z
        t = times(key_t, batch.x.shape[0], batch.x.dtype)
        error = jnp.mean(jax.vmap(lambda x, c, z, t: one(params, x, c, z, t))(batch.x, batch.cond, z, t))
        return error, {"error": error}

    return Objective(no_aux, loss, frozenset({part}))
