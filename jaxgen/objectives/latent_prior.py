"""Two stages in one training: an autoencoder, then a prior of its codes with the autoencoder frozen."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.combinators import chain, on
from jaxgen.lifting import zeros_like_shape
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, Schedule, drawn, no_aux, require
from jaxgen.transforms import diagonal_affine
from jaxgen.transforms.posterior import draw
from jaxgen.types import Aux, Cond, Key, Params


def latent_prior(model: Model, autoencoder: Objective, prior: Objective) -> Objective:
    """Train `autoencoder` for the first half of the steps, then `prior` on draws of q(z | x), scaled to mean 0 and variance 1.

    The autoencoder trains the decoder's params on the batch, and the prior trains the params of f on its codes. The units between them
    learn mean and standard deviation of the codes by likelihood, beside the autoencoder. Each half sees a clock of its own. The gradient is
    zero for the params, and the metrics are zero for the objective, of the half that is not at work. An optimizer of two turns,
    `training.in_turn`, keeps the autoencoder where it was in the second half.

    Args:
        model: A model of the transform `chain(on("latent", f), on("latent", diagonal_affine()), decoder)` with params
            `(f's, units, decoder's)` and the part `encode (params, x, cond) -> (mean, log_scale)`.
        autoencoder: The objective of the decoder.
        prior: The objective of f.

    Returns:
        An objective with the metrics of both. Validation losses count in the second half only.

    Raises:
        ValueError: One of the two has auxiliaries, an update, a preparation or a finish.
        PairingError: The transform lacks the part `encode`.

    Source: arXiv 2112.10752, section 3.

    >>> import jaxgen
    >>> T, net = jaxgen.transforms, lambda out: jaxgen.nets.mlp(out, width=4, depth=1)
    >>> f, decoder = T.diagonal_affine(), T.gaussian_decoder(net(4), net(2))
    >>> base = jaxgen.bases.latent_and_noise((1,), (2,))
    >>> chained = jaxgen.chain(T.on("latent", f), T.on("latent", T.diagonal_affine()), decoder)
    >>> vae = jaxgen.objectives.elbo(jaxgen.Model(base, decoder))
    >>> likelihood = jaxgen.objectives.maximum_likelihood(jaxgen.Model(jaxgen.bases.normal((1,)), f))
    >>> latent_prior(jaxgen.Model(base, chained), vae, likelihood).schedule.judge_from
    0.5
    """
    require("latent_prior", model, frozenset({"encode"}))
    for name, objective in (("autoencoder", autoencoder), ("prior", prior)):
        if objective.init is not no_aux or (objective.update, objective.prepare, objective.finish) != (None, None, None):
            raise ValueError(f"latent_prior: {name}={objective!r}; accepted: objectives without auxiliaries, update, prepare or finish.")
    encode, standardise = model.transform.parts["encode"], diagonal_affine().inverse
    assert standardise is not None

    def standard_codes(params: Params, key: Key, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """Return draws of q(z | x) `(n, L)` in the units, and the negative log-likelihood `(n,)` that trains the units, up to a constant."""

        def code(x: jax.Array, cond: Cond, key: Key) -> tuple[jax.Array, jax.Array]:
            z = jax.lax.stop_gradient(draw(key, *encode(params, x, cond=cond))[0])
            standard = standardise(params[1], z)
            return standard.z, 0.5 * jnp.sum(standard.z**2) - standard.log_det

        return jax.vmap(code)(batch.x, batch.cond, drawn(batch, lambda num: jax.random.split(key, num)))

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_codes, key_loss = jax.random.split(key)
        half = -(-clock.num_steps // 2)
        z, misfit = standard_codes(params, key_codes, batch)
        codes = Batch(jax.lax.stop_gradient(z), batch.cond, share=batch.share)

        def first_half() -> tuple[jax.Array, dict[str, jax.Array]]:
            value, metrics = autoencoder.loss(params[2], (), key_loss, batch, Clock(clock.step, half, clock.ema[2]))
            return value + jnp.mean(misfit), metrics

        def second_half() -> tuple[jax.Array, dict[str, jax.Array]]:
            later = Clock(clock.step - half, clock.num_steps - half, clock.ema[0])
            return prior.loss(params[0], (), key_loss, codes, later)

        return _either(clock.step < half, first_half, second_half)

    return Objective(no_aux, loss, schedule=Schedule(judge_from=0.5), additive=autoencoder.additive and prior.additive)


def with_prior(autoencoder: Model, prior: Model) -> Model:
    """Put a prior that was fitted to codes behind an autoencoder, in place of its standard Gaussian.

    Args:
        autoencoder: A model of the noise `{"latent": (L,), "noise"}` with the part `encode`.
        prior: A model of events `(L,)` whose base is a standard Gaussian of that shape.

    Returns:
        The model of `chain(on("latent", prior's), on("latent", diagonal_affine()), autoencoder's)`, whose params are
        `(prior's, {"loc", "log_scale"} of the codes, autoencoder's)`. It lacks the part `distortion_and_rate`, whose rate is that of a
        standard Gaussian prior. Its density is the bound with the new prior, if both have a density.

    Raises:
        PairingError: The autoencoder lacks the part `encode`.

    Source: arXiv 2106.05931, section 3.

    >>> import jaxgen
    >>> T, net = jaxgen.transforms, lambda out: jaxgen.nets.mlp(out, width=4, depth=1)
    >>> vae = jaxgen.Model(jaxgen.bases.latent_and_noise((1,), (2,)), T.gaussian_decoder(net(4), net(2)))
    >>> prior = jaxgen.Model(jaxgen.bases.normal((1,)), T.triangular_affine())
    >>> str(with_prior(vae, prior).transform.kind)
    'lower bound'
    """
    require("with_prior", autoencoder, frozenset({"encode"}))
    whole = chain(on("latent", prior.transform), on("latent", diagonal_affine()), autoencoder.transform)
    return Model(autoencoder.base, whole._replace(parts={k: v for k, v in whole.parts.items() if k != "distortion_and_rate"}))


Stage = Callable[[], tuple[jax.Array, dict[str, jax.Array]]]


def _either(is_first: jax.Array, first: Stage, second: Stage) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the loss of the stage at work, and the metrics of both with zeros for the other stage."""
    idle = {**zeros_like_shape(jax.eval_shape(first)[1]), **zeros_like_shape(jax.eval_shape(second)[1])}

    def beside_idle(stage: Stage) -> Stage:
        def run() -> tuple[jax.Array, dict[str, jax.Array]]:
            value, metrics = stage()
            return value, {**idle, **metrics}

        return run

    return jax.lax.cond(is_first, beside_idle(first), beside_idle(second))
