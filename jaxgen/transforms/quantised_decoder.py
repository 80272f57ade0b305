"""Codes from a learned book in front of a decoder of discrete events: the transform of a vector-quantised autoencoder."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.discrete_decoder import cells, centred, check_levels, mean_of, middle, value_in


def quantised_decoder(decoder: Net, encoder: Net, num_codes: int, code_dim: int, levels: int = 2) -> Transform:
    """`x` from the noise `{"codes": (M,) whole numbers below num_codes, "noise": uniform}`: the book's vectors of the codes, decoded.

    `inverse` takes for each of the M vectors that the encoder gives the nearest code (arXiv 1711.00937, eq. 1-2), and the middle of each
    pixel's cell: `log_det = log p(x | codes)`, no key. Every x has other codes that give it some probability, so the density is a LOWER_BOUND.
    The codes want a distribution of their own in front: `chain(on("codes", prior), quantised_decoder(...))`.

    The gradient of `inverse` passes the choice of a code straight through to the encoder, and does not reach the book (eq. 3); the part
    `quantisation_error (params, x, cond) -> (book, commitment)`, the squared distances of vectors and their codes summed, is what moves
    the book towards the vectors and holds the vectors to the book.

    `decoder` maps the vectors `(M code_dim,)` to logits as in `discrete_decoder`, `encoder` the event scaled to [-1, 1] to `(M code_dim,)`.
    params: `{"book": (num_codes, code_dim), "decoder", "encoder"}`. parts: `codes (params, x, cond) -> (M,)` and `data_init`, which sets the
    book to vectors of a batch, so that no code starts out of reach.
    Raises ValueError for fewer than two codes, a `code_dim` below 1, or too few levels.
    """
    check_levels("quantised_decoder", levels)
    checks.count("quantised_decoder: num_codes", num_codes, 2)
    checks.count("quantised_decoder: code_dim", code_dim)

    nets = _Networks(decoder, encoder, code_dim, levels)

    def init(key: jax.Array, z: Any, cond: Any = None) -> Any:
        keys = jax.random.split(key, 3)
        return {
            "book": jax.random.normal(keys[0], (num_codes, code_dim), z["noise"].dtype),
            "decoder": decoder.init(keys[1], jnp.zeros((z["codes"].shape[0] * code_dim,), z["noise"].dtype), cond),
            "encoder": encoder.init(keys[2], z["noise"], cond),
        }

    def forward(params: Any, z: Any, cond: Any = None) -> jax.Array:
        return value_in(nets.of_codes(params, z["codes"], cond), z["noise"])

    def stages(params: Any, z: Any, cond: Any = None) -> jax.Array:
        return jnp.stack([mean_of(nets.of_codes(params, z["codes"], cond)), forward(params, z, cond)])

    def codes(params: Any, x: jax.Array, cond: Any = None) -> jax.Array:
        return _nearest(params["book"], nets.vectors(params, x, cond))

    error, from_data = functools.partial(_quantisation_error, nets), functools.partial(_data_init, nets)
    parts = {"codes": codes, "quantisation_error": error, "data_init": from_data, "stages": stages}
    inverse = functools.partial(_inverse, nets)
    return Transform(init, forward, inverse, None, Density.LOWER_BOUND, {**parts, "nfe": lambda params, z, cond=None: 1})


class _Networks(NamedTuple):
    """Both ways between events and vectors; the functions below that take it first are the transform's."""

    decoder: Net
    encoder: Net
    code_dim: int
    levels: int

    def vectors(self, params: Any, x: jax.Array, cond: Any) -> jax.Array:
        """`(M, code_dim)` of an event."""
        return self.encoder.apply(params["encoder"], centred(x, self.levels), cond).reshape(-1, self.code_dim)

    def decode(self, params: Any, v: jax.Array, cond: Any = None) -> jax.Array:
        """The probabilities of the pixels given vectors `(M, code_dim)`."""
        return cells(self.decoder.apply(params["decoder"], v.ravel(), cond), self.levels)

    def of_codes(self, params: Any, codes: jax.Array, cond: Any) -> jax.Array:
        """The probabilities of the pixels given codes `(M,)`."""
        return self.decode(params, _looked_up(params["book"], codes.astype(jnp.int32)), cond)


def _inverse(nets: _Networks, params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
    e = nets.vectors(params, x, cond)
    k = _nearest(params["book"], e)
    noise, log_likelihood = middle(nets.decode(params, e + jax.lax.stop_gradient(_looked_up(params["book"], k) - e), cond), x)
    return Preimage({"codes": k.astype(x.dtype), "noise": noise}, log_likelihood)


def _quantisation_error(nets: _Networks, params: Any, x: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
    e = nets.vectors(params, x, cond)
    book = _looked_up(params["book"], _nearest(params["book"], e))
    return jnp.sum((jax.lax.stop_gradient(e) - book) ** 2), jnp.sum((e - jax.lax.stop_gradient(book)) ** 2)


def _data_init(nets: _Networks, params: Any, x: jax.Array, cond: Any = None, keys: Any = None) -> tuple[Any, Any]:
    found = jax.vmap(lambda x, c: nets.vectors(params, x, c))(x, cond).reshape(-1, nets.code_dim)
    params = {**params, "book": _some_of(found, params["book"].shape[0], keys[0])}
    return params, jax.vmap(lambda x, c: _inverse(nets, params, x, c).z)(x, cond)


def _nearest(book: jax.Array, e: jax.Array) -> jax.Array:
    """The code, `(M,)`, whose vector is nearest to each of `e` `(M, code_dim)`."""
    return jnp.argmin(jnp.sum(book**2, 1)[None] - 2 * e @ book.T, 1)


def _looked_up(book: jax.Array, k: jax.Array) -> jax.Array:
    return jax.nn.one_hot(k, book.shape[0], dtype=book.dtype) @ book


def _some_of(vectors: jax.Array, num: int, key: jax.Array) -> jax.Array:
    """`num` of the vectors in random order, again from the first where there are fewer."""
    order = jax.random.permutation(key, vectors.shape[0])
    return vectors[order[jnp.arange(num) % vectors.shape[0]]]
