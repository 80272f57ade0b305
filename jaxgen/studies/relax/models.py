"""One map of noise to data with more and less of invertibility: six kinds, each at a width that gives it the same number of parameters."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.bases import joint, normal, uniform
from jaxgen.model import Model
from jaxgen.nets import Net, lipschitz_mlp, mlp
from jaxgen.transform import Maps, Transform
from jaxgen.transforms import alternating, chain, diagonal_affine, generator, invert, repeat, residual, scale_and_shift
from jaxgen.types import Cond, Event, Key, Noise, Params
from jaxgen.zoo.sizing import width_for

COUPLING, AUGMENTED, INDEX = "coupling", "augmented coupling", "indexed coupling"
BOUNDED, FREE, GENERATOR = "residual, bounded", "residual, free", "free generator"
LAYERS, BLOCKS, NUM_INDICES = 6, 4, 8


def couplings(width: int) -> Transform:
    """Return affine couplings that take turns, with networks of that width."""
    return alternating(scale_and_shift(), lambda outputs: mlp(outputs, width=width, depth=2, zero_last=True), LAYERS)


def _strict(d: int, width: int) -> Model:
    return Model(normal((d,)), couplings(width))


def _augmented(d: int, width: int) -> Model:
    return Model(normal((2 * d,)), chain(couplings(width), _first(d)))


def _indexed(d: int, width: int) -> Model:
    return Model(joint({"index": uniform(()), "value": normal((d,))}), indexed(couplings(width), NUM_INDICES))


def _residual_bounded(d: int, width: int) -> Model:
    block = invert(residual(lipschitz_mlp(d, width=width, depth=2, lipschitz=0.9), lipschitz=0.9))
    return Model(normal((d,)), chain(repeat(block, BLOCKS), diagonal_affine()))


def _residual_free(d: int, width: int) -> Model:
    net = mlp(d, width=width, depth=2, zero_last=True)
    step = Net(net.init, lambda params, z, cond=None: z + net.apply(params, z, cond))
    return Model(normal((d,)), chain(repeat(generator(step), BLOCKS), diagonal_affine()))


def _generator(d: int, width: int) -> Model:
    return Model(normal((d,)), generator(mlp(d, width=width, depth=3)))


KINDS: dict[str, Callable[[int, int], Model]] = {
    COUPLING: _strict,
    AUGMENTED: _augmented,
    INDEX: _indexed,
    BOUNDED: _residual_bounded,
    FREE: _residual_free,
    GENERATOR: _generator,
}
"""Functions `(dimension, width) -> model` by the name of the kind."""


def build(kind: str, d: int, num_params: int) -> Model:
    """Return the model of a kind whose sampling takes about a number of parameters.

    Args:
        kind: One of `KINDS`.
        d: The dimension of events.
        num_params: The number of parameters.

    >>> build(GENERATOR, 2, 5_000).transform
    Transform(implicit)
    """
    return KINDS[kind](d, _width(kind, d, num_params))


@functools.cache
def _width(kind: str, d: int, num_params: int) -> int:
    # Every width that is tried is traced, which costs seconds for a deep model, and all seeds ask for the same one.
    return width_for(lambda width: KINDS[kind](d, width), num_params, None)


def indexed(f: Transform, num: int) -> Transform:
    """Map each of `num` equal parts of a base by its own condition: a surjection from an index and a value to the event.

    Args:
        f: A transform that takes a condition `(num,)`, the index as a one-hot vector.
        num: The number of parts.

    Returns:
        An IMPLICIT transform of the noise `{"index": () in [0, 1), "value"}`, with the params of `f`.

    Source: arXiv 2007.02731, table 2, for surjections; arXiv 1903.07714 for flows with an index.

    >>> f = indexed(generator(Net(lambda key, z, cond: (), lambda params, z, cond: z + 10 * jnp.argmax(cond))), 4)
    >>> float(f.forward((), {"index": jnp.asarray(0.6), "value": jnp.asarray(1.0)}))
    21.0
    """

    def one_hot(index: jax.Array) -> jax.Array:
        return jax.nn.one_hot(jnp.floor(index * num).astype(jnp.int32), num, dtype=index.dtype)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        return f.init(key, z["value"], one_hot(z["index"]))

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return f.forward(params, z["value"], one_hot(z["index"]))

    return Transform(init, Maps(forward))


def _first(d: int) -> Transform:
    """Return the map that keeps the first d numbers; training by samples needs no density of the others."""
    return generator(Net(lambda key, z, cond=None: (), lambda params, z, cond=None: z[:d]))
