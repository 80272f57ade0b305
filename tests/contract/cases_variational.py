"""Cases of the contract: bijectors of distrax as transforms, constant and learnable, on a bounded and on an unbounded support."""

import distrax
import jax.numpy as jnp
from case import Case, D, on_normal

from jaxgen import transforms as T


def interval(rng, num):
    return rng.uniform(-0.95, 0.95, (num, D))


def moderate(rng, num):
    return rng.uniform(-2.5, 2.5, (num, D))


def triangular(params):
    """A map of each coordinate in a block before one of the whole event."""
    matrix = jnp.tril(params["matrix"], -1) + jnp.diag(1 + jnp.diag(params["matrix"]) ** 2)
    each = distrax.ScalarAffine(params["bias"], log_scale=params["log_scale"])
    return distrax.Chain([distrax.TriangularLinear(matrix), distrax.Block(each, 1)])


def learnable():
    return T.from_distrax(triangular, {"matrix": jnp.zeros((D, D)), "bias": jnp.zeros(D), "log_scale": jnp.zeros(D)})


CASES = {
    "from_distrax-tanh": Case(lambda: on_normal(T.from_distrax(distrax.Tanh())), noise=moderate, data=interval),
    "from_distrax-learnable": Case(lambda: on_normal(learnable())),
}
