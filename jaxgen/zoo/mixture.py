"""A mixture of Gaussians, alone or beside a flow: what `jaxgen.Estimator` makes of tables."""

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


@register(FLOW, vector(width=64, depth=2, growth=0.5, small={"num_components": 2, "num_layers": 2, "num_bins": 8}), compared=False)
def mixture_with_flow(
    nets: Nets,
    *,
    num_components: int = 4,
    num_kernels: int = 0,
    flow: bool = True,
    num_layers: int = 4,
    num_bins: int = 8,
    bound: float = 5.0,
    learning_rate: float = 3e-3,
) -> Entry:
    """Take each event from a mixture of Gaussians or from the flow `nsf_ar`, with probabilities that are params.

    Args:
        num_components: How many Gaussians have a covariance of their own.
        num_kernels: How many further Gaussians share one covariance.
        flow: Whether there is a flow; without it there are neither networks nor conditions.
        num_layers: How many layers of splines the flow has.
        num_bins: Bins of a spline.
        bound: A spline bends [-bound, bound] and leaves what lies beyond as it is.

    Source: Smyth and Wolpert 1999, Machine Learning 36; arXiv 1906.04032 for the splines.
    """
    gaussians = Model(_choice_and_noise(nets), mixture_affine(num_components, num_kernels))
    if not flow:
        return likelihood(*gaussians, learning_rate)
    beside = nsf_ar(nets, num_layers=num_layers, num_bins=num_bins, bound=bound).model
    return likelihood(mixture_noise(gaussians.base, beside.base), transforms.mixture(gaussians, beside), learning_rate)


def _choice_and_noise(nets: Nets) -> Base:
    return joint({"choice": uniform(()), "noise": normal(nets.event)})
