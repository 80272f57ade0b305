"""Failure signatures: lost modes, memorisation, collapsed posteriors, latents off the prior, unstable training."""

from jaxgen.evaluation.detectors.coverage import lost_coverage, lost_modes
from jaxgen.evaluation.detectors.finding import Finding, permutation_p
from jaxgen.evaluation.detectors.latent import latent_mismatch, posterior_collapse
from jaxgen.evaluation.detectors.memorisation import memorised
from jaxgen.evaluation.detectors.training import diverging_loss, exploding_loss, oscillating_loss, strong_critic, unstable_training

__all__ = [
    "Finding",
    "diverging_loss",
    "exploding_loss",
    "latent_mismatch",
    "lost_coverage",
    "lost_modes",
    "memorised",
    "oscillating_loss",
    "permutation_p",
    "posterior_collapse",
    "strong_critic",
    "unstable_training",
]
