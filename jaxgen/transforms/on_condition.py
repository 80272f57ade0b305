"""A transform whose condition is replaced by a fixed function of it, such as a standardisation."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.lifting import lifted
from jaxgen.refusals import require_transform
from jaxgen.transform import Hooks, Maps, Part, Transform
from jaxgen.types import Cond


def on_condition(h: Callable[[jax.Array], jax.Array], f: Transform) -> Transform:
    """Replace the condition of `f` by `h(cond)`, wherever `f` reads it: in its maps, its hooks and its parts.

    Args:
        h: A fixed function of one condition `(*cond)`. An absent condition stays absent.
        f: A transform with conditions `h(cond)`.

    Returns:
        The transform with conditions `cond`, with the params of `f`.

    >>> import jax.numpy as jnp, jaxgen
    >>> from jaxgen.transform import Preimage, bijection, no_params
    >>> shift = bijection(
    ...     no_params,
    ...     lambda params, z, cond=None: (z + cond, jnp.zeros(())),
    ...     lambda params, x, cond=None, key=None: Preimage(x - cond, jnp.zeros(())),
    ... )
    >>> on_condition(lambda c: 10 * c, shift).forward((), jnp.ones(()), jnp.asarray(2.0)).item()
    21.0
    """
    require_transform("on_condition: f", f)

    def told(cond: Cond, batched: bool = False) -> Cond:
        if cond is None:
            return None
        return jax.vmap(h)(jnp.asarray(cond)) if batched else h(jnp.asarray(cond))

    def third(function: Any, batched: bool = False) -> Any:
        """`function(params, event, cond, ...)` with its condition replaced."""
        if function is None:
            return None
        return lambda params, x, cond=None, *key, **named: function(params, x, told(cond, batched), *key, **named)

    def keyword(part: Part) -> Part:
        return part._replace(function=lambda params, *args, cond=None, **named: part(params, *args, cond=told(cond), **named))

    return lifted(
        lambda change: on_condition(h, change(f)),
        lambda batched, maps: Maps(*(third(function, batched) for function in maps)),
        third(f.init),
        f,
        hooks=Hooks(third(f.hooks.stages), third(f.hooks.nfe), third(f.hooks.data_init, batched=True)),
        parts={name: keyword(part) for name, part in f.parts.items()},
    )
