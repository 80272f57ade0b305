"""Flow matching: the continuous normalizing flow's base and transform, found by regression on the velocity of a path."""

from jaxgen import paths
from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import time_mlp
from jaxgen.objectives import couplings, flow_matching
from jaxgen.training import adam
from jaxgen.zoo.registry import Recipe, register
from jaxgen.zoo.velocity import velocity_flow

FAMILY = "flow matching"


@register(FAMILY)
def cfm(dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, learning_rate: float = 3e-3) -> Recipe:
    """Conditional flow matching with independent pairs (arXiv 2210.02747)."""
    model = Model(normal((dim,)), velocity_flow(time_mlp(dim, width=width, depth=depth), dim))
    return Recipe({"default": model}, flow_matching(model), "flow matching", adam(learning_rate), 5_000)


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
