"""The zoo's forms for images, (height, width, channels): the same families with networks that know neighbours."""

from jaxgen.zoo.images import adversarial, autoencoder, autoregressive, diffusion, few_steps, flow, flow_matching, latent_flow

__all__ = [
    "adversarial",
    "autoencoder",
    "autoregressive",
    "diffusion",
    "few_steps",
    "flow",
    "flow_matching",
    "latent_flow",
]
