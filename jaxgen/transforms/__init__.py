"""Transforms: how noise becomes data. Each factory returns a `Transform`; each sees one event."""

from jaxgen.transform import chain, invert, on
from jaxgen.transforms.affine import affine, diagonal_affine, flip, on_condition, triangular_affine
from jaxgen.transforms.autoregressive import autoregressive
from jaxgen.transforms.columns import autoregressive_columns
from jaxgen.transforms.coupling import coupling
from jaxgen.transforms.decoder import autoencoder, gaussian_decoder, generator
from jaxgen.transforms.ode_flow import ode_flow, probability_flow
from jaxgen.transforms.repeat import repeat
from jaxgen.transforms.samplers import ancestral, ddim, euler_maruyama, heun
from jaxgen.transforms.scalars import Scalar, binned, categorical, mixture_logit, rational_quadratic, scale_and_shift
from jaxgen.transforms.surjections import (
    absolute,
    ascending,
    augmentation,
    max_pooling,
    rounding,
    shuffling,
    signs,
    slicing,
    sorting,
    sum_over_preimages,
    uniform_dequantisation,
    variational_dequantisation,
)

__all__ = [
    "Scalar",
    "absolute",
    "affine",
    "ancestral",
    "ascending",
    "augmentation",
    "autoencoder",
    "autoregressive",
    "autoregressive_columns",
    "binned",
    "categorical",
    "chain",
    "coupling",
    "ddim",
    "diagonal_affine",
    "euler_maruyama",
    "flip",
    "gaussian_decoder",
    "generator",
    "heun",
    "invert",
    "max_pooling",
    "mixture_logit",
    "ode_flow",
    "on",
    "on_condition",
    "probability_flow",
    "rational_quadratic",
    "repeat",
    "rounding",
    "scale_and_shift",
    "shuffling",
    "signs",
    "slicing",
    "sorting",
    "sum_over_preimages",
    "triangular_affine",
    "uniform_dequantisation",
    "variational_dequantisation",
]
