"""Base distributions: the noise a model consumes. They have no parameters; the only folder that imports distrax."""

from jaxgen.bases.distrax_adapters import as_distribution, from_distrax, to_distrax
from jaxgen.bases.interop import as_numpyro, logdensity
from jaxgen.bases.standard import diffusion_noise, latent_and_noise, logistic, normal, uniform

__all__ = [
    "as_distribution",
    "as_numpyro",
    "diffusion_noise",
    "from_distrax",
    "latent_and_noise",
    "logdensity",
    "logistic",
    "normal",
    "to_distrax",
    "uniform",
]
