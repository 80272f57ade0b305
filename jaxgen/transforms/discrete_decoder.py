"""The decoder of a variational autoencoder for discrete events: each value is a cell of uniform noise whose volume is its probability."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.transform import Density, Hooks, Maps, Part, Preimage, Space, Transform, require_key
from jaxgen.transforms.posterior import divergence, draw, halves
from jaxgen.types import Cond, Event, Key, Noise, Params

MIN_MASS = 1e-6
"""Probability that every value has at least, which holds its cell wider than a rounding error."""


def discrete_decoder(decoder: Net, encoder: Net, levels: int = 2) -> Transform:
    """Build the discrete decoder of a variational autoencoder: each pixel is the value whose cell of `p(x | z)` its noise falls into.

    The noise is `{"latent": z, "noise": uniform}`. Pixels are Bernoulli for `levels=2` and categorical otherwise. `inverse` draws z from
    the encoder's diagonal Gaussian q(z | x) and takes the middle of each pixel's cell, with `log_det = log p(x | z)`, the log-volume of
    the cells, and `log_q = log q(z | x)`: in expectation a lower bound of log p(x).

    Args:
        decoder: The network from a latent `(L,)` to the logits of all values but the first, `(..., c (levels - 1))` for events `(..., c)`.
        encoder: The network from the event, scaled to [-1, 1], to means and then log standard deviations of the latent, `(2 L,)`.
        levels: How many values a pixel has. Events hold whole numbers 0.0 ... levels - 1.

    Returns:
        A LOWER_BOUND transform whose params are `{"decoder", "encoder"}`; an event with a number that is no value has log density -inf. Its
        parts are `decode(params, z, cond=None) -> (levels, *event)`, probabilities; `encode(params, x, cond=None) -> (mean, log_scale)`;
        and `distortion_and_rate(params, x, *, cond=None, key)`, a draw of `-log p(x | z)` and `KL(q(z | x) || N(0, I))` in nats.

    Raises:
        ValueError: `levels` is below 2 or above 65,536, or `inverse` is called without a key.

    Source: arXiv 1312.6114, appendix C.1.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> f = transforms.discrete_decoder(nets.mlp(3, width=4, depth=1), nets.mlp(2 * 1, width=4, depth=1))
    >>> z = {"latent": jnp.zeros(1), "noise": jnp.asarray([0.0, 0.4999, 0.5001])}
    >>> params = jax.tree.map(jnp.zeros_like, f.init(jax.random.key(0), z))
    >>> f.forward(params, z).tolist()
    [0.0, 0.0, 1.0]
    """
    check_levels("discrete_decoder", levels)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        key_decoder, key_encoder = jax.random.split(key)
        return {"decoder": decoder.init(key_decoder, z["latent"], cond), "encoder": encoder.init(key_encoder, z["noise"], cond)}

    def logits(params: Params, latent: jax.Array, cond: Cond) -> jax.Array:
        return decoder.apply(params["decoder"], latent, cond)

    def decode(params: Params, latent: jax.Array, /, cond: Cond = None) -> jax.Array:
        return cells(logits(params, latent, cond), levels)

    def encode(params: Params, x: Event, /, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        return halves(encoder.apply(params["encoder"], centred(x, levels), cond))

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return value_in(decode(params, z["latent"], cond), z["noise"])

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        key = require_key("discrete_decoder", key, "the latent is drawn from q(z | x)")
        latent, log_q = draw(key, *encode(params, x, cond))
        noise, log_likelihood = middle(logits(params, latent, cond), x, levels)
        return Preimage({"latent": latent, "noise": noise}, log_likelihood, log_q)

    def distortion_and_rate(params: Params, x: Event, /, *, cond: Cond = None, key: Key) -> tuple[jax.Array, jax.Array]:
        posterior = encode(params, x, cond)
        return -log_likelihood_of(logits(params, draw(key, *posterior)[0], cond), x, levels), divergence(*posterior)

    def stages(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        return jnp.stack([mean_of(decode(params, z["latent"], cond)), forward(params, z, cond)])

    parts = {
        "decode": Part(decode, Space.STATE),
        "encode": Part(encode, Space.DATA),
        "distortion_and_rate": Part(distortion_and_rate, Space.DATA),
    }
    hooks = Hooks(stages, nfe=lambda params, z, cond=None: 1)
    return Transform(init, Maps(forward, inverse), Density.LOWER_BOUND, hooks=hooks, parts=parts)


def check_levels(name: str, levels: int) -> None:
    """Refuse a number of levels whose cells cannot be told apart.

    Args:
        name: The factory's name, for the message.
        levels: The number of values of one coordinate.

    Raises:
        ValueError: `levels` is below 2 or above 65,536, where float32 cannot tell cells apart.
    """
    checks.count(f"{name}: levels", levels, 2)
    checks.number(f"{name}: levels", levels, most=2**16)


def cells(outputs: jax.Array, levels: int) -> jax.Array:
    """Return the probabilities of all values by a softmax over a logit of 0 and the network's outputs.

    Args:
        outputs: The logits of all values but the first, `(..., c (levels - 1))`.
        levels: How many values there are.

    Returns:
        Probabilities `(levels, ..., c)`, each at least `MIN_MASS`.
    """
    return jnp.moveaxis(_cells(outputs, levels), -1, 0)


def _cells(outputs: jax.Array, levels: int) -> jax.Array:
    """The probabilities with the levels in the last axis `(..., c, levels)`, where sums over them read memory in order."""
    logits = outputs.reshape(*outputs.shape[:-1], -1, levels - 1)
    softmax = jax.nn.softmax(jnp.concatenate([jnp.zeros_like(logits[..., :1]), logits], -1), -1)
    return (1 - levels * MIN_MASS) * softmax + MIN_MASS


def value_in(p: jax.Array, u: jax.Array) -> jax.Array:
    """Return the values whose cells the uniform numbers `u` fall into: the inverse distribution function.

    Args:
        p: Probabilities `(levels, *event)`.
        u: Uniform numbers `(*event)` in [0, 1).

    Returns:
        Values `(*event)`.
    """
    upper = jnp.cumsum(jnp.moveaxis(p, 0, -1), -1)
    return jnp.sum(u[..., None] >= upper[..., :-1], -1).astype(u.dtype)


def middle(outputs: jax.Array, x: jax.Array, levels: int) -> tuple[jax.Array, jax.Array]:
    """Return the middles of the cells of `x` and the log of the cells' volume.

    Args:
        outputs: The network's logits, as `cells` takes them.
        x: Values `(*event)`.
        levels: How many values there are.

    Returns:
        The middles `(*event)`, and the log-volume summed over the event, -inf if a number of `x` is no value.
    """
    k = _known(x, levels)[1].astype(jnp.int32)[..., None]
    # The sums that `value_in` takes, so that the edges are rounded alike.
    upper = jnp.cumsum(_cells(outputs, levels), -1).reshape(*x.shape, levels)
    level = jax.lax.broadcasted_iota(jnp.int32, upper.shape, x.ndim)
    edges = jnp.where(level == k, upper, 0) + jnp.where(level == k - 1, upper, 0)
    # The last edge may round to more than 1, where the base has no mass.
    u = jnp.minimum(0.5 * jnp.sum(edges, -1), 1 - jnp.finfo(x.dtype).epsneg)
    return u, log_likelihood_of(outputs, x, levels)


def log_likelihood_of(outputs: jax.Array, x: jax.Array, levels: int) -> jax.Array:
    """Return the log probability of the values `x`, from logits and without the probabilities of other values.

    Args:
        outputs: The network's logits, as `cells` takes them.
        x: Values `(*event)`.
        levels: How many values there are.

    Returns:
        The log of the cells' volume summed over the event, -inf if a number of `x` is no value.

    >>> log_likelihood_of(jnp.zeros(3), jnp.asarray([0.0, 1.0, 1.0]), 2).tolist() / jnp.log(0.5)
    Array(3., dtype=float32, weak_type=True)
    """
    known, k = _known(x, levels)
    logits = outputs.reshape(*x.shape, levels - 1)
    total = jnp.logaddexp(0.0, logits[..., 0] if levels == 2 else jax.nn.logsumexp(logits, -1))
    here = jax.lax.broadcasted_iota(jnp.int32, logits.shape, x.ndim) + 1 == k.astype(jnp.int32)[..., None]
    mass = (1 - levels * MIN_MASS) * jnp.exp(jnp.sum(jnp.where(here, logits, 0), -1) - total) + MIN_MASS
    return jnp.where(jnp.all(known), jnp.sum(jnp.log(mass)), -jnp.inf)


def _known(x: jax.Array, levels: int) -> tuple[jax.Array, jax.Array]:
    """Return which numbers are values, and the values, 0 in place of the others."""
    known = (x >= 0) & (x < levels) & (x == jnp.floor(x))
    return known, jnp.where(known, x, 0)


def mean_of(p: jax.Array) -> jax.Array:
    """Return the expected values `(*event)` of probabilities `(levels, *event)`."""
    return jnp.tensordot(jnp.arange(p.shape[0], dtype=p.dtype), p, 1)


def centred(x: jax.Array, levels: int) -> jax.Array:
    """Scale values to [-1, 1], the range that networks read best.

    Args:
        x: Values 0 ... levels - 1, of any shape.
        levels: The number of values.

    Returns:
        Numbers in [-1, 1], shaped as `x`.
    """
    return 2 * x / (levels - 1) - 1
