"""Evaluation: likelihoods with their kind and error, distances between samples beside their floors."""

from jaxgen.evaluation.distances import energy_distance, mmd, mode_coverage, mode_shares, sliced_w2, w2
from jaxgen.evaluation.evaluate import Reference, evaluate, evaluate_samples, mean_nfe, reference, summarise_nll, timed_samples, too_good

__all__ = [
    "Reference", "energy_distance", "evaluate", "evaluate_samples", "mean_nfe", "mmd", "mode_coverage", "mode_shares", "reference",
    "sliced_w2", "summarise_nll", "timed_samples", "too_good", "w2",
]  # fmt: skip
