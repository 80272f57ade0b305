"""Mixtures of Gaussians, alone and beside a flow: what `jaxgen.Estimator` makes of tables."""

from jaxgen import transforms
from jaxgen.bases import joint, mixture_noise, normal, uniform
from jaxgen.model import Base, Model
from jaxgen.training import Entry
from jaxgen.transforms import mixture_affine
from jaxgen.zoo.flow import FLOW
from jaxgen.zoo.flow_in_order import nsf_ar
from jaxgen.zoo.forms import vector
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import likelihood
from jaxgen.zoo.registry import register


@register(FLOW, vector(), compared=False)
def mixture(nets: Nets, *, num_components: int = 4, num_kernels: int = 0, learning_rate: float = 1e-2) -> Entry:
    """Mix Gaussians, without a network and without conditions; `jaxgen.Estimator` starts it from the rows of a table.

    Args:
        num_components: How many Gaussians have a covariance of their own.
        num_kernels: How many further Gaussians share one covariance, as in a kernel density.

    Source: Smyth and Wolpert 1999, Machine Learning 36.
    """
    return likelihood(_choice_and_noise(nets), mixture_affine(num_components, num_kernels), learning_rate)


@register(FLOW, vector(width=64, depth=2, growth=0.5, small={"num_layers": 2, "num_bins": 8}), compared=False)
def mixture_with_flow(
    nets: Nets,
    *,
    num_components: int = 4,
    num_kernels: int = 0,
    num_layers: int = 4,
    num_bins: int = 8,
    bound: float = 5.0,
    learning_rate: float = 3e-3,
) -> Entry:
    """Take each event from a mixture of Gaussians or from the flow `nsf_ar`, with probabilities that are params.

    Args:
        num_components: How many Gaussians have a covariance of their own.
        num_kernels: How many further Gaussians share one covariance.
        num_layers: How many layers of splines the flow has.
        num_bins: Bins of a spline.
        bound: A spline bends [-bound, bound] and leaves what lies beyond as it is.

    Source: Smyth and Wolpert 1999, Machine Learning 36; arXiv 1906.04032 for the splines.
    """
    gaussians = Model(_choice_and_noise(nets), mixture_affine(num_components, num_kernels))
    flow = nsf_ar(nets, num_layers=num_layers, num_bins=num_bins, bound=bound).model
    return likelihood(mixture_noise(gaussians.base, flow.base), transforms.mixture(gaussians, flow), learning_rate)


def _choice_and_noise(nets: Nets) -> Base:
    return joint({"choice": uniform(()), "noise": normal(nets.event)})
