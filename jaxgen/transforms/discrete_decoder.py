"""The decoder of a variational autoencoder for discrete events: each value is a cell of uniform noise whose volume is its probability."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.posterior import divergence, draw, halves
from jaxgen.transforms.scalars.scalar import lookup
from jaxgen.transforms.surjections.contribution import require_key

MIN_MASS = 1e-6
"""Probability kept for every value, which keeps its cell wider than a rounding error."""


def discrete_decoder(decoder: Net, encoder: Net, levels: int = 2) -> Transform:
    """`x` is the value whose cell of `p(x | z)` the noise falls into, pixel by pixel, for the noise `{"latent": z, "noise": uniform}`.

    Events hold whole numbers 0.0 ... levels - 1: Bernoulli pixels for `levels=2` (arXiv 1312.6114, appendix C.1), a categorical
    distribution over all values otherwise. `inverse` draws z ~ q(z | x), a diagonal Gaussian from the encoder, and takes the middle of
    each pixel's cell: `log_det = log p(x | z)`, the log-volume of the cells, and `log_q = log q(z | x)`: a lower bound of log p(x) in
    expectation. -inf for an event with a number that is no value.

    `decoder` maps `(L,)` to the logits of all values but the first, `(..., c (levels - 1))` for events `(..., c)`; `encoder` sees the event
    scaled to [-1, 1] and gives `(2 L,)`, means, then log scales. params: `{"decoder", "encoder"}`. parts: `decode (params, z, cond) ->
    (levels, *event)`, probabilities; `encode (params, x, cond) -> (mean, log_scale)`; `distortion_and_rate (params, x, cond, key)`, one
    draw of `-log p(x | z)` and `KL(q(z | x) || N(0, I))` in nats.
    """
    check_levels("discrete_decoder", levels)

    def init(key: jax.Array, z: Any, cond: Any = None) -> Any:
        key_decoder, key_encoder = jax.random.split(key)
        return {"decoder": decoder.init(key_decoder, z["latent"], cond), "encoder": encoder.init(key_encoder, z["noise"], cond)}

    def decode(params: Any, latent: jax.Array, cond: Any = None) -> jax.Array:
        return cells(decoder.apply(params["decoder"], latent, cond), levels)

    def encode(params: Any, x: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        return halves(encoder.apply(params["encoder"], centred(x, levels), cond))

    def forward(params: Any, z: Any, cond: Any = None) -> jax.Array:
        return value_in(decode(params, z["latent"], cond), z["noise"])

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        latent, log_q = draw(require_key("discrete_decoder", key), *encode(params, x, cond))
        noise, log_likelihood = middle(decode(params, latent, cond), x)
        return Preimage({"latent": latent, "noise": noise}, log_likelihood, log_q)

    def distortion_and_rate(params: Any, x: jax.Array, cond: Any, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        posterior = encode(params, x, cond)
        return -middle(decode(params, draw(key, *posterior)[0], cond), x)[1], divergence(*posterior)

    def stages(params: Any, z: Any, cond: Any = None) -> jax.Array:
        return jnp.stack([mean_of(decode(params, z["latent"], cond)), forward(params, z, cond)])

    parts = {"decode": decode, "encode": encode, "distortion_and_rate": distortion_and_rate, "stages": stages}
    return Transform(init, forward, inverse, None, Density.LOWER_BOUND, {**parts, "nfe": lambda params, z, cond=None: 1})


def check_levels(name: str, levels: Any) -> None:
    """ValueError naming `levels` unless cells of that many values can be told apart."""
    checks.count(f"{name}: levels", levels, 2)
    checks.number(f"{name}: levels", levels, most=2**16)


def cells(outputs: jax.Array, levels: int) -> jax.Array:
    """Probabilities `(levels, *event)` by a softmax over a logit of 0 and `outputs` `(..., c (levels - 1))`, the logits of the other values."""
    logits = jnp.moveaxis(outputs.reshape(*outputs.shape[:-1], -1, levels - 1), -1, 0)
    softmax = jax.nn.softmax(jnp.concatenate([jnp.zeros_like(logits[:1]), logits]), 0)
    return (1 - levels * MIN_MASS) * softmax + MIN_MASS


def value_in(p: jax.Array, u: jax.Array) -> jax.Array:
    """The values whose cells the uniforms `u` `(*event)` fall into: the inverse distribution function."""
    return jnp.sum(u[None] >= jnp.cumsum(p, 0)[:-1], 0).astype(u.dtype)


def middle(p: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The middles `(*event)` of the cells of `x`, and the log of their volume: the sum over the event, -inf where one is no value."""
    levels, upper = p.shape[0], jnp.cumsum(p, 0)
    known = (x >= 0) & (x < levels) & (x == jnp.floor(x))
    k = jnp.where(known, x, 0)
    lower = jnp.concatenate([jnp.zeros_like(upper[:1]), upper[:-1]])
    # The last edge may round to more than 1, where the base has no mass.
    u = jnp.minimum(0.5 * (lookup(lower, k) + lookup(upper, k)), 1 - jnp.finfo(x.dtype).epsneg)
    return u, jnp.where(jnp.all(known), jnp.sum(jnp.log(lookup(p, k))), -jnp.inf)


def mean_of(p: jax.Array) -> jax.Array:
    """The expected value `(*event)`."""
    return jnp.tensordot(jnp.arange(p.shape[0], dtype=p.dtype), p, 1)


def centred(x: jax.Array, levels: int) -> jax.Array:
    """Values 0 ... levels - 1 on [-1, 1], as networks want them."""
    return 2 * x / (levels - 1) - 1
