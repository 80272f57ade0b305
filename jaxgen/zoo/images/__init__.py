"""The zoo's forms for images, (height, width, channels): the same families with networks that know neighbours."""

from jaxgen.zoo.images import adversarial, diffusion, few_steps, flow_matching

__all__ = ["adversarial", "diffusion", "few_steps", "flow_matching"]
