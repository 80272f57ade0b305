"""Transforms: how noise becomes data. Each factory returns a `Transform`; each sees one event."""

from jaxgen.bases import from_distrax, to_distrax
from jaxgen.transform import chain, invert, on
from jaxgen.transforms.actnorm import actnorm
from jaxgen.transforms.affine import affine, diagonal_affine, flip, on_condition, triangular_affine
from jaxgen.transforms.alternating import alternating
from jaxgen.transforms.autoregressive import autoregressive, inverse_autoregressive
from jaxgen.transforms.block_autoregressive import block_autoregressive
from jaxgen.transforms.bounded import onto_interval, onto_positive, onto_simplex
from jaxgen.transforms.columns import autoregressive_columns
from jaxgen.transforms.coupling import coupling
from jaxgen.transforms.decoder import autoencoder, gaussian_decoder, generator
from jaxgen.transforms.elementwise import elementwise
from jaxgen.transforms.flow_map import flow_map, renoised_flow_map
from jaxgen.transforms.image_layers import channel_coupling, on_channels, pixelwise, squeeze
from jaxgen.transforms.linear import low_rank, lu, orthogonal, planar, radial, sylvester
from jaxgen.transforms.ode_flow import ode_flow, probability_flow
from jaxgen.transforms.repeat import repeat
from jaxgen.transforms.residual import residual
from jaxgen.transforms.samplers import (
    ancestral,
    ddim,
    dpm_solver,
    dpm_solver_sde,
    edm_stochastic,
    euler,
    euler_maruyama,
    heun,
    interpolant_sde,
    langevin,
    learned_path,
    predictor_corrector,
    stochastic_runge_kutta,
)
from jaxgen.transforms.scalars import (
    Scalar,
    binned,
    categorical,
    circular_spline,
    deep_sigmoidal,
    mixture_logit,
    of_angles,
    power_tails,
    rational_quadratic,
    scale_and_shift,
    student_tails,
)
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
    "actnorm",
    "affine",
    "alternating",
    "ancestral",
    "ascending",
    "augmentation",
    "autoencoder",
    "autoregressive",
    "autoregressive_columns",
    "binned",
    "block_autoregressive",
    "categorical",
    "chain",
    "channel_coupling",
    "circular_spline",
    "coupling",
    "ddim",
    "deep_sigmoidal",
    "diagonal_affine",
    "dpm_solver",
    "dpm_solver_sde",
    "edm_stochastic",
    "elementwise",
    "euler",
    "euler_maruyama",
    "flip",
    "flow_map",
    "from_distrax",
    "gaussian_decoder",
    "generator",
    "heun",
    "interpolant_sde",
    "inverse_autoregressive",
    "invert",
    "langevin",
    "learned_path",
    "low_rank",
    "lu",
    "max_pooling",
    "mixture_logit",
    "ode_flow",
    "of_angles",
    "on",
    "on_channels",
    "on_condition",
    "onto_interval",
    "onto_positive",
    "onto_simplex",
    "orthogonal",
    "pixelwise",
    "planar",
    "power_tails",
    "predictor_corrector",
    "probability_flow",
    "radial",
    "rational_quadratic",
    "renoised_flow_map",
    "repeat",
    "residual",
    "rounding",
    "scale_and_shift",
    "shuffling",
    "signs",
    "slicing",
    "sorting",
    "squeeze",
    "stochastic_runge_kutta",
    "student_tails",
    "sum_over_preimages",
    "sylvester",
    "to_distrax",
    "triangular_affine",
    "uniform_dequantisation",
    "variational_dequantisation",
]
