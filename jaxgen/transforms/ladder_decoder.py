"""A hierarchy of latents, drawn from the top down, in front of a decoder of discrete events: the ladder variational autoencoder."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.discrete_decoder import cells, centred, check_levels, mean_of, middle, value_in
from jaxgen.transforms.posterior import divergence, draw, halves
from jaxgen.transforms.surjections.contribution import require_key


class Rung(NamedTuple):
    """The networks of one level of the hierarchy, the same for all levels with parameters of their own, for a state of `(w,)`.

    prior:     `(w,) -> (2 L,)`, mean and log scale of p(z_l | z_<l).
    posterior: `(w + f,) -> (2 L,)`, of state and the encoder's features: where q(z_l | z_<l, x) lies in the prior's own units.
    merge:     `(w + L,) -> (w,)`, what the latent adds to the state.
    """

    prior: Net
    posterior: Net
    merge: Net


def ladder_decoder(rung: Rung, decoder: Net, encoder: Net, width: int, levels: int = 2) -> Transform:
    """`x` from the noise `{"latent": (S, L) Gaussian, "noise": uniform}`: S latents in turn change one state `(width,)`, which is decoded.

    `z_l = mu_l(h) + sigma_l(h) * latent_l`, `h <- h + merge(h, z_l)` (arXiv 1602.02282; top-down as in 2011.10650). `inverse` goes the same way
    down, each latent drawn given the state and the encoder's features of x. The posterior is a Gaussian in the units of the prior
    (arXiv 2007.03898, section 3.2), that is of the noise, so that `log_q` and the divergence from the base's N(0, I) are those of the
    noise and no scale of the prior enters. Pixels are `discrete_decoder`'s: `log_det = log p(x | z)`, LOWER_BOUND.

    `decoder` maps the state to logits, `encoder` the event scaled to [-1, 1] to features `(f,)`. params: `{"start", "rungs", "decoder",
    "encoder"}`, those of the rungs stacked. parts: `decode (params, z, cond) -> (levels, *event)` for latents `(S, L)`, `distortion_and_rate`.
    """
    check_levels("ladder_decoder", levels)
    ladder = _Ladder(rung, decoder, encoder, width, levels)
    decode = functools.partial(_decode, ladder)

    def forward(params: Any, z: Any, cond: Any = None) -> jax.Array:
        return value_in(decode(params, z["latent"], cond), z["noise"])

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        latent, log_q, _, p = _descend(ladder, params, x, cond, require_key("ladder_decoder", key))
        noise, log_likelihood = middle(p, x)
        return Preimage({"latent": latent, "noise": noise}, log_likelihood, log_q)

    def distortion_and_rate(params: Any, x: jax.Array, cond: Any, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        _, _, rate, p = _descend(ladder, params, x, cond, key)
        return -middle(p, x)[1], rate

    def stages(params: Any, z: Any, cond: Any = None) -> jax.Array:
        return jnp.stack([mean_of(decode(params, z["latent"], cond)), forward(params, z, cond)])

    parts = {"decode": decode, "distortion_and_rate": distortion_and_rate, "stages": stages, "nfe": lambda params, z, cond=None: 1}
    return Transform(functools.partial(_init, ladder), forward, inverse, None, Density.LOWER_BOUND, parts)


class _Ladder(NamedTuple):
    """The networks and sizes of a hierarchy; the functions below that take it first are the transform's."""

    rung: Rung
    decoder: Net
    encoder: Net
    width: int
    levels: int


def _init(ladder: _Ladder, key: jax.Array, z: Any, cond: Any = None) -> Any:
    key_decoder, key_encoder, key_rungs = jax.random.split(key, 3)
    latent, start = z["latent"], jnp.zeros((ladder.width,), z["latent"].dtype)
    encoded = ladder.encoder.init(key_encoder, z["noise"], cond)
    features = ladder.encoder.apply(encoded, z["noise"], cond)
    rung = ladder.rung

    def one(key: jax.Array) -> Any:
        k = jax.random.split(key, 3)
        return {
            "prior": rung.prior.init(k[0], start, cond),
            "posterior": rung.posterior.init(k[1], jnp.concatenate([start, features]), cond),
            "merge": rung.merge.init(k[2], jnp.concatenate([start, latent[0]]), cond),
        }

    rungs = jax.vmap(one)(jax.random.split(key_rungs, latent.shape[0]))
    return {"start": start, "rungs": rungs, "decoder": ladder.decoder.init(key_decoder, start, cond), "encoder": encoded}


def _step(rung: Rung, p: Any, h: jax.Array, noise: jax.Array, cond: Any) -> jax.Array:
    """The state after one level, whose latent is `noise` in the units of the prior."""
    mean, log_scale = halves(rung.prior.apply(p["prior"], h, cond))
    return h + rung.merge.apply(p["merge"], jnp.concatenate([h, mean + jnp.exp(log_scale) * noise]), cond)


def _decode(ladder: _Ladder, params: Any, latent: jax.Array, cond: Any = None) -> jax.Array:
    """The probabilities of the pixels given all latents `(S, L)`."""
    down = lambda h, at: (_step(ladder.rung, at[0], h, at[1], cond), None)
    h = jax.lax.scan(down, params["start"], (params["rungs"], latent))[0]
    return cells(ladder.decoder.apply(params["decoder"], h, cond), ladder.levels)


def _descend(ladder: _Ladder, params: Any, x: jax.Array, cond: Any, key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Latents `(S, L)`, their log density, the divergence from the prior, and the probabilities of the pixels."""
    features = ladder.encoder.apply(params["encoder"], centred(x, ladder.levels), cond)

    def down(h: jax.Array, at: Any) -> Any:
        p, k = at
        posterior = halves(ladder.rung.posterior.apply(p["posterior"], jnp.concatenate([h, features]), cond))
        noise, log_q = draw(k, *posterior)
        return _step(ladder.rung, p, h, noise, cond), (noise, log_q, divergence(*posterior))

    keys = jax.random.split(key, _count(params["rungs"]))
    h, (latent, log_q, rate) = jax.lax.scan(down, params["start"], (params["rungs"], keys))
    return latent, jnp.sum(log_q), jnp.sum(rate), cells(ladder.decoder.apply(params["decoder"], h, cond), ladder.levels)


def _count(stacked: Any) -> int:
    return jax.tree.leaves(stacked)[0].shape[0]
