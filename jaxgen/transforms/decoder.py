"""Maps made of free networks: the generator, the deterministic autoencoder, the Gaussian decoder of a variational autoencoder."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.posterior import MAX_LOG_SCALE, divergence, draw, halves


def generator(net: Net) -> Transform:
    """`x = net(z, cond)`, any network from noise to data: implicit, its density is never written down. params: the network's."""
    return Transform(
        lambda key, z, cond=None: net.init(key, z, cond),
        lambda params, z, cond=None: net.apply(params, z, cond),
        parts={"nfe": lambda params, z, cond=None: 1},
    )


def autoencoder(decoder: Net, encoder: Net) -> Transform:
    """`x = decoder(z, cond)`, and `inverse` the code `encoder(x, cond)`: implicit, its log_det is NaN because no density is claimed.

    params: `{"decoder", "encoder"}`; sampling keeps the decoder only. parts: `decode (params, z, cond) -> x`, `encode (params, x, cond) -> z`.
    """

    def init(key: jax.Array, z: jax.Array, cond: Any = None) -> Any:
        key_decoder, key_encoder = jax.random.split(key)
        params = decoder.init(key_decoder, z, cond)
        return {"decoder": params, "encoder": encoder.init(key_encoder, jnp.zeros_like(decoder.apply(params, z, cond)), cond)}

    def decode(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        return decoder.apply(params["decoder"], z, cond)

    def encode(params: Any, x: jax.Array, cond: Any = None) -> jax.Array:
        return encoder.apply(params["encoder"], x, cond)

    return Transform(
        init,
        decode,
        lambda params, x, cond=None, key=None: Preimage(encode(params, x, cond), jnp.full((), jnp.nan, x.dtype)),
        parts={"decode": decode, "encode": encode, "nfe": lambda params, z, cond=None: 1},
    )


def gaussian_decoder(decoder: Net, encoder: Net, max_log_scale: float = MAX_LOG_SCALE) -> Transform:
    """`x = mu(z) + sigma(z) * noise` for the noise `{"latent": z, "noise"}` (arXiv 1312.6114).

    `inverse` draws z ~ q(z | x), a diagonal Gaussian from the encoder, and reads the noise off: `(x - mu(z)) / sigma(z)` with
    `log_det = -sum log sigma(z)` and `log_q = log q(z | x)`. With the base's own density of latent and noise this is
    `log p(z) + log p(x | z) - log q(z | x)`, a lower bound of log p(x) in expectation (eq. 3).

    `decoder` maps `(L,)` to `(2 d,)` and `encoder` `(d,)` to `(2 L,)`: means, then log scales, held softly within `max_log_scale` of 0.
    params: `{"decoder", "encoder"}`. parts: `decode (params, z, cond)` and `encode (params, x, cond)`, both `-> (mean, log_scale)`;
    `distortion_and_rate (params, x, cond, key)`, one draw of `-log p(x | z)` and `KL(q(z | x) || N(0, I))` in nats.
    """

    def init(key: jax.Array, z: Any, cond: Any = None) -> Any:
        key_decoder, key_encoder = jax.random.split(key)
        return {"decoder": decoder.init(key_decoder, z["latent"], cond), "encoder": encoder.init(key_encoder, z["noise"], cond)}

    def decode(params: Any, latent: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        return halves(decoder.apply(params["decoder"], latent, cond), max_log_scale)

    def encode(params: Any, x: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        return halves(encoder.apply(params["encoder"], x, cond), max_log_scale)

    def forward(params: Any, z: Any, cond: Any = None) -> jax.Array:
        mean, log_scale = decode(params, z["latent"], cond)
        return mean + jnp.exp(log_scale) * z["noise"]

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        if key is None:
            raise ValueError("gaussian_decoder.inverse: key=None; the latent is drawn from q(z | x), give a key such as jax.random.key(0).")
        latent, log_q = draw(key, *encode(params, x, cond))
        mu, log_sigma = decode(params, latent, cond)
        return Preimage({"latent": latent, "noise": (x - mu) * jnp.exp(-log_sigma)}, -jnp.sum(log_sigma), log_q)

    def distortion_and_rate(params: Any, x: jax.Array, cond: Any, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        posterior = encode(params, x, cond)
        mu, log_sigma = decode(params, draw(key, *posterior)[0], cond)
        distortion = jnp.sum(0.5 * ((x - mu) * jnp.exp(-log_sigma)) ** 2 + log_sigma + 0.5 * jnp.log(2 * jnp.pi))
        return distortion, divergence(*posterior)

    def stages(params: Any, z: Any, cond: Any = None) -> jax.Array:
        return jnp.stack([decode(params, z["latent"], cond)[0], forward(params, z, cond)])

    parts = {"decode": decode, "encode": encode, "distortion_and_rate": distortion_and_rate, "stages": stages}
    parts["nfe"] = lambda params, z, cond=None: 1
    return Transform(init, forward, inverse, None, Density.LOWER_BOUND, parts)
