"""Autoregressive models of vectors: one coordinate at a time from one number of noise each, which is a change of variables."""

from collections.abc import Sequence

from jaxgen.bases import logistic, uniform
from jaxgen.nets import column_made
from jaxgen.training import Entry, Style
from jaxgen.transforms import autoregressive, autoregressive_columns, binned, mixture_logit
from jaxgen.zoo.any_subset import over_subsets
from jaxgen.zoo.forms import vector
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import likelihood
from jaxgen.zoo.registry import Family, register

AUTOREGRESSIVE = Family(
    "autoregressive",
    Style(
        "#7d9a1e",
        "One coordinate after another takes its place: each uniform goes through the inverse of a conditional distribution function.",
        stage="coordinate {step}",
    ),
)


@register(AUTOREGRESSIVE, vector(width=112, depth=3, growth=0.5, small={"num_components": 3}))
def ar_mixture(nets: Nets, *, num_components: int = 16, learning_rate: float = 3e-3) -> Entry:
    """Give each coordinate a mixture of logistics, sampled by its inverse distribution function.

    The noise is logistic, the logit of a uniform, which keeps the tails exact.

    Args:
        num_components: Logistics of a mixture.
    """
    transform = autoregressive(mixture_logit(num_components), nets.made(3 * num_components))
    return likelihood(logistic(nets.event), transform, learning_rate)


@register(AUTOREGRESSIVE, vector(width=70, depth=2, growth=0.5, small={"num_bins": 8}))
def ar_discrete(nets: Nets, *, num_bins: int = 128, bound: float = 3.0, learning_rate: float = 3e-3) -> Entry:
    """Give each coordinate a categorical distribution over bins.

    The place of a uniform number inside its cell of probability is the place of the point inside its bin.

    Args:
        num_bins: Bins of a coordinate.
        bound: The bins cover [-bound, bound]; exponential tails lie beyond.
    """
    return likelihood(uniform(nets.event), autoregressive(binned(num_bins, bound), nets.made(num_bins)), learning_rate)


@register(AUTOREGRESSIVE, vector(width=112, depth=3, growth=0.5, small={"num_components": 3}), compared=False)
def tabular(
    nets: Nets,
    *,
    categories: Sequence[int] | None = None,
    gates: Sequence[int] | None = None,
    num_components: int = 16,
    any_subset: bool = False,
    learning_rate: float = 3e-3,
) -> Entry:
    """Model rows of numbers and categories, each column given the columns before it, with an exact density.

    Args:
        categories: How many categories each column has, 0 for a column of numbers; None if all columns are numbers. Categories are codes
            0.0, 1.0, ... in the event, as `jaxgen.data.load(..., discrete=)` makes them.
        gates: For each column the column of two categories before it whose code 1 says that it is missing, or -1; None if none is missing.
        num_components: Logistics of the mixture of a column of numbers.
        any_subset: Train on all subsets of the columns, so that any of them may be given to the model (`jaxgen.sample(..., given=)`) and
            missing values, as NaN, are trained on. It goes without `gates`.
    """
    counts = (0,) * nets.size if categories is None else tuple(categories)
    if len(counts) != nets.size:
        raise ValueError(f"tabular: categories={counts!r}; accepted: one count for each of the {nets.size} columns, 0 for numbers.")
    transform = autoregressive_columns(
        counts,
        mixture_logit(num_components),
        lambda out, features: column_made(out, features, width=nets.units, depth=nets.depth),
        gates=gates or (),
        roles=any_subset,
    )
    return over_subsets("tabular", nets, likelihood(logistic(nets.event), transform, learning_rate), any_subset)
