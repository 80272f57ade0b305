"""Denoising: regress one prediction of a diffusion network on the data and the noise that its input is mixed from."""

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, PairingError, drawn, no_aux, require
from jaxgen.objectives.couplings import CouplingLike
from jaxgen.objectives.pairing import gaussian_noise, pairing
from jaxgen.objectives.times import Times, stratified_times
from jaxgen.objectives.weights import Weight
from jaxgen.paths import TARGETS, Path
from jaxgen.types import Aux, Cond, Key, Params


def denoising(
    model: Model,
    path: Path,
    part: str = "eps",
    *,
    weight: Weight | None = None,
    times: Times = stratified_times,
    coupling: CouplingLike = "independent",
) -> Objective:
    """Minimise `E weight(t) |part(x_t, t) - target|^2` per coordinate, where `x_t = alpha x + sigma z` mixes an event x and noise z.

    The minimum is the conditional expectation of the target given x_t, whatever the weight.

    With a coupling, noise and data depend on each other, as in flow matching on transport pairs: trajectories of the ODE cross less, so its
    samplers need fewer evaluations. The law of x_t is carried by the same ODE as before, but the score is no longer `-E[z | x_t] / sigma`.
    So the reading as an SDE is dropped: the model is built from `paths.prediction(..., coupled=True)`, which has no score and which every
    sampler of an SDE refuses, and `denoising` refuses a model that still has one.

    Args:
        model: A model whose transform has `part`.
        path: The schedules alpha and sigma.
        part: What the network predicts: "eps" (target z), "denoiser" (x), "score" (-z / sigma), "velocity" (alpha' x + sigma' z) or "v"
            (alpha z - sigma x).
        weight: `(path, t) -> scalar`, such as those of `objectives.weights`. None weighs every time by one.
        times: `(key, num, dtype) -> (num,)`, the times t in [0, 1].
        coupling: Which noise of the model's base meets which event, as `flow_matching` takes it; "independent" draws Gaussian noise.

    Returns:
        An objective whose metric is `error`, the loss.

    Raises:
        ValueError: `part` or `coupling` is unknown.
        PairingError: The transform lacks `part`, or it has a score and noise and data are coupled.

    Source: arXiv 2006.11239, equation 14; arXiv 2302.00482, section 3.2.3 for the pairs.

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
    independent = coupling == "independent"
    if not independent and "score" in model.transform.parts:
        raise PairingError(
            f"denoising: coupling={coupling!r} with a model that has the part score; accepted: a model of "
            "paths.prediction(..., coupled=True), because on coupled pairs the score is not that of the data."
        )
    paired = None if independent else pairing("denoising", model, coupling)
    predict = model.transform.parts[part]

    def error_of(params: Params, x: jax.Array, cond: Cond, z: jax.Array, t: jax.Array) -> jax.Array:
        error = jnp.mean((predict(params, path.at(t, x, z), t, cond=cond) - TARGETS[part].at(path, t, x, z)) ** 2)
        return error if weight is None else weight(path, t) * error

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_t = jax.random.split(key)
        z = paired.source(key_z, jax.random.fold_in(key_z, 2**20), batch) if paired else gaussian_noise(key_z, batch)
        t = drawn(batch, lambda num: times(key_t, num, batch.x.dtype))
        error = jnp.mean(jax.vmap(lambda x, c, z, t: error_of(params, x, c, z, t))(batch.x, batch.cond, z, t))
        return error, {"error": error}

    if paired is None:
        return Objective(no_aux, loss, additive=True)
    return Objective(no_aux, loss, prepare=paired.prepare, additive=paired.additive)
