"""Evaluation: likelihoods with their kind and error, distances between samples beside their floors."""

from jaxgen.evaluation.bits import Bits, bits_per_dim
from jaxgen.evaluation.distances import energy_distance, mmd, mode_coverage, mode_shares, sliced_w2, w2
from jaxgen.evaluation.evaluate import Reference, evaluate, evaluate_samples, mean_nfe, reference, summarise_nll, timed_samples, too_good
from jaxgen.evaluation.importance import Importance, importance, pareto_k, weigh
from jaxgen.evaluation.straightness import straightness

__all__ = [
    "Bits", "Importance", "Reference", "bits_per_dim", "energy_distance", "evaluate", "evaluate_samples", "importance", "mean_nfe", "mmd", "mode_coverage",
    "mode_shares", "pareto_k", "reference", "sliced_w2", "straightness", "summarise_nll", "timed_samples", "too_good", "w2", "weigh",
]  # fmt: skip
