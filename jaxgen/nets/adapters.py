"""Networks of Equinox and of Flax's NNX as `Net`s, whose params are one flat dict of arrays."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx

from jaxgen.compiled import traced_once
from jaxgen.nets.net import Net
from jaxgen.types import Cond, Key, Params

Parts: TypeAlias = tuple[dict[str, jax.Array], Callable[[Params], Callable[..., Any]]]


def from_equinox(make: Callable[[Key], Callable[..., Any]]) -> Net:
    """Turn an Equinox module into a `Net`.

    The arrays of floats in the module are the params, by their paths; everything else in it is kept as it is. Whatever is a pytree that can be
    called will do, and Equinox is not imported.

    Args:
        make: A function that makes the module from a key. It is called as `module(*inputs)` for one event, without conditions that are None.

    Returns:
        The network. Its params are a dict such as `{"layers.0.weight": ...}`. For weights trained elsewhere, `make` returns that module.

    Raises:
        TypeError: `make` is a module and no function that makes one, or makes what cannot be called.
        ValueError: The module holds arrays that cannot be trained; or, when it is called, its inputs have shapes that do not fit it.

    >>> import equinox as eqx
    >>> net = from_equinox(lambda key: eqx.nn.MLP(3, 4, 8, 2, key=key))
    >>> params = net.init(jax.random.key(0), jnp.ones(3))
    >>> net.apply(params, jnp.ones(3)).shape, params["layers.0.weight"].shape
    ((4,), (8, 3))
    """
    if jax.tree.leaves(make) != [make]:
        raise TypeError(f"from_equinox: make={type(make).__name__}, a module; accepted: a function that makes it, lambda key: ...")

    def parts(key: Key) -> Parts:
        module = make(key)
        if not callable(module):
            raise TypeError(f"from_equinox: make returned {type(module).__name__}; accepted: a module that can be called.")
        leaves, tree = jax.tree_util.tree_flatten_with_path(module)
        named = [(jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in leaves]
        params = {name: jnp.asarray(leaf) for name, leaf in named if _is_array(leaf)}
        fixed = {name: str(a.dtype) for name, a in params.items() if not jnp.issubdtype(a.dtype, jnp.floating)}
        if fixed:
            raise ValueError(f"from_equinox: {type(module).__name__} holds {fixed}; accepted: arrays of floats, which can be trained.")
        rest = [(name, None if name in params else leaf) for name, leaf in named]
        return params, lambda params: tree.unflatten([params.get(name, leaf) for name, leaf in rest])

    return _net("from_equinox", parts)


def from_nnx(make: Callable[[nnx.Rngs], Callable[..., Any]]) -> Net:
    """Turn a module of Flax's NNX into a `Net`.

    Args:
        make: A function that makes the module from `nnx.Rngs`. It is called as `module(*inputs)` for one event, without conditions that are None.

    Returns:
        The network. Its params are a dict such as `{"kernel": ...}`.

    Raises:
        TypeError: `make` is a module and no function that makes one.
        ValueError: The module has other state than `nnx.Param`, such as batch statistics or a stream of random numbers; or, when it is called,
            its inputs have shapes that do not fit it.

    >>> net = from_nnx(lambda rngs: nnx.Linear(3, 4, rngs=rngs))
    >>> params = net.init(jax.random.key(0), jnp.ones(3))
    >>> net.apply(params, jnp.ones(3)).shape, params["kernel"].shape
    ((4,), (3, 4))
    """
    if isinstance(make, nnx.Module):
        raise TypeError(f"from_nnx: make={type(make).__name__}, a module; accepted: a function that makes it, lambda rngs: ...")

    def parts(key: Key) -> Parts:
        graph, state, other = nnx.split(make(nnx.Rngs(key)), nnx.Param, ...)
        if jax.tree.leaves(other):
            kinds = sorted({type(leaf).__name__ for _, leaf in nnx.to_flat_state(other)})
            raise ValueError(f"from_nnx: the module has state of {', '.join(kinds)}; accepted: a module all of whose state is nnx.Param.")
        leaves, tree = jax.tree_util.tree_flatten_with_path(nnx.to_pure_dict(state))
        names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in leaves]
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), state)

        def rebuild(params: Params) -> Callable[..., Any]:
            filled = jax.tree.map(lambda leaf: leaf, shapes)
            nnx.replace_by_pure_dict(filled, tree.unflatten([params[name] for name in names]))
            return nnx.merge(graph, filled)

        return dict(zip(names, (leaf for _, leaf in leaves), strict=True)), rebuild

    return _net("from_nnx", parts)


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def _net(caller: str, parts: Callable[[Key], Parts]) -> Net:
    @functools.cache
    def rebuilt() -> Callable[[Params], Callable[..., Any]]:
        kept: list[Callable[[Params], Callable[..., Any]]] = []

        def of_key(key: Key) -> dict[str, jax.Array]:
            params, rebuild = parts(key)
            kept.append(rebuild)
            return params

        # What is no array is the same for each key, and nothing is computed to find it.
        jax.eval_shape(of_key, jax.eval_shape(lambda: jax.random.key(0)))
        return kept[0]

    @traced_once
    def apply(params: Params, *inputs: Cond) -> Any:
        given = [value for value in inputs if value is not None]
        module = rebuilt()(params)
        try:
            return module(*given)
        except (TypeError, ValueError) as error:
            shapes, weights = ", ".join(str(jnp.shape(value)) for value in given), _listed(params)
            said = str(error).splitlines()[0].rstrip(".")
            raise ValueError(
                f"{caller}: {type(module).__name__} does not take inputs of shapes {shapes} ({said}); accepted: inputs that fit {weights}."
            ) from error

    def init(key: Key, *inputs: Cond) -> Params:
        params = parts(key)[0]
        jax.eval_shape(apply, params, *inputs)
        return params

    return Net(init, apply)


def _listed(params: Params, most: int = 4) -> str:
    shown = [f"{name} {a.shape}" for name, a in list(params.items())[:most]]
    return ", ".join(shown) + (f" and {len(params) - most} more" if len(params) > most else "")
