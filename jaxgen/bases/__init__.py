"""Base distributions: the noise a model consumes. They have no parameters.

A learnable base is a transform in front of a fixed one: `transforms.diagonal_affine` or `triangular_affine` before `normal`.
"""

from jaxgen.bases.data_set import data_set
from jaxgen.bases.gaussian import diagonal_gaussian, full_gaussian, gaussian_mixture
from jaxgen.bases.pieces import Piece, pieces
from jaxgen.bases.pretrained import model
from jaxgen.bases.resampled import Resampled, resampled
from jaxgen.bases.standard import diffusion_noise, joint, latent_and_noise, logistic, mixed_noise, mixture_noise, normal, uniform
from jaxgen.bases.stratified import stratified
from jaxgen.bases.student import student_t
from jaxgen.interop import as_distribution, as_numpyro, from_distrax, logdensity, to_distrax

__all__ = [
    "Piece",
    "Resampled",
    "as_distribution",
    "as_numpyro",
    "data_set",
    "diagonal_gaussian",
    "diffusion_noise",
    "from_distrax",
    "full_gaussian",
    "gaussian_mixture",
    "joint",
    "latent_and_noise",
    "logdensity",
    "logistic",
    "mixed_noise",
    "mixture_noise",
    "model",
    "normal",
    "pieces",
    "resampled",
    "stratified",
    "student_t",
    "to_distrax",
    "uniform",
]
