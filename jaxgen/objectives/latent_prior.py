"""Two stages in one fit: an autoencoder, then a prior of its codes with the autoencoder frozen (arXiv 2112.10752, section 3)."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, no_aux, require
from jaxgen.transform import zeros_like_shape
from jaxgen.transforms import diagonal_affine
from jaxgen.transforms.posterior import draw

NEEDS = frozenset({"encode"})


def latent_prior(model: Model, autoencoder: Objective, prior: Objective) -> Objective:
    """`autoencoder` for the first half of the steps; then `prior` on draws of q(z | x), each coordinate of mean 0 and variance 1.

    model: of the transform `chain(on("latent", f), on("latent", diagonal_affine()), decoder)`, params `(f's, units, decoder's)`, with the part
        `encode (params, x, cond) -> (mean, log_scale)`. `autoencoder` trains the decoder's params on the batch, `prior` those of f on its
        codes. The units learn mean and standard deviation of the codes, by likelihood and beside the autoencoder.

    Each half sees a clock of its own, gradients of the other's params are zero, and so are the metrics of the half that is not at work. What
    keeps the autoencoder where it was is an optimiser of two turns, `training.in_turn`. The loss on held-out events is that of the prior.
    Raises ValueError for objectives with auxiliaries or with work on the host.
    """
    require("latent_prior", model, NEEDS)
    for name, objective in (("autoencoder", autoencoder), ("prior", prior)):
        if objective.init is not no_aux or (objective.update, objective.prepare, objective.finish) != (None, None, None):
            raise ValueError(f"latent_prior: {name}: accepted: objectives without auxiliaries, update, prepare or finish.")
    encode, standardise = model.transform.parts["encode"], diagonal_affine().inverse
    assert standardise is not None

    def codes(params: Any, key: jax.Array, batch: Batch) -> Any:
        """Draws of q(z | x) `(n, L)` in the units, and minus the log density of standard normal ones mapped out of the units."""

        def one(x: jax.Array, cond: Any, key: jax.Array) -> Any:
            z = jax.lax.stop_gradient(draw(key, *encode(params, x, cond))[0])
            found = standardise(params[1], z)
            return found.z, 0.5 * jnp.sum(found.z**2) - found.log_det

        return jax.vmap(one)(batch.x, batch.cond, jax.random.split(key, batch.x.shape[0]))

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_codes, key_loss = jax.random.split(key)
        half = -(-clock.num_steps // 2)
        z, misfit = codes(params, key_codes, batch)
        known = Batch(jax.lax.stop_gradient(z), batch.cond)

        def of_autoencoder() -> tuple[jax.Array, dict[str, jax.Array]]:
            value, metrics = autoencoder.loss(params[2], (), key_loss, batch, Clock(clock.step, half, clock.ema[2]))
            return value + jnp.mean(misfit), metrics

        def of_prior() -> tuple[jax.Array, dict[str, jax.Array]]:
            later = Clock(clock.step - half, clock.num_steps - half, clock.ema[0])
            return prior.loss(params[0], (), key_loss, known, later)

        idle = {**zeros_like_shape(jax.eval_shape(of_autoencoder)[1]), **zeros_like_shape(jax.eval_shape(of_prior)[1])}

        def beside(half: Any) -> Any:
            return lambda: (lambda found: (found[0], {**idle, **found[1]}))(half())

        return jax.lax.cond(clock.step < half, beside(of_autoencoder), beside(of_prior))

    return Objective(no_aux, loss, NEEDS, unjudged=0.5)
