"""The zoo: named models, about thirty lines each, as (base, transform, objective) and an optimiser."""

from jaxgen.zoo import (
    adversarial,
    autoencoder,
    autoregressive,
    bridges,
    diffusion,
    flow,
    flow_in_order,
    flow_map,
    flow_matching,
    images,
    residual,
)
from jaxgen.zoo.registry import COMPARED, FAMILIES, IMAGES, NAMES, build, describe, pixels
from jaxgen.zoo.sizing import count_params, num_sampling_params
from jaxgen.zoo.store import load, save
from jaxgen.zoo.units import in_units

__all__ = [
    "COMPARED",
    "FAMILIES",
    "IMAGES",
    "NAMES",
    "adversarial",
    "autoencoder",
    "autoregressive",
    "bridges",
    "build",
    "count_params",
    "describe",
    "diffusion",
    "flow",
    "flow_in_order",
    "flow_map",
    "flow_matching",
    "images",
    "in_units",
    "load",
    "num_sampling_params",
    "pixels",
    "residual",
    "save",
]
