"""What limits a push-forward: separated sets, the bounds on the mass between them, and both sides of the local bound measured."""

from jaxgen.evaluation.bridge.bounds import (
    Interval,
    bridge_bound,
    bridge_bound_of_sets,
    certified_lipschitz,
    clopper_pearson,
    isoperimetric_profile,
    least_lipschitz,
    least_lipschitz_of_sets,
)
from jaxgen.evaluation.bridge.clusters import clusters
from jaxgen.evaluation.bridge.consequences import KLPart, kl_part, nll_gap_bound, total_variation_bound
from jaxgen.evaluation.bridge.crossings import Crossings, crossings
from jaxgen.evaluation.bridge.measure import Continuous, LocalBound, continuous_maps, local_bound, local_bounds
from jaxgen.evaluation.bridge.sets import Sets, balls, separated_sets

__all__ = [
    "Continuous",
    "Crossings",
    "Interval",
    "KLPart",
    "LocalBound",
    "Sets",
    "balls",
    "bridge_bound",
    "bridge_bound_of_sets",
    "certified_lipschitz",
    "clopper_pearson",
    "clusters",
    "continuous_maps",
    "crossings",
    "isoperimetric_profile",
    "kl_part",
    "least_lipschitz",
    "least_lipschitz_of_sets",
    "local_bound",
    "local_bounds",
    "nll_gap_bound",
    "separated_sets",
    "total_variation_bound",
]
