"""Normalizing flows that move the whole event at once: residual networks and Sylvester layers."""

from jaxgen.bases import normal
from jaxgen.nets import lipschitz_mlp, mlp
from jaxgen.training import Entry
from jaxgen.transforms import chain, invert, lu, repeat
from jaxgen.transforms import residual as residual_layer
from jaxgen.transforms import sylvester as sylvester_layer
from jaxgen.zoo.flow import FLOW
from jaxgen.zoo.forms import vector
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import likelihood
from jaxgen.zoo.registry import register
from jaxgen.zoo.velocity import MAX_EXACT_TRACE


@register(FLOW, vector(width=48, depth=3, small={"num_layers": 2}), compared=False)
def residual(nets: Nets, *, num_layers: int = 8, lipschitz: float = 0.9, learning_rate: float = 2e-3) -> Entry:
    """Stack contractive residual networks with LU layers between; above 16 coordinates the log-det is estimated.

    Args:
        num_layers: How many layers there are.
        lipschitz: The largest Lipschitz constant of a residual network, below 1.

    Source: arXiv 1906.02735.
    """
    log_det = "exact" if nets.size <= MAX_EXACT_TRACE else "roulette"
    net = lipschitz_mlp(nets.size, width=nets.units, depth=nets.depth, lipschitz=lipschitz)
    block = residual_layer(net, lipschitz=lipschitz, log_det=log_det)
    return likelihood(normal(nets.event), repeat(chain(block, lu()), num_layers), learning_rate)


@register(FLOW, vector(width=32, growth=0.0), compared=False)
def sylvester(nets: Nets, *, num_bends: int = 4, cond_width: int = 32, learning_rate: float = 3e-3) -> Entry:
    """Stack Sylvester layers from data to noise, and an LU layer that scales; here `width` counts the layers.

    Args:
        num_bends: Directions in which a layer bends an event.
        cond_width: Units of the network by which a condition moves a layer.

    Source: arXiv 1803.05649.
    """
    net = None if nets.cond_dim is None else lambda out: mlp(out, width=cond_width, depth=1, zero_last=True)
    layers = repeat(invert(sylvester_layer(num_bends, net=net)), nets.units)
    return likelihood(normal(nets.event), chain(layers, lu()), learning_rate)
