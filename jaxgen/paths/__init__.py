"""Gaussian probability paths between noise and data, stated once for every file: t = 0 is noise, t = 1 is data, and

x_t = alpha(t) x + sigma(t) z,    x data, z standard Gaussian noise, t in [0, 1].

Corruption processes on finite sets are in `paths.discrete`; `mixed_path` has one for each column of a row of numbers and categories.
"""

from jaxgen.paths import discrete
from jaxgen.paths.asked import of_asked
from jaxgen.paths.bridge import GaussianBridge, drifts, gaussian_bridge, velocity_and_score
from jaxgen.paths.change import on_path
from jaxgen.paths.guidance import conditioned_on, guided, inpainting
from jaxgen.paths.interpolant import Interpolant, brownian_variance, interpolant, interpolant_mixture, sine_variance
from jaxgen.paths.mixed import MixedPath, MixedPrediction, mixed_path, mixed_prediction
from jaxgen.paths.mixture import mixture_log_prob, mixture_prediction
from jaxgen.paths.path import Path, edm, follmer, linear, trigonometric, ve, vp_cosine, vp_linear, vp_log_snr
from jaxgen.paths.prediction import Prediction, preconditioned, prediction
from jaxgen.paths.target import TARGETS, Target, unit_target

__all__ = [
    "TARGETS",
    "GaussianBridge",
    "Interpolant",
    "MixedPath",
    "MixedPrediction",
    "Path",
    "Prediction",
    "Target",
    "brownian_variance",
    "conditioned_on",
    "discrete",
    "drifts",
    "edm",
    "follmer",
    "gaussian_bridge",
    "guided",
    "inpainting",
    "interpolant",
    "interpolant_mixture",
    "linear",
    "mixed_path",
    "mixed_prediction",
    "mixture_log_prob",
    "mixture_prediction",
    "of_asked",
    "on_path",
    "preconditioned",
    "prediction",
    "sine_variance",
    "trigonometric",
    "unit_target",
    "ve",
    "velocity_and_score",
    "vp_cosine",
    "vp_linear",
    "vp_log_snr",
]
