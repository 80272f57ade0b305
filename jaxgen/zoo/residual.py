"""Normalizing flows that move the whole event at once: residual networks and Sylvester layers."""

from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import lipschitz_mlp, mlp
from jaxgen.objectives import maximum_likelihood
from jaxgen.training import adam
from jaxgen.transforms import chain, invert, lu, repeat
from jaxgen.transforms import residual as residual_layer
from jaxgen.transforms import sylvester as sylvester_layer
from jaxgen.zoo.registry import Recipe, register
from jaxgen.zoo.velocity import MAX_EXACT_TRACE

FAMILY = "normalizing flow"


@register(FAMILY, compared=False)
def residual(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 48,
    depth: int = 3,
    num_layers: int = 8,
    lipschitz: float = 0.9,
    learning_rate: float = 2e-3,
) -> Recipe:
    """Residual flow (arXiv 1906.02735): contractions with LU layers between; above 16 dimensions the log-det is estimated (UNBIASED)."""
    log_det = "exact" if dim <= MAX_EXACT_TRACE else "roulette"
    block = residual_layer(lipschitz_mlp(dim, width=width, depth=depth, lipschitz=lipschitz), lipschitz=lipschitz, log_det=log_det)
    model = Model(normal((dim,)), repeat(chain(block, lu()), num_layers))
    return Recipe({"default": model}, maximum_likelihood(model), "maximum likelihood", adam(learning_rate))


@register(FAMILY, compared=False)
def sylvester(
    dim: int, cond_dim: int | None, *, width: int = 32, num_bends: int = 4, cond_width: int = 32, learning_rate: float = 3e-3
) -> Recipe:
    """Sylvester flow (arXiv 1803.05649): `width` layers from data to noise, moved by a network where there is a condition; an LU layer scales."""
    net = None if cond_dim is None else lambda out: mlp(out, width=cond_width, depth=1, zero_last=True)
    model = Model(normal((dim,)), chain(repeat(invert(sylvester_layer(num_bends, net=net)), width), lu()))
    return Recipe({"default": model}, maximum_likelihood(model), "maximum likelihood", adam(learning_rate))
