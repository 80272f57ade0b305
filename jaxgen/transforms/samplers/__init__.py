"""Samplers of a diffusion as transforms: their noise path is in the base, so a sampler is a function of it."""

from jaxgen.transforms.samplers.grid_sampler import ddim, heun
from jaxgen.transforms.samplers.sde_sampler import ancestral, euler_maruyama

__all__ = ["ancestral", "ddim", "euler_maruyama", "heun"]
