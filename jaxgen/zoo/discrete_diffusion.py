"""Discrete diffusion and discrete flow matching: codes are corrupted site by site, and one network tells each datum from what is left."""

import operator
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jaxgen import checks, paths
from jaxgen.bases import joint, uniform
from jaxgen.model import Base, Model
from jaxgen.nets import timeless
from jaxgen.objective import Objective
from jaxgen.objectives import any_order_bound, discrete_bound, discrete_flow_matching
from jaxgen.paths.discrete import DiscretePath, DiscretePrediction
from jaxgen.training import Entry, Style, adam
from jaxgen.transforms import any_order, discrete_ancestral, first_hitting, tau_leaping
from jaxgen.types import Shape
from jaxgen.zoo.forms import image, sequence
from jaxgen.zoo.guidance import check_guidance, with_dropout
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import read_as
from jaxgen.zoo.registry import Family, register
from jaxgen.zoo.velocity import init_in_time

DISCRETE_DIFFUSION = Family(
    "discrete diffusion",
    Style(
        "#c2577e", "Sites are corrupted one by one; from noise to data each takes its category, several in a step.", stage="t = {time:.2f}"
    ),
)
SITES = {"levels": 2, "width": 64, "depth": 3, "network": "transformer", "dtype": None, "remat": False}
"""The network options of sequences."""
PIXELS = {"levels": 2, "width": 64, "depth": 2, "stem": 1, "network": "unet", "dtype": None, "remat": False}
"""The network options of images."""


@register(
    DISCRETE_DIFFUSION,
    sequence(**SITES, small={"num_steps": 4}),
    image("discrete", **PIXELS, small={"num_steps": 4}, options={"learning_rate": 2e-3}),
)
def masked_diffusion(
    nets: Nets,
    *,
    categories: Sequence[int] | None = None,
    num_steps: int = 64,
    remasking: float = 0.0,
    guidance: float = 1.0,
    learning_rate: float = 2e-3,
) -> Entry:
    """Train one network to fill in any set of masked sites; it is read as a diffusion and as an autoregressive model of any order.

    Args:
        categories: How many categories each column has, for rows of a table; None gives each site `levels`.
        num_steps: Steps of the "ancestral" reading.
        remasking: How much of the largest possible share of sites each of its steps masks again, in [0, 1].
        guidance: The scale of classifier-free guidance; another scale than 1 drops a tenth of the conditions in training.

    Source: arXiv 2406.07524; arXiv 2406.04329; arXiv 2110.02037; arXiv 2503.00307 for remasking.
    """
    check_guidance("masked_diffusion", guidance, nets.cond_dim)
    nets, counts = _columns("masked_diffusion", nets, categories)
    path = paths.discrete.masked(nets.levels)
    net = timeless(nets.of_codes(nets.levels + 1, 0))
    init, learnt = init_in_time(net), paths.discrete.prediction(path, net.apply, counts=counts)
    read = _guided(learnt, nets, guidance)
    corrected = _guided(learnt._replace(path=paths.discrete.remasked(path, remasking)), nets, guidance) if remasking else read
    readings = {
        "ancestral": Model(_noise(nets.event, num_steps), discrete_ancestral(init, corrected, num_steps)),
        "any_order": Model(uniform(nets.event), any_order(init, read)),
        "first_hitting": Model(joint({"order": uniform(nets.event), "sites": uniform(nets.event)}), first_hitting(init, read)),
    }
    objective = _knowing(any_order_bound(Model(uniform(nets.event), any_order(init, learnt)), path), counts)
    return read_as(readings, with_dropout(objective, guidance), "any-order bound", adam(learning_rate))


