"""Evaluation: likelihoods with their kind and error, distances between samples, of images by their features, beside their floors."""

from jaxgen.evaluation.bits import Bits, bits_per_dim
from jaxgen.evaluation.classifier import Classifier, load_classifier, own_pixels, save_classifier, train_classifier
from jaxgen.evaluation.distances import energy_distance, mmd, mode_coverage, mode_shares, sliced_w2, w2
from jaxgen.evaluation.evaluate import Reference, evaluate, evaluate_samples, mean_nfe, reference, summarise_nll, timed_samples, too_good
from jaxgen.evaluation.features import Manifold, Moments, frechet_distance, kernel_distance, kernel_spread, manifold, moments
from jaxgen.evaluation.image_figures import frechet_of, image_figures, read_features
from jaxgen.evaluation.importance import Importance, importance, pareto_k, weigh
from jaxgen.evaluation.latents import Posteriors, active_units, aggregate_mismatch, collapsed_units, posteriors, rate_and_distortion
from jaxgen.evaluation.sharpness import gradient_magnitude, laplacian_variance
from jaxgen.evaluation.straightness import straightness

__all__ = [
    "Bits",
    "Classifier",
    "Importance",
    "Manifold",
    "Moments",
    "Posteriors",
    "Reference",
    "active_units",
    "aggregate_mismatch",
    "bits_per_dim",
    "collapsed_units",
    "energy_distance",
    "evaluate",
    "evaluate_samples",
    "frechet_distance",
    "frechet_of",
    "gradient_magnitude",
    "image_figures",
    "importance",
    "kernel_distance",
    "kernel_spread",
    "laplacian_variance",
    "load_classifier",
    "manifold",
    "mean_nfe",
    "mmd",
    "mode_coverage",
    "mode_shares",
    "moments",
    "own_pixels",
    "pareto_k",
    "posteriors",
    "rate_and_distortion",
    "read_features",
    "reference",
    "save_classifier",
    "sliced_w2",
    "straightness",
    "summarise_nll",
    "timed_samples",
    "too_good",
    "train_classifier",
    "w2",
    "weigh",
]
