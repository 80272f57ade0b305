"""Score matching that needs no target: implicit (Hyvarinen 2005) and sliced (arXiv 1905.07088), at every noise level of a path."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.numerics import divergence, hutchinson
from jaxgen.objective import Batch, Clock, Objective, no_aux, require
from jaxgen.objectives.denoising import Times, stratified_times
from jaxgen.paths import Path

METHODS = ("implicit", "sliced")


def score_matching(
    model: Model,
    path: Path,
    method: str = "implicit",
    *,
    num_probes: int = 1,
    weight: Callable[[Path, jax.Array], jax.Array] | None = None,
    times: Times = stratified_times,
) -> Objective:
    """Minimise `E weight(t) (|s|^2 + 2 div s)` per coordinate, s the score at `x_t = alpha x + sigma z`.

    It is `E weight |s - grad log p_t|^2` up to a constant, by parts (Hyvarinen 2005, theorem 1), as `denoising(model, path, "score")` is up
    to another: the gradients of the two agree in expectation. It stays finite where sigma is 0, at the data themselves.

    method: "implicit", d Jacobian-vector products an event; "sliced", the divergence estimated by `num_probes` random signs (1905.07088,
        eq. 8, with the variance of |s|^2 removed), a product each.
    weight: `(path, t) -> scalar`, one by default. times: `(key, num, dtype) -> (num,)` in [0, 1].

    Needs the part `score`. Raises ValueError for an unknown method or a count below one. Metrics: `objective`, as above, may be negative.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r}; accepted: {', '.join(METHODS)}.")
    if not isinstance(num_probes, int) or num_probes < 1:
        raise ValueError(f"num_probes={num_probes!r}; accepted: an integer of at least 1.")
    require("score_matching", model, frozenset({"score"}))
    score = model.transform.parts["score"]

    def one(params: Any, x: jax.Array, cond: Any, z: jax.Array, t: jax.Array, probes: jax.Array) -> jax.Array:
        def at(x: jax.Array) -> jax.Array:
            return score(params, x, t, cond)

        x_t = path.at(t, x, z)
        s, div = divergence(at, x_t) if method == "implicit" else hutchinson(at, x_t, probes)
        value = (jnp.sum(s**2) + 2 * div) / x.shape[0]
        return value if weight is None else weight(path, t) * value

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_t = jax.random.split(key)
        n, d = batch.x.shape
        z = jax.random.normal(key_z, batch.x.shape, batch.x.dtype)
        probes = jax.random.rademacher(jax.random.fold_in(key_t, 1), (n, num_probes, d), batch.x.dtype)
        t = times(key_t, n, batch.x.dtype)
        value = jnp.mean(jax.vmap(lambda *a: one(params, *a))(batch.x, batch.cond, z, t, probes))
        return value, {"objective": value}

    return Objective(no_aux, loss, frozenset({"score"}))
