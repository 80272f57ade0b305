"""Normalizing flows: an invertible transform of Gaussian noise, found by maximum likelihood."""

from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import Net, made, mlp, time_mlp
from jaxgen.numerics import fixed
from jaxgen.objectives import maximum_likelihood
from jaxgen.training import adam
from jaxgen.transform import Transform
from jaxgen.transforms import Scalar, alternating, autoregressive, chain, coupling, flip, rational_quadratic, repeat, scale_and_shift
from jaxgen.zoo.registry import Recipe, register
from jaxgen.zoo.velocity import velocity_flow

FAMILY = "normalizing flow"


def _couplings(scalar: Scalar, dim: int, width: int, depth: int, num_layers: int) -> Transform:
    def net(out: int) -> Net:
        return mlp(out, width=width, depth=depth, zero_last=True)

    if dim == 1:
        # One coordinate has no other to take turns with.
        return repeat(coupling(scalar, net), num_layers)
    return alternating(scalar, net, num_layers, unroll=_unroll(num_layers // 2, 4))


def _unroll(num: int, most: int) -> int:
    # Up to eight layers train faster written out, and compile as fast; of more, a loop keeps the program small.
    return max(1, num) if num <= most else 1


@register(FAMILY)
def realnvp(
    dim: int, cond_dim: int | None, *, width: int = 48, depth: int = 2, num_layers: int = 12, learning_rate: float = 3e-3
) -> Recipe:
    """Affine couplings (arXiv 1605.08803)."""
    model = Model(normal((dim,)), _couplings(scale_and_shift(), dim, width, depth, num_layers))
    return Recipe({"default": model}, maximum_likelihood(model), "maximum likelihood", adam(learning_rate))


@register(FAMILY)
def nsf(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 64,
    depth: int = 2,
    num_layers: int = 4,
    num_bins: int = 8,
    bound: float = 5.0,
    learning_rate: float = 3e-3,
) -> Recipe:
    """Rational-quadratic spline couplings (arXiv 1906.04032)."""
    model = Model(normal((dim,)), _couplings(rational_quadratic(num_bins, bound), dim, width, depth, num_layers))
    return Recipe({"default": model}, maximum_likelihood(model), "maximum likelihood", adam(learning_rate))


@register(FAMILY)
def maf(dim: int, cond_dim: int | None, *, width: int = 64, depth: int = 2, num_layers: int = 12, learning_rate: float = 3e-3) -> Recipe:
    """Masked autoregressive flow: affine, each coordinate given those before it (arXiv 1705.07057)."""
    layer = autoregressive(scale_and_shift(), made(2, width=width, depth=depth))
    model = Model(normal((dim,)), repeat(chain(layer, flip()), num_layers, unroll=_unroll(num_layers, 8)))
    return Recipe({"default": model}, maximum_likelihood(model), "maximum likelihood", adam(learning_rate))


@register(FAMILY)
def cnf(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 108,
    depth: int = 3,
    num_train_steps: int = 10,
    energy: float = 0.01,
    learning_rate: float = 5e-3,
) -> Recipe:
    """Continuous normalizing flow (arXiv 1806.07366): likelihood through the ODE, on a fixed grid and at a price for energy while training."""
    net = time_mlp(dim, width=width, depth=depth)
    model = Model(normal((dim,)), velocity_flow(net, dim))
    coarse = Model(model.base, velocity_flow(net, dim, fixed(num_train_steps, "midpoint"), energy))
    return Recipe({"default": model}, maximum_likelihood(coarse), "maximum likelihood", adam(learning_rate), 600)
