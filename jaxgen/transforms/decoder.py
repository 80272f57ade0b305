"""Maps made of free networks: the generator, the deterministic autoencoder, the Gaussian decoder of a variational autoencoder."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.transform import Density, Hooks, Maps, Part, Preimage, Space, Transform, require_key
from jaxgen.transforms.posterior import MAX_LOG_SCALE, divergence, draw, halves
from jaxgen.types import Cond, Event, Key, Noise, Params


def generator(net: Net) -> Transform:
    """Build a generator `x = net(z, cond)`: any network from noise to data.

    Args:
        net: The network.

    Returns:
        An IMPLICIT transform, which can be sampled but has no density. Its params are the network's.

    Source: arXiv 1406.2661.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> f = transforms.generator(nets.mlp(3, width=4, depth=1))
    >>> params = f.init(jax.random.key(0), jnp.zeros(2))
    >>> f.forward(params, jnp.zeros(2)).shape, str(f.kind)
    ((3,), 'implicit')
    """

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        return net.init(key, z, cond)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return net.apply(params, z, cond)

    return Transform(init, Maps(forward), hooks=Hooks(nfe=lambda params, z, cond=None: 1))


def autoencoder(decoder: Net, encoder: Net) -> Transform:
    """Build a deterministic autoencoder: `forward` decodes and `inverse` encodes.

    Args:
        decoder: The network from a code, and a condition, to an event.
        encoder: The network from an event, and a condition, to a code.

    Returns:
        An IMPLICIT transform; the `log_det` of its inverse is NaN, because it has no density. Its params are `{"decoder", "encoder"}`, and
        sampling needs the decoder's only. Its parts are `decode(params, z, cond=None) -> x` and `encode(params, x, cond=None) -> z`.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> f = transforms.autoencoder(nets.mlp(3, width=4, depth=1), nets.mlp(2, width=4, depth=1))
    >>> params = f.init(jax.random.key(0), jnp.zeros(2))
    >>> f.inverse(params, jnp.zeros(3)).z.shape
    (2,)
    """

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        key_decoder, key_encoder = jax.random.split(key)
        params = decoder.init(key_decoder, z, cond)
        return {"decoder": params, "encoder": encoder.init(key_encoder, jnp.zeros_like(decoder.apply(params, z, cond)), cond)}

    def decode(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return decoder.apply(params["decoder"], z, cond)

    def encode(params: Params, x: Event, /, cond: Cond = None) -> Noise:
        return encoder.apply(params["encoder"], x, cond)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        return Preimage(encode(params, x, cond), jnp.full((), jnp.nan, x.dtype))

    parts = {"decode": Part(decode, Space.STATE), "encode": Part(encode, Space.DATA)}
    return Transform(init, Maps(decode, inverse), hooks=Hooks(nfe=lambda params, z, cond=None: 1), parts=parts)


def gaussian_decoder(decoder: Net, encoder: Net, max_log_scale: float = MAX_LOG_SCALE) -> Transform:
    """Build the Gaussian decoder of a variational autoencoder: `x = mu(z) + sigma(z) noise`.

    The noise is `{"latent": z, "noise"}`. `inverse` draws z from the encoder's diagonal Gaussian q(z | x) and returns
    `noise = (x - mu(z)) / sigma(z)`, with `log_det = -sum log sigma(z)` and `log_q = log q(z | x)`. Together with the base's density of
    latent and noise the density identity gives `log p(z) + log p(x | z) - log q(z | x)`, in expectation a lower bound of log p(x).

    Args:
        decoder: The network from a latent `(L,)` to means and then log standard deviations of the event, `(2 d,)`.
        encoder: The network from an event `(d,)` to means and then log standard deviations of the latent, `(2 L,)`.
        max_log_scale: The bound on both log standard deviations, which are held softly within `max_log_scale` of 0.

    Returns:
        A LOWER_BOUND transform whose params are `{"decoder", "encoder"}`. Its parts `decode(params, z, cond=None)` and
        `encode(params, x, cond=None)` return `(mean, log_scale)`; `distortion_and_rate(params, x, *, cond=None, key)` returns a draw of
        `-log p(x | z)` and `KL(q(z | x) || N(0, I))`, both in nats.

    Raises:
        ValueError: `max_log_scale` is not positive, or `inverse` is called without a key.

    Source: arXiv 1312.6114, equation 3.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> f = transforms.gaussian_decoder(nets.mlp(2 * 3, width=4, depth=1), nets.mlp(2 * 1, width=4, depth=1))
    >>> params = f.init(jax.random.key(0), {"latent": jnp.zeros(1), "noise": jnp.zeros(3)})
    >>> mean, log_scale = f.parts["encode"](params, jnp.zeros(3))
    >>> mean.shape, str(f.kind)
    ((1,), 'lower bound')
    """
    checks.number("gaussian_decoder: max_log_scale", max_log_scale, above=0)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        key_decoder, key_encoder = jax.random.split(key)
        return {"decoder": decoder.init(key_decoder, z["latent"], cond), "encoder": encoder.init(key_encoder, z["noise"], cond)}

    def decode(params: Params, latent: jax.Array, /, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        return halves(decoder.apply(params["decoder"], latent, cond), max_log_scale)

    def encode(params: Params, x: Event, /, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        return halves(encoder.apply(params["encoder"], x, cond), max_log_scale)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        mean, log_scale = decode(params, z["latent"], cond)
        return mean + jnp.exp(log_scale) * z["noise"]

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        key = require_key("gaussian_decoder", key, "the latent is drawn from q(z | x)")
        latent, log_q = draw(key, *encode(params, x, cond))
        mu, log_sigma = decode(params, latent, cond)
        return Preimage({"latent": latent, "noise": (x - mu) * jnp.exp(-log_sigma)}, -jnp.sum(log_sigma), log_q)

    def distortion_and_rate(params: Params, x: Event, /, *, cond: Cond = None, key: Key) -> tuple[jax.Array, jax.Array]:
        posterior = encode(params, x, cond)
        mu, log_sigma = decode(params, draw(key, *posterior)[0], cond)
        distortion = jnp.sum(0.5 * ((x - mu) * jnp.exp(-log_sigma)) ** 2 + log_sigma + 0.5 * jnp.log(2 * jnp.pi))
        return distortion, divergence(*posterior)

    def stages(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        return jnp.stack([decode(params, z["latent"], cond)[0], forward(params, z, cond)])

    parts = {
        "decode": Part(decode, Space.STATE),
        "encode": Part(encode, Space.DATA),
        "distortion_and_rate": Part(distortion_and_rate, Space.DATA),
    }
    hooks = Hooks(stages, nfe=lambda params, z, cond=None: 1)
    return Transform(init, Maps(forward, inverse), Density.LOWER_BOUND, hooks=hooks, parts=parts)