@register(
    DISCRETE_DIFFUSION,
    sequence(**SITES, small={"num_steps": 4}),
    image("discrete", **PIXELS, small={"num_steps": 4}, options={"learning_rate": 2e-3}),
)
def uniform_diffusion(
    nets: Nets, *, categories: Sequence[int] | None = None, num_steps: int = 64, guidance: float = 1.0, learning_rate: float = 2e-3
) -> Entry:
    """Train the bound of the process that replaces sites by random categories, whose sampler can change a site more than once.

    Args:
        categories: As for `masked_diffusion`.
        num_steps: Steps of both readings.
        guidance: As for `masked_diffusion`.

    Source: arXiv 2107.03006; arXiv 2310.16834; arXiv 2412.10193.
    """
    check_guidance("uniform_diffusion", guidance, nets.cond_dim)
    nets, counts = _columns("uniform_diffusion", nets, categories)
    path, net = paths.discrete.uniform(nets.levels), nets.of_codes(nets.levels, 1)
    init, learnt = init_in_time(net), paths.discrete.prediction(path, net.apply, "context_logits", counts=counts)
    read, base = _guided(learnt, nets, guidance), _noise(nets.event, num_steps)
    readings = {
        "ancestral": Model(base, discrete_ancestral(init, read, num_steps)),
        "leaping": Model(base, tau_leaping(init, read, num_steps)),
    }
    objective = _knowing(discrete_bound(Model(base, discrete_ancestral(init, learnt, num_steps)), path), counts)
    return read_as(readings, with_dropout(objective, guidance), "diffusion bound", adam(learning_rate))


@register(
    DISCRETE_DIFFUSION,
    sequence(**SITES, small={"num_steps": 4}),
    image("discrete", **PIXELS, small={"num_steps": 4}, options={"learning_rate": 2e-3}),
)
def discrete_cfm(
    nets: Nets,
    *,
    categories: Sequence[int] | None = None,
    path: str = "uniform",
    num_steps: int = 64,
    corrector: float = 0.0,
    guidance: float = 1.0,
    learning_rate: float = 2e-3,
) -> Entry:
    """Match the rates of a path from noise to data by the cross-entropy of the data given a state.

    Args:
        categories: As for `masked_diffusion`.
        path: "uniform", "masked", or "metric" for ordered categories, whose rates are kinetic-optimal and whose samples have no density.
        num_steps: Steps of a sample.
        corrector: By what share of its length each step goes beyond its end and comes back by noising; 0 for a metric path.
        guidance: As for `masked_diffusion`.

    Source: arXiv 2407.15595; arXiv 2412.03487.
    """
    check_guidance("discrete_cfm", guidance, nets.cond_dim)
    nets, counts = _columns("discrete_cfm", nets, categories)
    made = {"uniform": paths.discrete.uniform, "masked": paths.discrete.masked, "metric": paths.discrete.metric}
    if path not in made:
        raise ValueError(f"discrete_cfm: path={path!r}; accepted: {', '.join(made)}.")
    chosen: DiscretePath = made[path](nets.levels)
    net = nets.of_codes(chosen.num_states, 1)
    init, learnt = init_in_time(net), paths.discrete.prediction(chosen, net.apply, "context_logits", counts=counts)
    sampler = tau_leaping(init, _guided(learnt, nets, guidance), num_steps, corrector=corrector)
    base = _noise(nets.event, num_steps)
    objective = _knowing(discrete_flow_matching(Model(base, tau_leaping(init, learnt, num_steps)), chosen), counts)
    return read_as({"leaping": Model(base, sampler)}, with_dropout(objective, guidance), "discrete flow matching", adam(learning_rate))


def _columns(name: str, nets: Nets, categories: Sequence[int] | None) -> tuple[Nets, np.ndarray | None]:
    """Return the networks for the largest number of categories, and the number of each site; None if all sites have `levels`."""
    if categories is None:
        checks.count(f"{name}: levels", nets.levels, 2)
        return nets, None
    try:
        counts = tuple(operator.index(count) for count in categories)
    except TypeError:
        counts = ()
    if len(counts) != nets.size or min(counts) < 2:
        raise ValueError(
            f"{name}: categories={checks.short(categories)}; accepted: at least two for each of the {nets.size} columns, in whole numbers; "
            "the entry tabular takes numbers too."
        )
    return replace(nets, levels=max(counts)), np.asarray(counts).reshape(nets.event)


def _knowing(objective: Objective, counts: np.ndarray | None) -> Objective:
    """Return the objective that refuses, column by column, the codes of categories that a column does not have."""
    return objective if counts is None else objective._replace(num_codes=tuple(counts.ravel().tolist()))


def _noise(event: Shape, num_steps: int) -> Base:
    return uniform((num_steps + 1, *event))


def _guided(read: DiscretePrediction, nets: Nets, guidance: float) -> DiscretePrediction:
    if guidance == 1 or nets.cond_dim is None:
        return read
    return paths.discrete.guided(read, guidance, null_cond=np.zeros(nets.cond_dim))
