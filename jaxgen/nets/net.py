"""The contract of a network: variables in, value out."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax


class Net(NamedTuple):
    """A network as two pure functions. Any `apply(params, ...)` fits, whatever library made it.

    init:  `(key, *inputs) -> params`, from example inputs of one event; None inputs are absent conditions.
    apply: `(params, *inputs) -> output`, one event.
    substitute: of a network whose output row i sees inputs before i only, forward substitution:
           `(params, f, z (d,), cond=None) -> (x (d,), aux (d,))` with `x[i], aux[i] = f(apply(params, x, cond)[i], z[i])`, in order of i.
           Events of another shape have their d numbers in raster order; x is shaped as z. `causal_rows` takes rows (n, k) for numbers.
           Optional: `autoregressive` evaluates the whole network d times where it is missing.
    """

    init: Callable[..., Any]
    apply: Callable[..., Any]
    substitute: Callable[..., Any] | None = None


def from_linen(module: nn.Module) -> Net:
    """A flax.linen module as a `Net`. Only the `params` collection is kept, so modules with other state are refused by flax itself."""

    def init(key: jax.Array, *inputs: Any) -> Any:
        return module.init(key, *inputs).get("params", {})

    return Net(init, lambda params, *inputs: module.apply({"params": params}, *inputs))


def call(module: nn.Module, params: Any, *inputs: Any, method: Any = None) -> Any:
    """`method` of a flax.linen module (a name, a function of the module, or its `__call__`) at `params`."""
    return module.apply({"params": params}, *inputs, method=method)
