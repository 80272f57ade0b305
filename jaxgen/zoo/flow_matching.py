"""Flow matching: the continuous normalizing flow's base and transform, found by regression on the velocity of a path."""

import math
from collections.abc import Sequence

from jaxgen import paths
from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import Net, time_mlp
from jaxgen.numerics import Solver
from jaxgen.objectives import couplings, flow_matching
from jaxgen.training import adam
from jaxgen.transforms import ode_flow
from jaxgen.zoo.guidance import steered, with_dropout
from jaxgen.zoo.registry import Recipe, register
from jaxgen.zoo.velocity import init_in_time, trace_for, velocity_flow

FAMILY = "flow matching"


@register(FAMILY)
def cfm(dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, learning_rate: float = 3e-3) -> Recipe:
    """Conditional flow matching with independent pairs (arXiv 2210.02747)."""
    return cfm_recipe(time_mlp(dim, width=width, depth=depth), (dim,), cond_dim, learning_rate)


def cfm_recipe(
    net: Net, shape: Sequence[int], cond_dim: int | None, learning_rate: float, solver: Solver | None = None, guidance: float = 1.0
) -> Recipe:
    """`cfm` of any network in `(x, t, cond)` for events of `shape`."""
    learnt = Model(normal(shape), velocity_flow(net, math.prod(shape), solver))
    prediction = steered(paths.prediction(paths.linear(), net.apply, "velocity"), cond_dim, guidance)
    flow = ode_flow(init_in_time(net), prediction.velocity, solver=solver, trace=trace_for(math.prod(shape)))
    objective = with_dropout(flow_matching(learnt), guidance)
    return Recipe({"default": Model(normal(shape), flow)}, objective, "flow matching", adam(learning_rate), 5_000)


@register(FAMILY)
def ot_cfm(dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, learning_rate: float = 3e-3) -> Recipe:
    """Flow matching with pairs from minibatch optimal transport (arXiv 2302.00482)."""
    model = Model(normal((dim,)), velocity_flow(time_mlp(dim, width=width, depth=depth), dim))
    objective = flow_matching(model, coupling="optimal_transport")
    return Recipe({"default": model}, objective, "flow matching, optimal transport", adam(learning_rate), 2_000)


@register(FAMILY, compared=False)
def sb_cfm(dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, sigma: float = 0.5, learning_rate: float = 3e-3) -> Recipe:
    """Schrodinger bridge flow matching: entropic pairs and a Brownian bridge of scale `sigma` between them (arXiv 2302.00482, section 3.2.4)."""
    model = Model(normal((dim,)), velocity_flow(time_mlp(dim, width=width, depth=depth), dim))
    bridge = paths.interpolant(variance=paths.brownian_variance(sigma**2))
    objective = flow_matching(model, bridge, coupling=couplings.entropic(2 * sigma**2))
    return Recipe({"default": model}, objective, "flow matching, Schrodinger bridge", adam(learning_rate), 5_000)


@register(FAMILY, compared=False)
def vp_cfm(dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, learning_rate: float = 3e-3) -> Recipe:
    """Flow matching on the variance-preserving trigonometric path (arXiv 2209.15571)."""
    model = Model(normal((dim,)), velocity_flow(time_mlp(dim, width=width, depth=depth), dim))
    objective = flow_matching(model, paths.trigonometric())
    return Recipe({"default": model}, objective, "flow matching, variance preserving", adam(learning_rate), 5_000)


@register(FAMILY, compared=False)
def c2ot_cfm(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 108,
    depth: int = 3,
    ratio: float | None = None,
    learning_rate: float = 3e-3,
) -> Recipe:
    """Flow matching with optimal transport that keeps to the condition (arXiv 2503.10636): for data with conditions; without, it is `ot_cfm`.

    ratio: None for classes; 0.05, the paper's, for continuous conditions.
    """
    model = Model(normal((dim,)), velocity_flow(time_mlp(dim, width=width, depth=depth), dim))
    objective = flow_matching(model, coupling=couplings.conditional_optimal_transport(ratio))
    return Recipe({"default": model}, objective, "flow matching, conditional transport", adam(learning_rate), 2_000)
