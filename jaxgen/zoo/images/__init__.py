"""The zoo's forms for images, (height, width, channels): the same families with networks that know neighbours."""

from jaxgen.zoo.images import autoregressive, glow

__all__ = ["autoregressive", "glow"]
