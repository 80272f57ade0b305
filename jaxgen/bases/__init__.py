"""Base distributions: the noise a model consumes. They have no parameters; the only folder that imports distrax.

A learnable base is a transform in front of a fixed one: `transforms.diagonal_affine` or `triangular_affine` before `normal`.
"""

from jaxgen.bases.gaussian import diagonal_gaussian, full_gaussian, gaussian_mixture
from jaxgen.bases.pretrained import model
from jaxgen.bases.resampled import Resampled, resampled
from jaxgen.bases.standard import diffusion_noise, latent_and_noise, logistic, normal, uniform
from jaxgen.bases.student import student_t

__all__ = [
    "Resampled",
    "diagonal_gaussian",
    "diffusion_noise",
    "full_gaussian",
    "gaussian_mixture",
    "latent_and_noise",
    "logistic",
    "model",
    "normal",
    "resampled",
    "student_t",
    "uniform",
]
