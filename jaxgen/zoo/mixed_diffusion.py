"""Diffusion of a table's rows: numbers lose Gaussian noise, categories lose a mask, and one network sees both."""

from collections.abc import Sequence

import jax.numpy as jnp

from jaxgen import paths
from jaxgen.bases import mixed_noise, normal
from jaxgen.model import Model
from jaxgen.nets import time_mlp
from jaxgen.objectives import mixed_bound
from jaxgen.training import Entry, adam
from jaxgen.transforms import categories_first, mixed_ancestral
from jaxgen.types import Cond, Key, Params
from jaxgen.zoo.any_subset import over_subsets
from jaxgen.zoo.diffusion import DIFFUSION
from jaxgen.zoo.forms import vector
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import read_as
from jaxgen.zoo.registry import register
from jaxgen.zoo.velocity import in_steps, trace_for


@register(DIFFUSION, vector(width=108, depth=3, growth=0.5, num_steps=5_000, small={"num_steps": 2, "num_ode_steps": None}), compared=False)
def mixed_diffusion(
    nets: Nets,
    *,
    categories: Sequence[int] | None = None,
    gates: Sequence[int] | None = None,
    num_steps: int = 100,
    num_ode_steps: int | None = 50,
    any_subset: bool = False,
    learning_rate: float = 3e-3,
) -> Entry:
    """Diffuse rows of numbers and categories under one process for each column: Gaussian noise for numbers, a mask for categories.

    The reading "ode" draws the categories one by one and then the numbers by an ODE, with an exact density; the reading "ancestral" draws all of
    them together on one grid of time, with a bound.

    Args:
        categories: How many categories each column has, 0 for a column of numbers; None if all columns are numbers. Categories are codes
            0.0, 1.0, ... in the event, as `jaxgen.data.load(..., discrete=)` makes them.
        gates: For each column the column of two categories whose code 1 says that it is missing, or -1; None if none is missing.
        num_steps: Steps of the "ancestral" reading.
        num_ode_steps: Steps of Heun's method that the ODE takes; None solves it adaptively.
        any_subset: As for `tabular`. There is no "ancestral" reading then.

    Source: arXiv 2410.20626; arXiv 2107.00630; arXiv 2406.07524; arXiv 2303.06555 for a time of each kind of column.
    """
    counts = (0,) * nets.size if categories is None else tuple(categories)
    if len(counts) != nets.size:
        raise ValueError(f"mixed_diffusion: categories={counts!r}; accepted: one count for each of the {nets.size} columns, 0 for numbers.")
    path = paths.mixed_path(counts, paths.vp_log_snr(-6.0, 9.0), gates or ())
    reads, writes = path.widths
    net = time_mlp(writes, width=nets.units, depth=nets.depth)
    # Given columns are told as the state is, beside which ones are given and asked for.
    told = reads + 2 * nets.size if any_subset else nets.cond_dim

    def init(key: Key, z: jnp.ndarray, cond: Cond = None) -> Params:
        zero = jnp.zeros(reads, z.dtype)
        return net.init(key, zero, zero[0], None if told is None else jnp.zeros(told, z.dtype))

    read = paths.mixed_prediction(path, net.apply, roles=any_subset)
    trace = trace_for(max(1, len(path.number_places)))
    readings = {
        "ode": Model(
            normal(nets.event), categories_first(init, read, solver=in_steps(num_ode_steps, "heun"), trace=trace, roles=any_subset)
        ),
        "ancestral": Model(
            mixed_noise(len(path.number_places), len(path.site_places), num_steps), mixed_ancestral(init, read, num_steps)
        ),
    }
    objective = mixed_bound(readings["ode"], path)
    if any_subset:
        del readings["ancestral"]
    return over_subsets("mixed_diffusion", nets, read_as(readings, objective, "variational bound", adam(learning_rate)), any_subset)
