"""Counting the parameters that sampling uses, and choosing a width that gives a wanted number of them."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model, init, sampling_params


def count_params(params: Any, kept: Any = None) -> int:
    """How many numbers `params` holds; with `kept`, a pytree of bools as `jaxgen.sampling_params` gives, those that are kept."""
    sizes = jax.tree.map(lambda a: math.prod(a.shape), params)
    return sum(jax.tree.leaves(sizes if kept is None else jax.tree.map(lambda n, k: n * bool(k), sizes, kept)))


def abstract_params(model: Model, cond_dim: int | None) -> tuple[Any, Any]:
    """Shapes of the model's params and of one condition, without computing anything."""
    cond = None if cond_dim is None else jax.ShapeDtypeStruct((cond_dim,), jnp.float32)
    return jax.eval_shape(lambda key, c: init(key, model, c), jax.random.key(0), cond), cond


def num_sampling_params(model: Model, cond_dim: int | None = None) -> int:
    """Parameters that sampling from `model` depends on, read off the traced program."""
    params, cond = abstract_params(model, cond_dim)
    return count_params(params, sampling_params(model, params, cond))


def width_for(model: Callable[[int], Model], target: int, cond_dim: int | None) -> int:
    """The width whose model samples with the number of parameters nearest to `target`. ValueError where none comes within half of it."""
    params, cond = abstract_params(model(8), cond_dim)
    kept = sampling_params(model(8), params, cond)

    @functools.cache
    def count(width: int) -> int:
        return count_params(abstract_params(model(width), cond_dim)[0], kept)

    low, high = 2, 4096
    while high - low > 1:
        # A layer between hidden ones has the square of the width: the root of the number is nearly linear in it.
        least, goal, most = (math.sqrt(n) for n in (count(low), target, count(high)))
        middle = round(low + (high - low) * (goal - least) / max(most - least, 1e-9))
        middle = min(max(middle, low + 1), high - 1)
        low, high = (middle, high) if count(middle) <= target else (low, middle)
    best = min((low, high), key=lambda width: abs(count(width) - target))
    if not 0.5 * target <= count(best) <= 1.5 * target:
        raise ValueError(
            f"num_params={target}: the nearest this entry comes is {count(best)} (width {best}); fewer layers or bins need fewer."
        )
    return best
