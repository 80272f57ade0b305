"""Score matching without a denoising target: the score is fitted through its own divergence (Hyvarinen 2005, arXiv 1905.07088)."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.numerics import divergence, hutchinson
from jaxgen.objective import Batch, Clock, Objective, no_aux, require
from jaxgen.objectives.denoising import Times, stratified_times
from jaxgen.objectives.weights import Weight
from jaxgen.paths import Path


def score_matching(
    model: Model, path: Path, kind: str = "implicit", *, weight: Weight | None = None, times: Times = stratified_times
) -> Objective:
    """Minimise `E weight(t) [div score(x_t, t) + |score(x_t, t)|^2 / 2]` per coordinate, with `x_t = alpha x + sigma z`.

    That is `E weight |score - grad log p_t|^2 / 2` but for a constant (Hyvarinen 2005, eq. 4). kind "implicit": the exact divergence, d
    derivatives; "sliced": one along a Rademacher direction (arXiv 1905.07088, eq. 8, with reduced variance). weight: `(path, t) -> scalar`,
    sigma^2 by default. `objectives.denoising(model, path, "score")` has the same minimum with less variance where t is not near 1; this one
    stays finite there. Raises ValueError for another kind; the transform must have the part `score`.
    """
    if kind not in ("implicit", "sliced"):
        raise ValueError(f'kind={kind!r}; accepted: "implicit", "sliced".')
    require("score_matching", model, frozenset({"score"}))
    score = model.transform.parts["score"]

    def one(params: Any, x: jax.Array, cond: Any, z: jax.Array, t: jax.Array, key: jax.Array) -> jax.Array:
        def at_t(x: jax.Array) -> jax.Array:
            return score(params, x, t, cond)

        x_t = path.at(t, x, z)
        s, spread = divergence(at_t, x_t) if kind == "implicit" else hutchinson(at_t, x_t, jax.random.rademacher(key, x.shape, x.dtype))
        return (path.sigma(t) ** 2 if weight is None else weight(path, t)) * (spread + 0.5 * jnp.sum(s**2)) / x.size

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_t, key_probe = jax.random.split(key, 3)
        n = batch.x.shape[0]
        z = jax.random.normal(key_z, batch.x.shape, batch.x.dtype) if batch.z is None else batch.z
        t, keys = times(key_t, n, batch.x.dtype), jax.random.split(key_probe, n)
        value = jnp.mean(jax.vmap(lambda x, c, z, t, k: one(params, x, c, z, t, k))(batch.x, batch.cond, z, t, keys))
        return value, {"score_matching": value}

    return Objective(no_aux, loss, frozenset({"score"}))
