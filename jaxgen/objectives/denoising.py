"""Denoising: regress one prediction of a diffusion network on the data and the noise that its input is mixed from."""

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, drawn, no_aux, require
from jaxgen.objectives.pairing import gaussian_noise
from jaxgen.objectives.times import Times, stratified_times
from jaxgen.objectives.weights import Weight
from jaxgen.paths import TARGETS, Path
from jaxgen.types import Aux, Cond, Key, Params


def denoising(model: Model, path: Path, part: str = "eps", *, weight: Weight | None = None, times: Times = stratified_times) -> Objective:
    """Minimise `E weight(t) |part(x_t, t) - target|^2` per coordinate, where `x_t = alpha x + sigma z` mixes an event x and noise z.

    The minimum is the conditional expectation of the target given x_t, whatever the weight.

    Args:
        model: A model whose transform has `part`.
        path: The schedules alpha and sigma.
        part: What the network predicts: "eps" (target z), "denoiser" (x), "score" (-z / sigma), "velocity" (alpha' x + sigma' z) or "v"
            (alpha z - sigma x).
        weight: `(path, t) -> scalar`, such as those of `objectives.weights`. None weighs every time by one.
        times: `(key, num, dtype) -> (num,)`, the times t in [0, 1].

    Returns:
        An objective whose metric is `error`, the loss.

    Raises:
        ValueError: `part` is unknown.
        PairingError: The transform lacks `part`.

    Source: arXiv 2006.11239, equation 14.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> path = jaxgen.paths.linear()
    >>> truth = jaxgen.paths.prediction(path, lambda params, x, t, cond=None: 0 * x, "denoiser")
    >>> flow = jaxgen.transforms.probability_flow(lambda key, z, cond=None: (), truth)
    >>> objective = denoising(jaxgen.Model(jaxgen.bases.normal((2,)), flow), path, "denoiser")
    >>> loss, _ = objective.loss((), (), jax.random.key(0), Batch(jax.numpy.zeros((8, 2))), Clock(0, 1, ()))
    >>> float(loss)  # All data are zero, and so is the prediction.
    0.0
    """
    if part not in TARGETS:
        raise ValueError(f"denoising: part={part!r}; accepted: {', '.join(TARGETS)}.")
    require("denoising", model, frozenset({part}))
    predict = model.transform.parts[part]

    def error_of(params: Params, x: jax.Array, cond: Cond, z: jax.Array, t: jax.Array) -> jax.Array:
        error = jnp.mean((predict(params, path.at(t, x, z), t, cond=cond) - TARGETS[part].at(path, t, x, z)) ** 2)
        return error if weight is None else weight(path, t) * error

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_t = jax.random.split(key)
        z, t = gaussian_noise(key_z, batch), drawn(batch, lambda num: times(key_t, num, batch.x.dtype))
        error = jnp.mean(jax.vmap(lambda x, c, z, t: error_of(params, x, c, z, t))(batch.x, batch.cond, z, t))
        return error, {"error": error}

    return Objective(no_aux, loss, additive=True)
