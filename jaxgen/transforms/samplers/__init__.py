"""Samplers of a diffusion as transforms: their noise path is in the base, so a sampler is a function of it."""

from jaxgen.transforms.samplers.bridge_sde import bridge_sde
from jaxgen.transforms.samplers.grid_sampler import ddim, dpm_solver, euler, heun
from jaxgen.transforms.samplers.interpolant_sde import interpolant_sde
from jaxgen.transforms.samplers.learned_path import learned_path
from jaxgen.transforms.samplers.noise_sampler import edm_stochastic, langevin, predictor_corrector, stochastic_runge_kutta
from jaxgen.transforms.samplers.sde_sampler import ancestral, dpm_solver_sde, euler_maruyama

__all__ = [
    "ancestral",
    "bridge_sde",
    "ddim",
    "dpm_solver",
    "dpm_solver_sde",
    "edm_stochastic",
    "euler",
    "euler_maruyama",
    "heun",
    "interpolant_sde",
    "langevin",
    "learned_path",
    "predictor_corrector",
    "stochastic_runge_kutta",
]
