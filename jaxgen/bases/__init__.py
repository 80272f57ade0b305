"""Base distributions: the noise a model consumes. They have no parameters; the only folder that imports distrax."""

from jaxgen.bases.standard import diffusion_noise, latent_and_noise, logistic, normal, uniform

__all__ = ["diffusion_noise", "latent_and_noise", "logistic", "normal", "uniform"]
