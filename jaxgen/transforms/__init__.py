"""Transforms: how noise becomes data. Each factory returns a `Transform`; each sees one event."""

from jaxgen.transform import chain, invert, on
from jaxgen.transforms.affine import affine, flip, on_condition, triangular_affine
from jaxgen.transforms.autoregressive import autoregressive
from jaxgen.transforms.binned import binned
from jaxgen.transforms.coupling import coupling
from jaxgen.transforms.decoder import autoencoder, gaussian_decoder, generator
from jaxgen.transforms.grid_sampler import ddim, heun
from jaxgen.transforms.mixture import mixture_logit
from jaxgen.transforms.ode_flow import ode_flow, probability_flow
from jaxgen.transforms.repeat import repeat
from jaxgen.transforms.scalar import Scalar, scale_and_shift
from jaxgen.transforms.sde_sampler import ancestral, euler_maruyama
from jaxgen.transforms.spline import rational_quadratic

__all__ = [
    "Scalar",
    "affine",
    "ancestral",
    "autoencoder",
    "autoregressive",
    "binned",
    "chain",
    "coupling",
    "ddim",
    "euler_maruyama",
    "flip",
    "gaussian_decoder",
    "generator",
    "heun",
    "invert",
    "mixture_logit",
    "ode_flow",
    "on",
    "on_condition",
    "probability_flow",
    "rational_quadratic",
    "repeat",
    "scale_and_shift",
    "triangular_affine",
]
