"""Evaluation: likelihoods with their kind and error, distances between samples beside their floors, and what the studies measure."""

from jaxgen.evaluation import bridge, detectors
from jaxgen.evaluation.autoencoder_study import Generated, LatentView, autoencoder_figures, generated, latent_view
from jaxgen.evaluation.baselines import Baselines, baselines, choose_mixture
from jaxgen.evaluation.bits import Bits, bits_of_nll, bits_per_dim
from jaxgen.evaluation.classifier import Classifier, load_classifier, pixels_of, save_classifier, train_classifier
from jaxgen.evaluation.diagnosis import Diagnosis, diagnose_bridge
from jaxgen.evaluation.distances import energy_distance, mmd, mode_coverage, mode_shares, sliced_w2, w2
from jaxgen.evaluation.evaluate import evaluate, evaluate_samples, mean_nfe, summarise_nll, timed_samples, too_good
from jaxgen.evaluation.failures import failures
from jaxgen.evaluation.features import Manifold, Moments, frechet_distance, kernel_distance, kernel_floor, manifold, moments
from jaxgen.evaluation.flops import count_flops, matmul_flops, step_flops
from jaxgen.evaluation.followed import Followed, by_deviation, codes_of, critic_field, density_grid, follow, plane, within_reach
from jaxgen.evaluation.halves import random_halves
from jaxgen.evaluation.image_figures import classifier_figures, frechet_of, frechet_ratio, image_figures, read_features
from jaxgen.evaluation.importance import Importance, importance, pareto_k, weigh
from jaxgen.evaluation.latents import Posteriors, active_units, aggregate_mismatch, collapsed_units, posteriors, rate_and_distortion
from jaxgen.evaluation.reference import Reference, gaps_of, reference, reference_of
from jaxgen.evaluation.sharpness import gradient_magnitude, laplacian_variance
from jaxgen.evaluation.speed_quality import pareto_front, samplers, speed_quality, timed_blocks
from jaxgen.evaluation.straightness import straightness
from jaxgen.evaluation.tables import TableErrors, floor_of, table_errors, table_figures

__all__ = [
    "Baselines",
    "Bits",
    "Classifier",
    "Diagnosis",
    "Followed",
    "Generated",
    "Importance",
    "LatentView",
    "Manifold",
    "Moments",
    "Posteriors",
    "Reference",
    "TableErrors",
    "active_units",
    "aggregate_mismatch",
    "autoencoder_figures",
    "baselines",
    "bits_of_nll",
    "bits_per_dim",
    "bridge",
    "by_deviation",
    "choose_mixture",
    "classifier_figures",
    "codes_of",
    "collapsed_units",
    "count_flops",
    "critic_field",
    "density_grid",
    "detectors",
    "diagnose_bridge",
    "energy_distance",
    "evaluate",
    "evaluate_samples",
    "failures",
    "floor_of",
    "follow",
    "frechet_distance",
    "frechet_of",
    "frechet_ratio",
    "gaps_of",
    "generated",
    "gradient_magnitude",
    "image_figures",
    "importance",
    "kernel_distance",
    "kernel_floor",
    "laplacian_variance",
    "latent_view",
    "load_classifier",
    "manifold",
    "matmul_flops",
    "mean_nfe",
    "mmd",
    "mode_coverage",
    "mode_shares",
    "moments",
    "pareto_front",
    "pareto_k",
    "pixels_of",
    "plane",
    "posteriors",
    "random_halves",
    "rate_and_distortion",
    "read_features",
    "reference",
    "reference_of",
    "samplers",
    "save_classifier",
    "sliced_w2",
    "speed_quality",
    "step_flops",
    "straightness",
    "summarise_nll",
    "table_errors",
    "table_figures",
    "timed_blocks",
    "timed_samples",
    "too_good",
    "train_classifier",
    "w2",
    "weigh",
    "within_reach",
]
