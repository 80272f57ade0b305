"""Normalizing flows in the order of the coordinates: autoregressive transforms and their relatives, beside the masked affine one of `flow`."""

from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import made
from jaxgen.objectives import maximum_likelihood
from jaxgen.training import adam
from jaxgen.transform import Transform
from jaxgen.transforms import (
    autoregressive,
    block_autoregressive,
    chain,
    deep_sigmoidal,
    flip,
    inverse_autoregressive,
    rational_quadratic,
    repeat,
    scale_and_shift,
)
from jaxgen.zoo.registry import Recipe, register

FAMILY = "normalizing flow"


def _layers(dim: int, layer: Transform, num_layers: int, learning_rate: float) -> Recipe:
    model = Model(normal((dim,)), repeat(chain(layer, flip()), num_layers))
    return Recipe({"default": model}, maximum_likelihood(model), "maximum likelihood", adam(learning_rate))


@register(FAMILY, compared=False)
def iaf(dim: int, cond_dim: int | None, *, width: int = 64, depth: int = 2, num_layers: int = 4, learning_rate: float = 3e-3) -> Recipe:
    """Inverse autoregressive flow: the affine map of `maf` run the other way, so that sampling takes one pass (arXiv 1606.04934)."""
    layer = inverse_autoregressive(scale_and_shift(), made(2, width=width, depth=depth))
    return _layers(dim, layer, num_layers, learning_rate)


@register(FAMILY, compared=False)
def nsf_ar(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 64,
    depth: int = 2,
    num_layers: int = 4,
    num_bins: int = 8,
    bound: float = 5.0,
    learning_rate: float = 3e-3,
) -> Recipe:
    """Rational-quadratic splines, each coordinate given those before it (arXiv 1906.04032)."""
    scalar = rational_quadratic(num_bins, bound)
    return _layers(dim, autoregressive(scalar, made(scalar.num_params, width=width, depth=depth)), num_layers, learning_rate)


@register(FAMILY, compared=False)
def naf(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 64,
    depth: int = 2,
    num_layers: int = 2,
    num_units: int = 8,
    learning_rate: float = 2e-3,
) -> Recipe:
    """Neural autoregressive flow: a monotone network of each coordinate, given those before it (arXiv 1804.00779)."""
    scalar = deep_sigmoidal(num_units, 2)
    return _layers(dim, autoregressive(scalar, made(scalar.num_params, width=width, depth=depth)), num_layers, learning_rate)


@register(FAMILY, compared=False)
def bnaf(dim: int, cond_dim: int | None, *, width: int = 16, depth: int = 2, num_layers: int = 2, learning_rate: float = 3e-3) -> Recipe:
    """Block neural autoregressive flow, `width` units a coordinate in each hidden layer (arXiv 1904.04676)."""
    return _layers(dim, block_autoregressive(width, depth), num_layers, learning_rate)
