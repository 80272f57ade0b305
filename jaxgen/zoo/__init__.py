"""The zoo: named models, about thirty lines each, as (base, transform, objective) and an optimiser.

Every zoo function takes `nets`, which says what events and conditions are and makes networks of the chosen size, and `learning_rate`, which
is Adam's; its docstring lists its other options. `build` calls it with the defaults of its form for vectors or for images.
"""

from jaxgen.zoo import (
    adversarial,
    autoencoder,
    autoencoder_of_pixels,
    autoregressive,
    autoregressive_of_pixels,
    bridges,
    diffusion,
    discrete_diffusion,
    flow,
    flow_in_order,
    flow_map,
    flow_matching,
    flow_of_pixels,
    latent_flow,
    mixed_diffusion,
    mixture,
    residual,
)
from jaxgen.zoo.forms import image, sequence, vector
from jaxgen.zoo.image_sizes import SIZES, Size, default_size
from jaxgen.zoo.known_cells import partial_rows, takes_gaps
from jaxgen.zoo.marginals import Marginal, find_marginal
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.registry import (
    COMPARED,
    DISCRETE,
    FAMILIES,
    IMAGES,
    NAMES,
    Family,
    build,
    describe,
    docstring,
    forget,
    pixels,
    register,
    small,
)
from jaxgen.zoo.sizing import count_params, num_sampling_params
from jaxgen.zoo.store import load, restored, save
from jaxgen.zoo.tables import Layout, Prepared, build_on, encoded, encoded_with_log_det, exact, find_marginals, on_table, prepare, schema_of
from jaxgen.zoo.units import in_units

__all__ = [
    "COMPARED",
    "DISCRETE",
    "FAMILIES",
    "IMAGES",
    "NAMES",
    "SIZES",
    "Family",
    "Layout",
    "Marginal",
    "Nets",
    "Prepared",
    "Size",
    "adversarial",
    "autoencoder",
    "autoencoder_of_pixels",
    "autoregressive",
    "autoregressive_of_pixels",
    "bridges",
    "build",
    "build_on",
    "count_params",
    "default_size",
    "describe",
    "diffusion",
    "discrete_diffusion",
    "docstring",
    "encoded",
    "encoded_with_log_det",
    "exact",
    "find_marginal",
    "find_marginals",
    "flow",
    "flow_in_order",
    "flow_map",
    "flow_matching",
    "flow_of_pixels",
    "forget",
    "image",
    "in_units",
    "latent_flow",
    "load",
    "mixed_diffusion",
    "mixture",
    "num_sampling_params",
    "on_table",
    "partial_rows",
    "pixels",
    "prepare",
    "register",
    "residual",
    "restored",
    "save",
    "schema_of",
    "sequence",
    "small",
    "takes_gaps",
    "vector",
]
