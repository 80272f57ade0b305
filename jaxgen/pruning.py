"""Which parameters sampling needs: at inference only the transformation remains, and that is read off the program."""

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
