"""Transforms: how noise becomes data. Each factory returns a `Transform`; each sees one event."""

from jaxgen.transform import chain, invert, on
from jaxgen.transforms.affine import affine, flip, on_condition, triangular_affine
from jaxgen.transforms.autoregressive import autoregressive
from jaxgen.transforms.coupling import coupling
from jaxgen.transforms.decoder import autoencoder, gaussian_decoder, generator
from jaxgen.transforms.linear import low_rank, lu, orthogonal, planar, radial, sylvester
from jaxgen.transforms.ode_flow import ode_flow, probability_flow
from jaxgen.transforms.repeat import repeat
from jaxgen.transforms.residual import residual
from jaxgen.transforms.samplers import ancestral, ddim, euler_maruyama, heun
from jaxgen.transforms.scalars import Scalar, binned, mixture_logit, rational_quadratic, scale_and_shift

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
    "low_rank",
    "lu",
    "mixture_logit",
    "ode_flow",
    "on",
    "on_condition",
    "orthogonal",
    "planar",
    "probability_flow",
    "radial",
    "rational_quadratic",
    "repeat",
    "residual",
    "scale_and_shift",
    "sylvester",
    "triangular_affine",
]
