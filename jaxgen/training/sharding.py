"""How the state of a training lies on a mesh: born there, the optimiser and the moving average beside the params that they belong to."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen.meshes import automatic, data_axis, over_other_axes, split_rows
from jaxgen.objective import Batch, Spread
from jaxgen.training.state import State
from jaxgen.types import Aux, Params

Shard: TypeAlias = Literal["replicated", "fsdp"] | Callable[[str, jax.ShapeDtypeStruct], P]
"""How params are laid out: copies on every device, split over the data axis, or a function of a leaf's path and shape."""
FEWEST = 1_024
"""Arrays of fewer numbers stay whole: splitting them saves nothing, and gathering each is a message of its own."""


class StateSharding(NamedTuple):
    """Say where each array of a training's state lies, as `state_sharding` returns it.

    Attributes:
        mesh: The mesh. The rows of a batch are split over its axis "data", or over its first axis if none has that name.
        state: A `State` that holds a sharding in place of each array.
    """

    mesh: Mesh
    state: State

    def rows(self, batch: Batch, axis: int = 0) -> Batch:
        """Ask the compiler to split the rows of a batch over the devices, and those of what a loss draws for them.

        Args:
            batch: The traced batch.
            axis: The axis of the rows.
        """
        return split_rows(self.mesh, batch, axis)._replace(share=Spread(self.mesh))

    def gathered(self, trained: tuple[Params, Aux]) -> tuple[Params, Aux]:
        """Ask the compiler for params and auxiliaries whole over the data axis, as each device needs them for its own rows.

        Args:
            trained: The traced params, or their moving average, and auxiliaries. What is not read is not gathered.
        """
        lies = (self.state.params, self.state.aux)
        return jax.tree.map(lambda a, s: jax.lax.with_sharding_constraint(a, over_other_axes(s)), trained, lies)

    def place_rows(self, batch: Batch) -> Batch:
        """Return a batch on the mesh of which each process holds its own rows, such as what it has read of a stream.

        Args:
            batch: The rows of this process, the same number in each process and in the order of the processes. They divide by the number of
                its devices along the data axis.
        """
        sharding = NamedSharding(self.mesh, P(data_axis(self.mesh)))
        return jax.tree.map(lambda a: jax.make_array_from_process_local_data(sharding, np.asarray(a)), batch)


def state_sharding(mesh: Mesh, shard: Shard, state: State) -> StateSharding:
    """Return how the state of a training lies on a mesh.

    The optimiser's arrays and the moving average follow the params that they belong to, by path and shape; everything else of the optimiser
    is on all devices.

    Args:
        mesh: The mesh.
        shard: "replicated" gives every device a copy of the state. "fsdp" splits the largest axis that divides by the number of devices along
            the data axis, for arrays of at least 1,024 numbers. A function `(path, array) -> PartitionSpec` says it for the arrays of params
            and auxiliaries, whose paths are such as "params/dense/kernel" and whose shapes and dtypes it is given.
        state: A state, or one of `jax.ShapeDtypeStruct`.

    Returns:
        The sharding, which `make_step` takes.

    Raises:
        ValueError: `shard` is no such word or function, or an array does not divide as the function says.

    >>> import jax, jaxgen
    >>> entry = jaxgen.zoo.build("realnvp", event_shape=(2,), width=8, num_layers=1)
    >>> batch = jaxgen.Batch(jax.numpy.zeros((4, 2)))
    >>> state = jax.eval_shape(lambda: jaxgen.training.init_state(jax.random.key(0), entry, batch, 10))
    >>> mesh = jax.make_mesh((1,), ("data",))
    >>> tuple(jaxgen.training.state_sharding(mesh, "fsdp", state).state.step.spec)
    ()
    """
    mesh = automatic(mesh)
    rule = _rule(mesh, shard)
    trained = jax.tree_util.tree_leaves_with_path((state.params, state.aux))
    known = {path: (leaf.shape, rule(_name(path), leaf)) for path, leaf in trained}

    def follow(path: Any, leaf: Any) -> NamedSharding:
        # The longest end of its path at which a trained array of its shape has its own.
        for start in range(len(path)):
            shape, sharding = known.get(path[start:], (None, None))
            if sharding is not None and shape == leaf.shape:
                return sharding
        return NamedSharding(mesh, P())

    params, aux = jax.tree_util.tree_map_with_path(lambda path, _: known[path][1], (state.params, state.aux))
    opt_state = jax.tree_util.tree_map_with_path(follow, state.opt_state)
    return StateSharding(mesh, state._replace(step=NamedSharding(mesh, P()), params=params, aux=aux, opt_state=opt_state, ema=params))


def bytes_per_device(state: State, sharding: StateSharding) -> int:
    """Return how many bytes of a state the fullest device holds.

    Args:
        state: A state, or one of `jax.ShapeDtypeStruct`.
        sharding: How it lies.
    """
    each = jax.tree.map(lambda a, s: int(np.prod(s.shard_shape(a.shape))) * a.dtype.itemsize, state, sharding.state)
    return sum(jax.tree.leaves(each))


def _rule(mesh: Mesh, shard: Shard) -> Callable[[str, Any], NamedSharding]:
    if shard == "replicated":
        return lambda name, leaf: NamedSharding(mesh, P())
    if shard == "fsdp":
        return lambda name, leaf: NamedSharding(mesh, _largest_axis(leaf.shape, data_axis(mesh), mesh))
    if not callable(shard):
        raise ValueError(f"fit: shard={shard!r}; accepted: 'replicated', 'fsdp', or a function (path, array) -> PartitionSpec.")

    def by_function(name: str, leaf: Any) -> NamedSharding:
        spec = shard(name, jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
        try:
            sharding = NamedSharding(mesh, spec)
            sharding.shard_shape(leaf.shape)
        except Exception as error:
            raise ValueError(
                f"fit: shard={spec!r} for {name} of shape {leaf.shape}; accepted: a PartitionSpec over the axes {mesh.axis_names} that "
                f"divides it ({str(error).splitlines()[0]})."
            ) from None
        return sharding

    return by_function


def _largest_axis(shape: tuple[int, ...], name: str, mesh: Mesh) -> P:
    sizes = [(size, -axis) for axis, size in enumerate(shape) if size % mesh.shape[name] == 0]
    if np.prod(shape) < FEWEST or not sizes:
        return P()
    return P(*(None,) * -max(sizes)[1], name)


def _name(path: Any) -> str:
    return "/".join(("params" if path[0].idx == 0 else "aux", *filter(None, [jax.tree_util.keystr(path[1:], simple=True, separator="/")])))
