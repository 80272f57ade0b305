"""What sampling does with parameters, read off the program: which of them it needs, and whether samples move with them."""

import jax
import jax.numpy as jnp

from jaxgen.arguments import require_model
from jaxgen.model import Model
from jaxgen.types import Cond, Event, Params, PyTree


def sampling_params(model: Model, params: Params, cond: Cond | jax.ShapeDtypeStruct = None) -> PyTree:
    """Return which leaves of `params` sampling depends on, found by dead-code elimination of the traced `forward`.

    The answer is a conservative superset: it is what the compiled program keeps, not what somebody declared.

    Args:
        model: The model.
        params: Its params; shapes suffice, so leaves may be `jax.ShapeDtypeStruct`.
        cond: One example condition or its shape, or None.

    Returns:
        A pytree of bools, shaped as `params`.

    >>> import jax, jaxgen
    >>> entry = jaxgen.zoo.build("vae", event_shape=(2,), width=4)
    >>> needed = jaxgen.sampling_params(entry.model, jaxgen.init(jax.random.key(0), entry.model))
    >>> all(jax.tree.leaves(needed["decoder"])), any(jax.tree.leaves(needed["encoder"]))
    (True, False)
    """
    require_model("sampling_params", model)
    leaves, treedef = jax.tree.flatten(params)
    z = jax.eval_shape(lambda k: model.base.sample(seed=k), jax.random.key(0))

    def forward(*flat: PyTree) -> Event:
        *flat_params, noise, condition = flat
        return model.transform.forward(jax.tree.unflatten(treedef, flat_params), noise, condition)

    abstract = [jax.ShapeDtypeStruct(jnp.shape(a), a.dtype) for a in leaves]
    exported = jax.export.export(jax.jit(forward), platforms=("cpu",))(*abstract, z, cond)
    needed = set(exported.module_kept_var_idx)
    return jax.tree.unflatten(treedef, [i in needed for i in range(len(leaves))])


def moves_with_params(model: Model, params: Params, cond: Cond | jax.ShapeDtypeStruct = None) -> bool:
    """Return whether samples move with the params: whether the derivative of a sample in the params is more than zero by construction.

    It is zero by construction where `forward` returns a category, which is piecewise constant in the params. The answer is read off the
    traced derivative by dead-code elimination, so a derivative that happens to be zero at these params still counts.

    Args:
        model: The model.
        params: Its params; shapes suffice.
        cond: One example condition or its shape, or None.

    >>> import jax, jax.numpy as jnp, jaxgen
    >>> logits = jaxgen.nets.Net(lambda key, x, cond: jnp.zeros((1, 3)), lambda params, x, cond: params)
    >>> category = jaxgen.transforms.autoregressive(jaxgen.transforms.categorical(3), logits)
    >>> moves_with_params(jaxgen.Model(jaxgen.bases.uniform((1,)), category), jnp.zeros((1, 3)))
    False
    """
    leaves, treedef = jax.tree.flatten(params)
    abstract = [jax.ShapeDtypeStruct(jnp.shape(a), a.dtype) for a in leaves]
    z = jax.eval_shape(lambda k: model.base.sample(seed=k), jax.random.key(0))
    moved = [i for i, leaf in enumerate(abstract) if jnp.issubdtype(leaf.dtype, jnp.floating)]

    def derivative(direction: list[jax.Array], flat: list[jax.Array], noise: PyTree, condition: Cond) -> Event:
        def sample_at(values: list[jax.Array]) -> Event:
            given = dict(zip(moved, values, strict=True))
            full = jax.tree.unflatten(treedef, [given.get(i, leaf) for i, leaf in enumerate(flat)])
            return model.transform.forward(full, noise, condition)

        return jax.jvp(sample_at, ([flat[i] for i in moved],), (direction,))[1]

    exported = jax.export.export(jax.jit(derivative), platforms=("cpu",))([abstract[i] for i in moved], abstract, z, cond)
    return any(i < len(moved) for i in exported.module_kept_var_idx)
