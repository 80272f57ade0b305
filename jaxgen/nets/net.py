"""The contract of a network: parameters and inputs in, a value out."""

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Concatenate, NamedTuple, Protocol, TypeAlias

import flax.linen as nn
import jax

from jaxgen.compiled import traced_once
from jaxgen.types import Cond, Key, Params

Solve: TypeAlias = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
"""`f(theta_i, z_i) -> (x_i, aux_i)`: what one coordinate is, given its row of network outputs and its noise."""


class Substitute(Protocol):
    """Forward substitution through an autoregressive network."""

    def __call__(self, params: Params, f: Solve, z: jax.Array, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        """Return `(x, aux)` with `x[i], aux[i] = f(apply(params, x, cond)[i], z[i])`, coordinate by coordinate."""
        ...


class Net(NamedTuple):
    """Hold a network as two pure functions. Any `apply(params, ...)` fits, whatever library wrote it.

    Attributes:
        init: `(key, *inputs) -> params`, from example inputs of one event. A condition that is None is absent.
        apply: `(params, *inputs) -> output`, for one event.
        substitute: Forward substitution, for a network whose output row i depends on the inputs before i only:
            `(params, f, z, cond=None) -> (x, aux)`. `z` and `x` are `(d,)`, or have d numbers in raster order; `aux` is `(d,)`.
            A network over rows, such as `causal_row_transformer`, solves rows `(n, k)` in place of numbers.
            None lets `autoregressive` evaluate the whole network d times.

    >>> import jax.numpy as jnp
    >>> double = Net(lambda key, x: jnp.full(x.shape, 2.0), lambda params, x: params * x)
    >>> double.apply(double.init(jax.random.key(0), jnp.ones(3)), jnp.arange(3.0)).tolist()
    [0.0, 2.0, 4.0]
    """

    init: Callable[Concatenate[Key, ...], Params]
    apply: Callable[Concatenate[Params, ...], Any]
    substitute: Substitute | None = None


def from_linen(module: nn.Module) -> Net:
    """Turn a flax.linen module into a `Net`.

    Only the collection `params` is kept, so flax itself refuses a module with other state. `from_equinox` and `from_nnx` take modules of those.

    >>> import jax.numpy as jnp
    >>> net = from_linen(nn.Dense(4))
    >>> net.apply(net.init(jax.random.key(0), jnp.ones(3)), jnp.ones(3)).shape
    (4,)
    """

    same: Hashable = module if _is_hashable(module) else _Identity(module)
    return Net(lambda key, *inputs: _init(same, key, *inputs), lambda params, *inputs: _apply(same, params, *inputs))


class _Identity:
    """A module with fields that cannot be hashed, which is equal to itself only."""

    def __init__(self, module: nn.Module):
        self.init, self.apply = module.init, module.apply


def _is_hashable(module: nn.Module) -> bool:
    try:
        hash(module)
    except TypeError:
        return False
    return True


# Equal modules are traced once, for all the transforms that make one each.
@functools.partial(traced_once, static=("module",))
def _init(module: Any, key: Key, *inputs: Cond) -> Params:
    return module.init(key, *inputs).get("params", {})


@functools.partial(traced_once, static=("module",))
def _apply(module: Any, params: Params, *inputs: Cond) -> Any:
    return module.apply({"params": params}, *inputs)


def raveled(net: Net, shape: Sequence[int] | None = None) -> Net:
    """Make a network on vectors, such as `mlp`, a network on arrays.

    Args:
        net: A network whose first input is a vector.
        shape: The shape that the output is given. None leaves the output as `net` returns it.

    >>> import jax.numpy as jnp
    >>> from jaxgen.nets import mlp
    >>> net = raveled(mlp(12, width=4), (2, 6))
    >>> net.apply(net.init(jax.random.key(0), jnp.ones((2, 3))), jnp.ones((2, 3))).shape
    (2, 6)
    """

    def apply(params: Params, x: jax.Array, *inputs: Cond) -> jax.Array:
        y = net.apply(params, x.ravel(), *inputs)
        return y if shape is None else y.reshape(tuple(shape))

    return Net(lambda key, x, *inputs: net.init(key, x.ravel(), *inputs), apply)


def call(module: nn.Module, params: Params, *inputs: Any, method: str | Callable[..., Any] | None = None) -> Any:
    """Evaluate a method of a flax.linen module at `params`.

    Args:
        module: The module.
        params: Its params.
        *inputs: The arguments of the method.
        method: The method's name, a function of the module, or None for `__call__`.

    Returns:
        What the method returns.
    """
    return module.apply({"params": params}, *inputs, method=method)
