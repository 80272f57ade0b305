"""The rows of the matrix: one transform of each kind, with the objective that it is usually trained by."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxgen import objectives, paths
from jaxgen.bases import uniform
from jaxgen.model import Model
from jaxgen.nets import made
from jaxgen.training import Entry, adam
from jaxgen.transforms import affine, autoregressive, categorical, chain
from jaxgen.zoo import build

NUM_CATEGORIES, REACH = 32, 3.0
"""Categories of a coordinate, which cut [-REACH, REACH] into equal intervals."""


class Row(NamedTuple):
    """Describe one transform of the matrix.

    Attributes:
        build: `num_coordinates -> entry`: the model with the objective and optimiser that it is usually trained by.
        path: The Gaussian path on which the transform reads its network; None if it reads none on a path.
        parameterisation: The part that denoising trains; None if there is none.
        categories: Whether events are whole categories, so that data have to be rounded to them.
    """

    build: Callable[[int], Entry]
    path: paths.Path | None = None
    parameterisation: str | None = None
    categories: bool = False


def rounded(x: np.ndarray) -> np.ndarray:
    """Return points at the middle of the interval of `category_flow` that holds them.

    Args:
        x: Points of any shape.
    """
    width = 2 * REACH / NUM_CATEGORIES
    code = np.clip(np.floor((x + REACH) / width), 0, NUM_CATEGORIES - 1)
    return ((code + 0.5) * width - REACH).astype(np.float32)


def _categories(dim: int) -> Entry:
    width = 2 * REACH / NUM_CATEGORIES
    codes = autoregressive(categorical(NUM_CATEGORIES), made(NUM_CATEGORIES, width=64, depth=2))
    placed = chain(codes, affine(jnp.float32(0.5 * width - REACH), jnp.float32(width)))
    model = Model(uniform((dim,)), placed)
    return Entry(model, objectives.maximum_likelihood(model), adam(3e-3))


def _zoo(name: str, **options: Any) -> Callable[[int], Entry]:
    return lambda dim: build(name, (dim,), **options)


ROWS: dict[str, Row] = {
    "coupling": Row(_zoo("realnvp", width=48, depth=2, num_layers=8)),
    "spline": Row(_zoo("nsf", width=48, depth=2, num_layers=3)),
    "masked autoregressive": Row(_zoo("maf", width=48, depth=2, num_layers=6)),
    "autoregressive mixture": Row(_zoo("ar_mixture", width=64, depth=2, num_components=8)),
    "binned autoregressive": Row(_zoo("ar_discrete", width=64, depth=2, num_bins=64)),
    "categories": Row(_categories, categories=True),
    "residual": Row(_zoo("residual", width=48, depth=2, num_layers=4)),
    "neural autoregressive": Row(_zoo("naf", width=48, depth=2, num_layers=1)),
    "ODE on a grid": Row(_zoo("cfm", width=64, depth=3, num_steps=8), paths.linear(), "velocity"),
    "SDE sampler": Row(_zoo("ddpm", width=64, depth=3, num_steps=16), paths.vp_cosine(), "eps"),
    "noisy decoder": Row(_zoo("vae", width=64, depth=3)),
    "free generator": Row(_zoo("gan", width=64, depth=3)),
    "flow map": Row(_zoo("meanflow", width=64, depth=3, coupling="independent"), paths.linear(), "velocity"),
}
"""The transforms by name."""
