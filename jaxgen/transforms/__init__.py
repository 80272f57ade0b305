"""Transforms: how noise becomes data. Each factory returns a `Transform`; each sees one event."""

from jaxgen.combinators import chain, invert, on
from jaxgen.interop import from_distrax, to_distrax
from jaxgen.transforms.actnorm import actnorm
from jaxgen.transforms.affine import affine, diagonal_affine, flip, triangular_affine
from jaxgen.transforms.alternating import alternating
from jaxgen.transforms.answering import answering
from jaxgen.transforms.autoregressive import autoregressive, autoregressive_rows, inverse_autoregressive
from jaxgen.transforms.block_autoregressive import block_autoregressive
from jaxgen.transforms.bounded import onto_interval, onto_positive, onto_simplex
from jaxgen.transforms.categories_first import categories_first
from jaxgen.transforms.columns import autoregressive_columns
from jaxgen.transforms.coupling import coupling
from jaxgen.transforms.decoder import autoencoder, gaussian_decoder, generator
from jaxgen.transforms.discrete import any_order, discrete_ancestral, first_hitting, tau_leaping
from jaxgen.transforms.discrete_decoder import discrete_decoder
from jaxgen.transforms.elementwise import elementwise
from jaxgen.transforms.flow_map import flow_map, renoised_flow_map
from jaxgen.transforms.image_layers import channel_coupling, on_channels, pixelwise, squeeze
from jaxgen.transforms.in_parallel import Piece, in_parallel
from jaxgen.transforms.ladder_decoder import Rung, ladder_decoder
from jaxgen.transforms.linear import low_rank, lu, orthogonal, planar, radial, sylvester
from jaxgen.transforms.mixed import mixed_ancestral
from jaxgen.transforms.mixture import mixture
from jaxgen.transforms.mixture_affine import mixture_affine
from jaxgen.transforms.ode_flow import ode_flow, probability_flow
from jaxgen.transforms.on_condition import on_condition
from jaxgen.transforms.patches import num_patches, patches
from jaxgen.transforms.quantised_decoder import quantised_decoder
from jaxgen.transforms.repeat import repeat
from jaxgen.transforms.residual import residual
from jaxgen.transforms.samplers import (
    ancestral,
    bridge_sde,
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
    above,
    between,
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
    Cell,
    absolute,
    argmax_codes,
    ascending,
    augmentation,
    indexed,
    max_pooling,
    rounding,
    shuffling,
    signs,
    slicing,
    sorting,
    sum_over_preimages,
    table_cells,
    uniform_dequantisation,
    variational_dequantisation,
)

__all__ = [
    "Cell",
    "Piece",
    "Rung",
    "Scalar",
    "above",
    "absolute",
    "actnorm",
    "affine",
    "alternating",
    "answering",
    "ancestral",
    "any_order",
    "ascending",
    "augmentation",
    "argmax_codes",
    "autoencoder",
    "autoregressive",
    "autoregressive_columns",
    "autoregressive_rows",
    "between",
    "binned",
    "block_autoregressive",
    "bridge_sde",
    "categorical",
    "categories_first",
    "chain",
    "channel_coupling",
    "circular_spline",
    "coupling",
    "ddim",
    "deep_sigmoidal",
    "diagonal_affine",
    "discrete_ancestral",
    "discrete_decoder",
    "dpm_solver",
    "dpm_solver_sde",
    "edm_stochastic",
    "elementwise",
    "euler",
    "euler_maruyama",
    "first_hitting",
    "flip",
    "flow_map",
    "from_distrax",
    "gaussian_decoder",
    "generator",
    "heun",
    "in_parallel",
    "interpolant_sde",
    "indexed",
    "inverse_autoregressive",
    "invert",
    "ladder_decoder",
    "langevin",
    "learned_path",
    "low_rank",
    "lu",
    "max_pooling",
    "mixed_ancestral",
    "mixture",
    "mixture_affine",
    "mixture_logit",
    "num_patches",
    "ode_flow",
    "of_angles",
    "on",
    "on_channels",
    "on_condition",
    "onto_interval",
    "onto_positive",
    "onto_simplex",
    "orthogonal",
    "patches",
    "pixelwise",
    "planar",
    "power_tails",
    "predictor_corrector",
    "probability_flow",
    "quantised_decoder",
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
    "table_cells",
    "tau_leaping",
    "to_distrax",
    "triangular_affine",
    "uniform_dequantisation",
    "variational_dequantisation",
]
