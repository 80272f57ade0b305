"""The zoo's forms for images, (height, width, channels): the same families with networks that know neighbours."""

from jaxgen.zoo.images import autoencoder, autoregressive, flow

__all__ = [
    "autoencoder",
    "autoregressive",
    "flow",
]
