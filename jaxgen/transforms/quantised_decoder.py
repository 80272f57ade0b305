"""Codes from a learned book in front of a decoder of discrete events: the transform of a vector-quantised autoencoder."""

import dataclasses

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.transform import Density, Hooks, Maps, Part, Preimage, Space, Transform
from jaxgen.transforms.discrete_decoder import cells, centred, check_levels, mean_of, middle, value_in
from jaxgen.types import Cond, Event, Key, Noise, Params


def quantised_decoder(decoder: Net, encoder: Net, num_codes: int, code_dim: int, levels: int = 2) -> Transform:
    """Build the transform of a vector-quantised autoencoder: a book's vectors of M codes are decoded to a discrete event.

    The noise is `{"codes": (M,) whole numbers below num_codes, "noise": uniform}`. `inverse` takes the nearest code for each of the M
    vectors that the encoder gives, and the middle of each pixel's cell, so `log_det = log p(x | codes)` without a key. Every x has other
    codes that give it some probability, so this is a lower bound. The codes need a distribution, put in front as a transform:
    `chain(on("codes", prior), quantised_decoder(...))`.

    The gradient of `inverse` passes the choice of a code straight through to the encoder and does not reach the book. The part
    `quantisation_error` moves the book towards the vectors and the vectors towards the book.

    Args:
        decoder: The network from the codes' vectors `(M code_dim,)` to logits, as for `discrete_decoder`.
        encoder: The network from the event, scaled to [-1, 1], to vectors `(M code_dim,)`.
        num_codes: How many codes the book has.
        code_dim: The size of a code's vector.
        levels: How many values a pixel has. Events hold whole numbers 0.0 ... levels - 1.

    Returns:
        A LOWER_BOUND transform whose params are `{"book": (num_codes, code_dim), "decoder", "encoder"}`. Its parts are
        `codes(params, x, cond=None) -> (M,)` and `quantisation_error(params, x, cond=None) -> (book, commitment)`, the squared distances
        between vectors and codes summed. Its hook `data_init` sets the book to vectors of a batch, so that no code starts out of reach.

    Raises:
        ValueError: `num_codes` is below 2, `code_dim` is below 1, or `levels` is out of range.

    Source: arXiv 1711.00937, equations 1 to 3.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> f = transforms.quantised_decoder(nets.mlp(3, width=4, depth=1), nets.mlp(2 * 2, width=4, depth=1), num_codes=4, code_dim=2)
    >>> params = f.init(jax.random.key(0), {"codes": jnp.zeros(2), "noise": jnp.zeros(3)})
    >>> f.parts["codes"](params, jnp.zeros(3)).shape
    (2,)
    """
    check_levels("quantised_decoder", levels)
    checks.count("quantised_decoder: num_codes", num_codes, 2)
    checks.count("quantised_decoder: code_dim", code_dim)
    quantised = _Quantised(decoder, encoder, num_codes, code_dim, levels)
    parts = {"codes": Part(quantised.codes, Space.DATA), "quantisation_error": Part(quantised.quantisation_error, Space.DATA)}
    hooks = Hooks(quantised.stages, nfe=lambda params, z, cond=None: 1, data_init=quantised.data_init)
    return Transform(quantised.init, Maps(quantised.forward, quantised.inverse), Density.LOWER_BOUND, hooks=hooks, parts=parts)


@dataclasses.dataclass(frozen=True)
class _Quantised:
    """The networks and sizes of a quantised autoencoder, and its maps."""

    decoder: Net
    encoder: Net
    num_codes: int
    code_dim: int
    levels: int

    def init(self, key: Key, z: Noise, /, cond: Cond = None) -> Params:
        keys, dtype = jax.random.split(key, 3), z["noise"].dtype
        return {
            "book": jax.random.normal(keys[0], (self.num_codes, self.code_dim), dtype),
            "decoder": self.decoder.init(keys[1], jnp.zeros((z["codes"].shape[0] * self.code_dim,), dtype), cond),
            "encoder": self.encoder.init(keys[2], z["noise"], cond),
        }

    def forward(self, params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return value_in(self.of_codes(params, z["codes"], cond), z["noise"])

    def inverse(self, params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        vectors = self.vectors(params, x, cond)
        k = _nearest(params["book"], vectors)
        # The value is the book's vector, the gradient passes to the encoder's.
        straight_through = vectors + jax.lax.stop_gradient(_looked_up(params["book"], k) - vectors)
        noise, log_likelihood = middle(self.logits(params, straight_through, cond), x, self.levels)
        return Preimage({"codes": k.astype(x.dtype), "noise": noise}, log_likelihood)

    def stages(self, params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        return jnp.stack([mean_of(self.of_codes(params, z["codes"], cond)), self.forward(params, z, cond)])

    def data_init(self, params: Params, x: Event, /, cond: Cond = None, keys: Key | None = None) -> tuple[Params, Noise]:
        if keys is None:
            raise ValueError(
                "quantised_decoder.data_init: keys=None; accepted: a key for each event, because the book is drawn from vectors."
            )
        vectors = jax.vmap(lambda x, c: self.vectors(params, x, c))(x, cond).reshape(-1, self.code_dim)
        params = {**params, "book": _some_of(vectors, params["book"].shape[0], keys[0])}
        return params, jax.vmap(lambda x, c: self.inverse(params, x, c).z)(x, cond)

    def codes(self, params: Params, x: Event, /, cond: Cond = None) -> jax.Array:
        """Return the codes `(M,)` of an event."""
        return _nearest(params["book"], self.vectors(params, x, cond))

    def quantisation_error(self, params: Params, x: Event, /, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        """Return the summed squared distances of vectors and codes, once with a gradient for the book and once for the encoder."""
        vectors = self.vectors(params, x, cond)
        nearest = _looked_up(params["book"], _nearest(params["book"], vectors))
        return jnp.sum((jax.lax.stop_gradient(vectors) - nearest) ** 2), jnp.sum((vectors - jax.lax.stop_gradient(nearest)) ** 2)

    def vectors(self, params: Params, x: Event, cond: Cond) -> jax.Array:
        """Return the encoder's vectors `(M, code_dim)` of an event."""
        return self.encoder.apply(params["encoder"], centred(x, self.levels), cond).reshape(-1, self.code_dim)

    def logits(self, params: Params, vectors: jax.Array, cond: Cond) -> jax.Array:
        """Return the logits of the pixels given vectors `(M, code_dim)`."""
        return self.decoder.apply(params["decoder"], vectors.ravel(), cond)

    def of_codes(self, params: Params, codes: jax.Array, cond: Cond) -> jax.Array:
        """Return the probabilities of the pixels given codes `(M,)`."""
        return cells(self.logits(params, _looked_up(params["book"], codes.astype(jnp.int32)), cond), self.levels)


def _nearest(book: jax.Array, vectors: jax.Array) -> jax.Array:
    """Return the codes `(M,)` whose vectors are nearest to `vectors` `(M, code_dim)`."""
    return jnp.argmin(jnp.sum(book**2, 1)[None] - 2 * vectors @ book.T, 1)


def _looked_up(book: jax.Array, k: jax.Array) -> jax.Array:
    return jax.nn.one_hot(k, book.shape[0], dtype=book.dtype) @ book


def _some_of(vectors: jax.Array, num: int, key: Key) -> jax.Array:
    """Return `num` of the vectors in random order, again from the first if there are fewer."""
    order = jax.random.permutation(key, vectors.shape[0])
    return vectors[order[jnp.arange(num) % vectors.shape[0]]]
