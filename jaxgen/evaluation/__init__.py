"""Evaluation: likelihoods with their kind and error, distances between samples beside their floors."""

from jaxgen.evaluation.distances import energy_distance, mmd, mode_coverage, mode_shares, sliced_w2, w2
from jaxgen.evaluation.evaluate import Reference, evaluate, evaluate_samples, mean_nfe, reference, summarise_nll, timed_samples, too_good
from jaxgen.evaluation.importance import Importance, importance, pareto_k, weigh
from jaxgen.evaluation.latents import (
    Posteriors,
    active_units,
    aggregate_mismatch,
    collapsed_units,
    posteriors,
    rate_and_distortion,
)
from jaxgen.evaluation.sharpness import gradient_magnitude, laplacian_variance
from jaxgen.evaluation.straightness import straightness

__all__ = [
    "Importance", "Posteriors", "Reference", "active_units", "aggregate_mismatch", "collapsed_units", "energy_distance", "evaluate",
    "evaluate_samples", "gradient_magnitude", "importance", "laplacian_variance", "mean_nfe", "mmd", "mode_coverage", "mode_shares", "pareto_k",
    "posteriors", "rate_and_distortion", "reference", "sliced_w2", "straightness", "summarise_nll", "timed_samples", "too_good", "w2", "weigh",
]  # fmt: skip
