"""Flow matching: the continuous normalizing flow's base and transform, found by regression on the velocity of a path."""

from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import time_mlp
from jaxgen.objectives import flow_matching
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
