"""Normalizing flows: an invertible transform of Gaussian noise, trained by maximum likelihood."""

from jaxgen.bases import normal
from jaxgen.nets import Net
from jaxgen.numerics import fixed
from jaxgen.training import Entry, Style
from jaxgen.transform import Transform
from jaxgen.transforms import Scalar, alternating, autoregressive, chain, coupling, flip, rational_quadratic, repeat, scale_and_shift
from jaxgen.zoo.forms import vector
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import likelihood
from jaxgen.zoo.registry import Family, register
from jaxgen.zoo.velocity import velocity_flow

FLOW = Family(
    "normalizing flow",
    Style(
        "#3b82e0",
        "Invertible maps fold the noise step by step; the grid stretches but never tears, which is what makes the density exact.",
    ),
)


@register(FLOW, vector(width=48, depth=2, small={"num_layers": 2}))
def realnvp(nets: Nets, *, num_layers: int = 12, learning_rate: float = 3e-3) -> Entry:
    """Stack affine couplings.

    Args:
        num_layers: How many couplings there are.

    Source: arXiv 1605.08803.
    """
    return likelihood(normal(nets.event), _couplings(scale_and_shift(), nets, num_layers), learning_rate, by_rows=True)


@register(FLOW, vector(width=64, depth=2, small={"num_layers": 2, "num_bins": 8}))
def nsf(nets: Nets, *, num_layers: int = 4, num_bins: int = 8, bound: float = 5.0, learning_rate: float = 3e-3) -> Entry:
    """Stack couplings by rational-quadratic splines.

    Args:
        num_layers: How many couplings there are.
        num_bins: Bins of a spline.
        bound: A spline bends [-bound, bound] and leaves what lies beyond as it is.

    Source: arXiv 1906.04032.
    """
    layers = _couplings(rational_quadratic(num_bins, bound), nets, num_layers)
    return likelihood(normal(nets.event), layers, learning_rate, by_rows=True)


@register(FLOW, vector(width=64, depth=2, growth=0.5, small={"num_layers": 2}))
def maf(nets: Nets, *, num_layers: int = 12, learning_rate: float = 3e-3) -> Entry:
    """Stack masked autoregressive layers: each coordinate is moved and scaled given the coordinates before it.

    Args:
        num_layers: How many layers there are; the order of the coordinates is reversed between them.

    Source: arXiv 1705.07057.
    """
    layer = autoregressive(scale_and_shift(), nets.made(2))
    layers = repeat(chain(layer, flip()), num_layers, unroll=_unroll(num_layers, 8))
    return likelihood(normal(nets.event), layers, learning_rate, by_rows=True)


@register(FLOW, vector(width=108, depth=3, num_steps=600, small={"num_train_steps": 2}))
def cnf(nets: Nets, *, num_train_steps: int = 10, energy: float = 0.01, learning_rate: float = 5e-3) -> Entry:
    """Follow a neural ODE, trained by the likelihood through its solution on a fixed grid.

    Args:
        num_train_steps: Steps of the midpoint rule while training; afterwards the ODE is solved adaptively.
        energy: The price of kinetic energy while training, which keeps the paths simple.

    Source: arXiv 1806.07366; arXiv 2002.02798.
    """
    net = nets.of_event(1)
    trained = velocity_flow(net, nets.size, fixed(num_train_steps, "midpoint"), energy)
    return likelihood(normal(nets.event), velocity_flow(net, nets.size), learning_rate, trained=trained)


def _couplings(scalar: Scalar, nets: Nets, num_layers: int) -> Transform:
    def net(outputs: int) -> Net:
        return nets.mlp(outputs, zero_last=True)

    if nets.size == 1:
        # One coordinate has no other to take turns with.
        return repeat(coupling(scalar, net), num_layers)
    return alternating(scalar, net, num_layers, unroll=_unroll(num_layers // 2, 4))


def _unroll(num: int, most: int) -> int:
    # Up to eight layers train faster written out, and compile as fast; of more, a loop keeps the program small.
    return max(1, num) if num <= most else 1
