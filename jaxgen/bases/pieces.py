"""A base as pieces, each of which is a continuous image of one standard Gaussian vector.

Isoperimetry is a statement about a Gaussian. Uniform and logistic noise are therefore composed with their maps from one, joint noise is one
longer vector, and each component of a mixture is a piece of its own.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, ndtr

from jaxgen.bases.pretrained import _Pretrained
from jaxgen.bases.standard import _Independent, _Joint
from jaxgen.model import Base
from jaxgen.types import Noise

MOST = 256
"""The number of pieces beyond which a joint of mixtures is refused."""


class Piece(NamedTuple):
    """Hold one piece of a base.

    Attributes:
        weight: The probability of the piece.
        size: The number k of coordinates of its Gaussian vector.
        noise: The continuous map from a standard Gaussian vector `(k,)` to one draw of the piece.
    """

    weight: float
    size: int
    noise: Callable[[jax.Array], Noise]


def pieces(base: Base) -> tuple[Piece, ...]:
    """Split a base into pieces that are continuous images of one standard Gaussian vector each.

    Args:
        base: A Gaussian, uniform or logistic base, a mixture of Gaussians, a trained model, or a joint of such bases.

    Returns:
        The pieces, whose weights sum to one: one for each component of a mixture, and a single one for all other bases.

    Raises:
        ValueError: The base is of another kind, or a joint has more than 256 pieces.

    >>> import jaxgen
    >>> base = jaxgen.bases.joint({"a": jaxgen.bases.normal((2,)), "b": jaxgen.bases.uniform((3,))})
    >>> [(piece.weight, piece.size) for piece in jaxgen.bases.pieces(base)]
    [(1.0, 5)]
    >>> [piece.weight for piece in jaxgen.bases.pieces(jaxgen.bases.gaussian_mixture([1.0, 3.0], [[0.0], [1.0]], 1.0))]
    [0.25, 0.75]
    """
    if isinstance(base, _Joint):
        return _of_joint({name: pieces(leaf) for name, leaf in base.bases.items()})
    if isinstance(base, _Pretrained):
        return tuple(Piece(p.weight, p.size, _pushed(base, p)) for p in pieces(base.model.base))
    if isinstance(base, _Independent) and base.family in _MAPS:
        return (Piece(1.0, math.prod(base.shape), _elementwise(base)),)
    return _of_distrax(base)


def _of_distrax(base: Base) -> tuple[Piece, ...]:
    # It takes long to import, and only bases that were made with it get here.
    import distrax

    from jaxgen.bases.mixture import GaussianMixture

    of: Any = base
    if isinstance(base, GaussianMixture):
        return _of_mixture(base)
    if isinstance(base, distrax.Independent) and isinstance(of.distribution, distrax.Normal):
        normal = of.distribution
        return (_gaussian(1.0, np.asarray(normal.loc), lambda e: jnp.asarray(normal.scale, e.dtype) * e),)
    if isinstance(base, distrax.MultivariateNormalTri):
        return (_gaussian(1.0, np.asarray(of.loc), lambda e: jnp.asarray(of.scale_tri, e.dtype) @ e),)
    raise ValueError(
        f"pieces: base=<{type(base).__name__}>; accepted: a Gaussian, uniform or logistic base, a mixture of Gaussians, a trained model, "
        "or a joint of these."
    )


def _logistic(eps: jax.Array) -> jax.Array:
    return log_ndtr(eps) - log_ndtr(-eps)


def _uniform(eps: jax.Array) -> jax.Array:
    # A uniform number lies in [0, 1), but the distribution function of a large number rounds to 1.
    return jnp.minimum(ndtr(eps), 1 - jnp.finfo(eps.dtype).epsneg)


_MAPS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "Normal": lambda eps: eps,
    "Uniform": _uniform,
    "Logistic": _logistic,
}


def _elementwise(base: _Independent) -> Callable[[jax.Array], jax.Array]:
    if base.family == "Uniform":
        low, high = base.loc, base.scale
        return lambda eps: low + (high - low) * _uniform(eps.reshape(base.shape))
    return lambda eps: base.loc + base.scale * _MAPS[base.family](eps.reshape(base.shape))


def _gaussian(weight: float, loc: np.ndarray, spread: Callable[[jax.Array], jax.Array]) -> Piece:
    return Piece(weight, loc.size, lambda eps: jnp.asarray(loc, eps.dtype) + spread(eps.reshape(loc.shape)))


def _of_mixture(base: Any) -> tuple[Piece, ...]:
    # scipy is imported where it is used: `import jaxgen` and what builds a model would pay for it in each process.
    from scipy.special import softmax

    components, mixture = base.components_distribution, base.mixture_distribution
    # In NumPy, because a piece is also taken inside a traced program.
    weights = softmax(np.asarray(mixture.logits, np.float64))
    locs, scales = np.asarray(components.distribution.loc), np.asarray(components.distribution.scale)

    def component(k: int) -> Piece:
        return _gaussian(float(weights[k]), locs[k], lambda eps: jnp.asarray(scales[k], eps.dtype) * eps)

    return tuple(component(k) for k in range(len(weights)))


def _of_joint(leaves: dict[str, tuple[Piece, ...]]) -> tuple[Piece, ...]:
    num = math.prod(len(choices) for choices in leaves.values())
    if num > MOST:
        raise ValueError(f"pieces: base=a joint of {num} pieces; accepted: at most {MOST}.")
    return tuple(_side_by_side(dict(zip(leaves, choice, strict=True))) for choice in itertools.product(*leaves.values()))


def _side_by_side(leaves: dict[str, Piece]) -> Piece:
    starts = np.cumsum([0, *(piece.size for piece in leaves.values())])

    def noise(eps: jax.Array) -> Noise:
        return {name: piece.noise(eps[start : start + piece.size]) for (name, piece), start in zip(leaves.items(), starts, strict=False)}

    return Piece(math.prod(piece.weight for piece in leaves.values()), int(starts[-1]), noise)


def _pushed(base: _Pretrained, piece: Piece) -> Callable[[jax.Array], Noise]:
    return lambda eps: base.model.transform.forward(base.params, piece.noise(eps), base.cond)
