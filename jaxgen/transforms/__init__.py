"""Transforms: how noise becomes data. Each factory returns a `Transform`; each sees one event."""

from jaxgen.transform import chain, invert, on
from jaxgen.transforms.affine import affine, flip, on_condition, triangular_affine
from jaxgen.transforms.autoregressive import autoregressive
from jaxgen.transforms.coupling import coupling
from jaxgen.transforms.decoder import autoencoder, gaussian_decoder, generator
from jaxgen.transforms.ode_flow import ode_flow, probability_flow
from jaxgen.transforms.repeat import repeat
from jaxgen.transforms.samplers import (
    ancestral,
    ddim,
    dpm_solver,
    dpm_solver_sde,
    edm_stochastic,
    euler,
    euler_maruyama,
    heun,
    langevin,
    predictor_corrector,
    stochastic_runge_kutta,
)
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
    "dpm_solver",
    "dpm_solver_sde",
    "edm_stochastic",
    "euler",
    "euler_maruyama",
    "flip",
    "gaussian_decoder",
    "generator",
    "heun",
    "invert",
    "langevin",
    "mixture_logit",
    "ode_flow",
    "on",
    "on_condition",
    "predictor_corrector",
    "probability_flow",
    "rational_quadratic",
    "repeat",
    "scale_and_shift",
    "stochastic_runge_kutta",
    "triangular_affine",
]
