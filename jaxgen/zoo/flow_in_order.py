"""Normalizing flows in the order of the coordinates: autoregressive transforms beside the masked affine one of `flow`."""

from jaxgen.bases import normal
from jaxgen.training import Entry
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
from jaxgen.zoo.flow import FLOW
from jaxgen.zoo.forms import vector
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import likelihood
from jaxgen.zoo.registry import register


@register(FLOW, vector(width=64, depth=2, growth=0.5, small={"num_layers": 2}), compared=False)
def iaf(nets: Nets, *, num_layers: int = 4, learning_rate: float = 3e-3) -> Entry:
    """Stack the layers of `maf` run the other way, so that sampling takes one pass.

    Args:
        num_layers: How many layers there are.

    Source: arXiv 1606.04934.
    """
    return _layers(nets, inverse_autoregressive(scale_and_shift(), nets.made(2)), num_layers, learning_rate)


@register(FLOW, vector(width=64, depth=2, growth=0.5, small={"num_layers": 2, "num_bins": 8}), compared=False)
def nsf_ar(nets: Nets, *, num_layers: int = 4, num_bins: int = 8, bound: float = 5.0, learning_rate: float = 3e-3) -> Entry:
    """Stack rational-quadratic splines of each coordinate, given the coordinates before it.

    Args:
        num_layers: How many layers there are.
        num_bins: Bins of a spline.
        bound: A spline bends [-bound, bound] and leaves what lies beyond as it is.

    Source: arXiv 1906.04032.
    """
    scalar = rational_quadratic(num_bins, bound)
    return _layers(nets, autoregressive(scalar, nets.made(scalar.num_params)), num_layers, learning_rate)


@register(FLOW, vector(width=64, depth=2, growth=0.5, small={"num_layers": 2, "num_units": 3}), compared=False)
def naf(nets: Nets, *, num_layers: int = 2, num_units: int = 8, learning_rate: float = 2e-3) -> Entry:
    """Stack monotone networks of each coordinate, given the coordinates before it.

    Args:
        num_layers: How many layers there are.
        num_units: Units of a hidden layer of a monotone network.

    Source: arXiv 1804.00779.
    """
    scalar = deep_sigmoidal(num_units, 2)
    return _layers(nets, autoregressive(scalar, nets.made(scalar.num_params)), num_layers, learning_rate)


@register(FLOW, vector(width=16, depth=2, growth=-0.5, small={"width": 4, "num_layers": 2}), compared=False)
def bnaf(nets: Nets, *, num_layers: int = 2, learning_rate: float = 3e-3) -> Entry:
    """Stack block neural autoregressive layers; here `width` counts the units of each coordinate.

    Args:
        num_layers: How many layers there are.

    Source: arXiv 1904.04676.
    """
    return _layers(nets, block_autoregressive(nets.units, nets.depth), num_layers, learning_rate)


def _layers(nets: Nets, layer: Transform, num_layers: int, learning_rate: float) -> Entry:
    layers = repeat(chain(layer, flip()), num_layers)
    return likelihood(normal(nets.event), layers, learning_rate, by_rows=True)
