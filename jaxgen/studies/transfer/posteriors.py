"""Flow matching as the posterior of a decoder: q(z | x) learnt from pairs that the decoder itself draws, in place of a Gaussian encoder."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgen import data, zoo
from jaxgen.lifting import over_batch
from jaxgen.model import Model, log_prob, sample_and_log_prob
from jaxgen.studies.effects import figure_rows
from jaxgen.studies.fits import EQUAL_STEPS, SAME_STAGE
from jaxgen.studies.predicted import predicted
from jaxgen.studies.study import Row, completed
from jaxgen.studies.transfer.transfer import Transfer, plane
from jaxgen.training import Entry, adam, fit
from jaxgen.training.optimizers import Optimizer
from jaxgen.types import Params

DATA, NAME, BOUND, DRAWS = "two_moons", "flow matching as a posterior", "negative bound in nats", 8
ENCODER, MATCHED = "Gaussian encoder", "flow matching"


def run(seed: int, steps: int) -> list[Row]:
    """Train an autoencoder, then its posterior alone for half as many steps: the encoder by the bound, or a flow on the decoder's pairs.

    Args:
        seed: The seed.
        steps: The number of steps of the autoencoder.
    """
    key_vae, key_pairs, key_second, key_test = jax.random.split(jax.random.key(seed), 4)
    train, test = plane(DATA, seed), data.draw(DATA, seed + 500, 1_000)
    vae = zoo.build("vae", event_shape=(2,), depth=3)
    first = completed(fit(key_vae, vae, train, steps, progress=False))
    further = max(1, steps // 2)
    decoder_held = vae._replace(optimizer=_encoder_alone(2e-3))
    refined = completed(fit(key_second, decoder_held, train, further, start=(first.params, ()), progress=False)).params
    whole = completed(fit(key_vae, vae, train, steps + further, progress=False)).params
    z, x = _pairs(key_pairs, vae.model, first.params, len(train))
    posterior = zoo.build("cfm", event_shape=z.shape[1:], cond_shape=(2,), num_steps=16)
    matched = completed(fit(key_second, posterior, z, further, cond=x, progress=False)).params
    encoders = {SAME_STAGE: refined, EQUAL_STEPS: whole}
    rows: list[Row] = []
    bound = negative_bound(key_test, vae.model, first.params, posterior, matched, test)
    for protocol, params in encoders.items():
        gaussian = -float(jnp.mean(jnp.stack([log_prob(vae.model, params, test, key=k).value for k in jax.random.split(key_test, DRAWS)])))
        rows += figure_rows({BOUND: gaussian}, protocol=protocol, arm=ENCODER, differences=(BOUND,))
        rows += figure_rows({BOUND: bound}, protocol=protocol, arm=MATCHED, against=ENCODER, differences=(BOUND,))
    return rows


def _encoder_alone(learning_rate: float) -> Optimizer:
    """Return Adam on the encoder; the decoder stays as it is."""

    def labels(trained: tuple[Params, Params]) -> tuple[Params, Params]:
        params, aux = trained
        frozen = {name: jax.tree.map(lambda _, n=name: n, leaf) for name, leaf in params.items()}
        return frozen, jax.tree.map(lambda _: "decoder", aux)

    return lambda num_steps: optax.partition({"encoder": adam(learning_rate)(num_steps), "decoder": optax.set_to_zero()}, labels)


def _pairs(key: jax.Array, model: Model, params: Params, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw latents and the events that the decoder makes of them."""
    noise = model.base.sample(seed=key, sample_shape=(num,))
    return np.asarray(noise["latent"]), np.asarray(over_batch(model.transform).forward(params, noise))


def negative_bound(key: jax.Array, model: Model, params: Params, posterior: Entry, flow: Params, test: np.ndarray) -> float:
    """Return minus the mean of `log p(z) + log p(x | z) - log q(z | x)` over test events and draws of the flow, in nats.

    Args:
        key: The key of the draws.
        model: A model of the noise `{"latent", "noise"}` with a Gaussian decoder.
        params: Its params.
        posterior: A model of latents under the condition of an event.
        flow: Its params.
        test: Events `(n, d)`.
    """
    x = np.repeat(test, DRAWS, 0)
    z, log_q = sample_and_log_prob(key, posterior.model, flow, len(x), x)
    mean, log_scale = jax.vmap(lambda z: model.transform.parts["decode"](params, z))(z)
    log_p = jnp.sum(jax.scipy.stats.norm.logpdf(x, mean, jnp.exp(log_scale)), -1) + jnp.sum(jax.scipy.stats.norm.logpdf(z), -1)
    return -float(jnp.mean(log_p - log_q.value))


def _pick(protocol: str) -> dict[str, Any]:
    return {"transfer": NAME, "protocol": protocol, "arm": MATCHED, "figure": BOUND}


POSTERIORS = Transfer(
    NAME,
    300,
    2_000,
    run,
    (
        predicted(
            "A posterior by flow matching tightens the bound of the same decoder: the Gaussian encoder cannot follow posteriors that bend.",
            "The interval of the difference of the negative bound, from the same first stage, is not below 0.",
            lambda c: c.effect.high < 0,
            _pick(SAME_STAGE),
        ),
    ),
)
