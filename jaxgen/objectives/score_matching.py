"""Score matching without a denoising target: the score is fitted through its own divergence."""

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.numerics import divergence, hutchinson
from jaxgen.objective import Batch, Clock, Objective, drawn, no_aux, require
from jaxgen.objectives.pairing import gaussian_noise
from jaxgen.objectives.times import Times, stratified_times
from jaxgen.objectives.weights import Weight
from jaxgen.paths import Path
from jaxgen.types import Aux, Cond, Key, Params

KINDS = ("implicit", "sliced")


def score_matching(
    model: Model, path: Path, kind: str = "implicit", *, weight: Weight | None = None, times: Times = stratified_times
) -> Objective:
    """Minimise `E weight(t) [div score(x_t, t) + |score(x_t, t)|^2 / 2]` per coordinate, with `x_t = alpha x + sigma z`.

    The loss is `E weight |score - grad log p_t|^2 / 2` up to a constant. `objectives.denoising(model, path, "score")` has the same
    minimum and less variance at small t; near t = 1 its variance diverges as sigma falls to zero, while this loss stays finite.

    Args:
        model: A model whose transform has the part `score`.
        path: The schedules alpha and sigma.
        kind: "implicit" takes the exact divergence, at one derivative per coordinate; "sliced" takes one derivative along a random
            direction of signs, which is unbiased.
        weight: `(path, t) -> scalar`. None weighs by `sigma(t)^2`.
        times: `(key, num, dtype) -> (num,)`, the times t in [0, 1].

    Returns:
        An objective whose metric is `score_matching`, the loss, which may be negative.

    Raises:
        ValueError: `kind` is unknown.
        PairingError: The transform lacks the part `score`.

    Source: Hyvarinen 2005, equation 4; arXiv 1905.07088, equation 8, with reduced variance.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> path = jaxgen.paths.vp_linear()
    >>> scores = jaxgen.paths.prediction(path, lambda params, x, t, cond=None: -x, "score")
    >>> flow = jaxgen.transforms.probability_flow(lambda key, z, cond=None: (), scores)
    >>> objective = score_matching(jaxgen.Model(jaxgen.bases.normal((2,)), flow), path, weight=lambda path, t: 1.0)
    >>> batch = Batch(jax.numpy.zeros((4, 2)), z=jax.numpy.zeros((4, 2)))
    >>> loss, _ = objective.loss((), (), jax.random.key(0), batch, Clock(0, 1, ()))
    >>> float(loss)  # At x_t = 0 the divergence of -x is left: -1 per coordinate.
    -1.0
    """
    if kind not in KINDS:
        raise ValueError(f"score_matching: kind={kind!r}; accepted: {', '.join(KINDS)}.")
    require("score_matching", model, frozenset({"score"}))
    score = model.transform.parts["score"]

    def loss_at(params: Params, x: jax.Array, cond: Cond, z: jax.Array, t: jax.Array, key: Key) -> jax.Array:
        def at_t(x: jax.Array) -> jax.Array:
            return score(params, x, t, cond=cond)

        x_t = path.at(t, x, z)
        if kind == "implicit":
            s, trace = divergence(at_t, x_t)
        else:
            s, trace = hutchinson(at_t, x_t, jax.random.rademacher(key, x.shape, x.dtype))
        return (path.sigma(t) ** 2 if weight is None else weight(path, t)) * (trace + 0.5 * jnp.sum(s**2)) / x.size

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_t, key_probe = jax.random.split(key, 3)
        z, t = gaussian_noise(key_z, batch), drawn(batch, lambda num: times(key_t, num, batch.x.dtype))
        keys = drawn(batch, lambda num: jax.random.split(key_probe, num))
        value = jnp.mean(jax.vmap(lambda x, c, z, t, k: loss_at(params, x, c, z, t, k))(batch.x, batch.cond, z, t, keys))
        return value, {"score_matching": value}

    return Objective(no_aux, loss, additive=True)
