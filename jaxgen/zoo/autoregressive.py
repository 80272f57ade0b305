"""Autoregressive models: one coordinate at a time from one number of noise each, which is a change of variables."""

from collections.abc import Sequence

from jaxgen.bases import logistic, uniform
from jaxgen.model import Model
from jaxgen.nets import column_made, made
from jaxgen.objectives import maximum_likelihood
from jaxgen.training import adam
from jaxgen.transforms import autoregressive, autoregressive_columns, binned, mixture_logit
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


@register(FAMILY, compared=False)
def tabular(
    dim: int,
    cond_dim: int | None,
    *,
    categories: Sequence[int] | None = None,
    width: int = 112,
    depth: int = 3,
    num_components: int = 16,
    learning_rate: float = 3e-3,
) -> Recipe:
    """Rows of numbers and categories, each column given those before it: exact. `categories[j]` counts column j's categories, 0 for numbers.

    Categories are codes 0.0, 1.0, ... in the event (`jaxgen.data.load(..., discrete=)` makes them); without `categories` all are numbers.
    """
    counts = (0,) * dim if categories is None else tuple(categories)
    if len(counts) != dim:
        raise ValueError(f"tabular: categories={counts} for events of {dim} columns; accepted: one count for each column, 0 for a number.")
    transform = autoregressive_columns(
        counts, mixture_logit(num_components), lambda out, features: column_made(out, features, width=width, depth=depth)
    )
    model = Model(logistic((dim,)), transform)
    return Recipe({"default": model}, maximum_likelihood(model), "maximum likelihood", adam(learning_rate))
