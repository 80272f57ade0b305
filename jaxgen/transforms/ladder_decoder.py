"""A hierarchy of latents, drawn from the top down, in front of a decoder of discrete events: the ladder variational autoencoder."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.transform import Density, Hooks, Maps, Part, Preimage, Space, Transform, require_key
from jaxgen.transforms.discrete_decoder import cells, centred, check_levels, log_likelihood_of, mean_of, middle, value_in
from jaxgen.transforms.posterior import divergence, draw, halves
from jaxgen.types import Cond, Event, Key, Noise, Params


class Rung(NamedTuple):
    """The networks of one level of the hierarchy; every level has the same networks with params of its own.

    Attributes:
        prior: From the state `(w,)` to mean and log standard deviation of p(z_l | z_<l), `(2 L,)`.
        posterior: From the state and the encoder's features `(w + f,)` to mean and log standard deviation of q(z_l | z_<l, x) in the
            prior's units, `(2 L,)`.
        merge: From the state and the latent `(w + L,)` to what the latent adds to the state, `(w,)`.
    """

    prior: Net
    posterior: Net
    merge: Net


def ladder_decoder(rung: Rung, decoder: Net, encoder: Net, width: int, levels: int = 2) -> Transform:
    """Build a ladder variational autoencoder: S latents in turn change one state, which is decoded to a discrete event.

    The noise is `{"latent": (S, L) Gaussian, "noise": uniform}`. Level l sets `z_l = mu_l(h) + sigma_l(h) latent_l` and adds
    `merge(h, z_l)` to the state h. `inverse` goes down the same way and draws each latent given the state and the encoder's features of
    x. The posterior is a Gaussian in the units of the prior, which are the units of the noise, so that `log_q` and the divergence from the
    base's N(0, I) are those of the noise. Pixels are cells of uniform noise, as in `discrete_decoder`.

    Args:
        rung: The networks of a level.
        decoder: The network from the state `(width,)` to logits, as for `discrete_decoder`.
        encoder: The network from the event, scaled to [-1, 1], to features `(f,)`.
        width: The size of the state.
        levels: How many values a pixel has. Events hold whole numbers 0.0 ... levels - 1.

    Returns:
        A LOWER_BOUND transform with `log_det = log p(x | z)`. Its params are `{"start", "rungs", "decoder", "encoder"}`; those of the rungs
        are stacked. Its parts are `decode(params, z, cond=None) -> (levels, *event)` for latents `(S, L)`, and
        `distortion_and_rate(params, x, *, cond=None, key)`, as in `discrete_decoder`.

    Raises:
        ValueError: `width` or `levels` is out of range, or `inverse` is called without a key.

    Source: arXiv 1602.02282; top-down as in arXiv 2011.10650; the posterior's units, arXiv 2007.03898, section 3.2.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> net = lambda out: nets.mlp(out, width=4, depth=1)
    >>> f = transforms.ladder_decoder(transforms.Rung(net(2), net(2), net(3)), net(5), net(4), width=3)
    >>> z = {"latent": jnp.zeros((2, 1)), "noise": jnp.zeros(5)}
    >>> f.forward(f.init(jax.random.key(0), z), z).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0]
    """
    checks.count("ladder_decoder: width", width)
    check_levels("ladder_decoder", levels)
    ladder = _Ladder(rung, decoder, encoder, width, levels)
    parts = {"decode": Part(ladder.decode, Space.STATE), "distortion_and_rate": Part(ladder.distortion_and_rate, Space.DATA)}
    hooks = Hooks(ladder.stages, nfe=lambda params, z, cond=None: 1)
    return Transform(ladder.init, Maps(ladder.forward, ladder.inverse), Density.LOWER_BOUND, hooks=hooks, parts=parts)


@dataclasses.dataclass(frozen=True)
class _Ladder:
    """The networks and sizes of a hierarchy, and its maps."""

    rung: Rung
    decoder: Net
    encoder: Net
    width: int
    levels: int

    def init(self, key: Key, z: Noise, /, cond: Cond = None) -> Params:
        key_decoder, key_encoder, key_rungs = jax.random.split(key, 3)
        latent, start = z["latent"], jnp.zeros((self.width,), z["latent"].dtype)
        encoder = self.encoder.init(key_encoder, z["noise"], cond)
        features = self.encoder.apply(encoder, z["noise"], cond)

        def rung(key: Key) -> Params:
            k = jax.random.split(key, 3)
            return {
                "prior": self.rung.prior.init(k[0], start, cond),
                "posterior": self.rung.posterior.init(k[1], jnp.concatenate([start, features]), cond),
                "merge": self.rung.merge.init(k[2], jnp.concatenate([start, latent[0]]), cond),
            }

        rungs = jax.vmap(rung)(jax.random.split(key_rungs, latent.shape[0]))
        return {"start": start, "rungs": rungs, "decoder": self.decoder.init(key_decoder, start, cond), "encoder": encoder}

    def forward(self, params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return value_in(self.decode(params, z["latent"], cond), z["noise"])

    def inverse(self, params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        latent, log_q, _, logits = self.descend(params, x, cond, require_key("ladder_decoder", key, "the latents are drawn from q(z | x)"))
        noise, log_likelihood = middle(logits, x, self.levels)
        return Preimage({"latent": latent, "noise": noise}, log_likelihood, log_q)

    def distortion_and_rate(self, params: Params, x: Event, /, *, cond: Cond = None, key: Key) -> tuple[jax.Array, jax.Array]:
        """Return a draw of `-log p(x | z)` and of the divergences from the prior."""
        _, _, rate, logits = self.descend(params, x, cond, key)
        return -log_likelihood_of(logits, x, self.levels), rate

    def stages(self, params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        return jnp.stack([mean_of(self.decode(params, z["latent"], cond)), self.forward(params, z, cond)])

    def decode(self, params: Params, latent: jax.Array, /, cond: Cond = None) -> jax.Array:
        """Return the probabilities of the pixels given all latents `(S, L)`."""

        def down(h: jax.Array, rung_and_noise: tuple[Params, jax.Array]) -> tuple[jax.Array, None]:
            p, noise = rung_and_noise
            return self.step(p, h, noise, cond), None

        h = jax.lax.scan(down, params["start"], (params["rungs"], latent))[0]
        return cells(self.decoder.apply(params["decoder"], h, cond), self.levels)

    def descend(self, params: Params, x: Event, cond: Cond, key: Key) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """Return latents `(S, L)`, their log density, their divergence from the prior, and the logits of the pixels."""
        features = self.encoder.apply(params["encoder"], centred(x, self.levels), cond)

        def down(h: jax.Array, rung_and_key: tuple[Params, Key]) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
            p, k = rung_and_key
            posterior = halves(self.rung.posterior.apply(p["posterior"], jnp.concatenate([h, features]), cond))
            noise, log_q = draw(k, *posterior)
            return self.step(p, h, noise, cond), (noise, log_q, divergence(*posterior))

        num_rungs = jax.tree.leaves(params["rungs"])[0].shape[0]
        keys = jax.random.split(key, num_rungs)
        h, (latent, log_q, rate) = jax.lax.scan(down, params["start"], (params["rungs"], keys))
        return latent, jnp.sum(log_q), jnp.sum(rate), self.decoder.apply(params["decoder"], h, cond)

    def step(self, p: Params, h: jax.Array, noise: jax.Array, cond: Cond) -> jax.Array:
        """Return the state after one level, whose latent is `noise` in the units of the prior."""
        mean, log_scale = halves(self.rung.prior.apply(p["prior"], h, cond))
        return h + self.rung.merge.apply(p["merge"], jnp.concatenate([h, mean + jnp.exp(log_scale) * noise]), cond)
