"""Autoregressive models: one coordinate at a time from one number of noise each, which is a change of variables."""

from jaxgen.bases import logistic, uniform
from jaxgen.model import Model
from jaxgen.nets import made
from jaxgen.objectives import maximum_likelihood
from jaxgen.training import adam
from jaxgen.transforms import autoregressive, binned, mixture_logit
from jaxgen.zoo.registry import Recipe, register

FAMILY = "autoregressive"


@register(FAMILY)
def ar_mixture(
    dim: int, cond_dim: int | None, *, width: int = 112, depth: int = 3, num_components: int = 16, learning_rate: float = 3e-3
) -> Recipe:
    """Mixture of logistics per coordinate, sampled by inverse CDF; logistic noise, the logit of a uniform, keeps the tails exact."""
    transform = autoregressive(mixture_logit(num_components), made(3 * num_components, width=width, depth=depth))
    model = Model(logistic((dim,)), transform)
    return Recipe({"default": model}, maximum_likelihood(model), "maximum likelihood", adam(learning_rate))


@register(FAMILY)
def ar_discrete(
    dim: int, cond_dim: int | None, *, width: int = 70, depth: int = 2, num_bins: int = 128, bound: float = 3.0, learning_rate: float = 3e-3
) -> Recipe:
    """Categorical over bins per coordinate; a uniform's place inside its cell is the point's place inside its bin."""
    model = Model(uniform((dim,)), autoregressive(binned(num_bins, bound), made(num_bins, width=width, depth=depth)))
    return Recipe({"default": model}, maximum_likelihood(model), "maximum likelihood", adam(learning_rate))
