"""Count the parameters that sampling uses, and choose a width that gives a wanted number of them."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model, init
from jaxgen.pruning import sampling_params
from jaxgen.types import Params, PyTree

NARROWEST, WIDEST = 2, 4096


def count_params(params: Params, kept: PyTree | None = None) -> int:
    """Return how many numbers `params` holds.

    Args:
        params: A pytree of arrays, or of their shapes.
        kept: A pytree of bools as `jaxgen.sampling_params` returns it, which says what to count; None counts everything.

    >>> import jax.numpy as jnp
    >>> count_params({"a": jnp.zeros((2, 3)), "b": jnp.zeros(4)}, {"a": True, "b": False})
    6
    """
    sizes = jax.tree.map(lambda a: math.prod(a.shape), params)
    return sum(jax.tree.leaves(sizes if kept is None else jax.tree.map(lambda n, k: n * bool(k), sizes, kept)))


def abstract_params(model: Model, cond_dim: int | None) -> tuple[Params, jax.ShapeDtypeStruct | None]:
    """Return the shapes of a model's params and of one condition, without computing anything.

    Args:
        model: The model.
        cond_dim: The size of a condition; None without conditions.
    """
    cond = None if cond_dim is None else jax.ShapeDtypeStruct((cond_dim,), jnp.float32)
    return jax.eval_shape(lambda key, c: init(key, model, c), jax.random.key(0), cond), cond


def num_sampling_params(model: Model, cond_dim: int | None = None) -> int:
    """Return how many parameters sampling depends on, read off the traced program.

    Args:
        model: The model to sample from.
        cond_dim: The size of a condition; None without conditions.
    """
    params, cond = abstract_params(model, cond_dim)
    return count_params(params, sampling_params(model, params, cond))


def width_for(model: Callable[[int], Model], target: int, cond_dim: int | None) -> int:
    """Return the width from 2 to 4,096 whose model samples with the number of parameters nearest to `target`.

    Args:
        model: `model(width)` returns the model of that width.
        target: The wanted number of parameters.
        cond_dim: The size of a condition; None without conditions.

    Raises:
        ValueError: No width comes within half of the target.
    """
    checks.number("zoo.build: num_params", target, above=0)
    params, cond = abstract_params(model(8), cond_dim)
    kept = sampling_params(model(8), params, cond)

    @functools.cache
    def count(width: int) -> int:
        sized = abstract_params(model(width), cond_dim)[0]
        # A masked network that is narrower than its input has further arrays.
        same = jax.tree.structure(sized) == jax.tree.structure(params)
        return count_params(sized, kept if same else sampling_params(model(width), sized, cond))

    low, high = NARROWEST, WIDEST
    while high - low > 1:
        # A layer between hidden ones has the square of the width: the root of the number is nearly linear in it.
        least, goal, most = (math.sqrt(n) for n in (count(low), target, count(high)))
        middle = round(low + (high - low) * (goal - least) / max(most - least, 1e-9))
        middle = min(max(middle, low + 1), high - 1)
        low, high = (middle, high) if count(middle) <= target else (low, middle)
    best = min((low, high), key=lambda width: abs(count(width) - target))
    if not 0.5 * target <= count(best) <= 1.5 * target:
        raise ValueError(
            f"zoo.build: num_params={target!r}; accepted: a number near {count(best)}, which this entry has at width {best}, or fewer layers."
        )
    return best
