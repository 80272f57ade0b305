"""Floating-point operations of a program, counted in its jaxpr so that every turn of a loop counts."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.objective import Batch
from jaxgen.training import Entry, init_state, make_step

_MOVES = {
    "argsort", "bitcast_convert_type", "broadcast_in_dim", "concatenate", "convert_element_type", "copy", "dynamic_slice", "dynamic_update_slice",
    "gather", "iota", "pad", "random_bits", "random_fold_in", "random_seed", "random_split", "random_unwrap", "random_wrap", "reshape", "rev",
    "scatter", "select_n", "slice", "sort", "split", "squeeze", "stop_gradient", "transpose",
}  # fmt: skip
"""Operations that move numbers and compute none."""


def count_flops(function: Callable[..., Any], *args: Any) -> int:
    """Count the floating-point operations of a call.

    A product of matrices counts two operations for each multiplication with its addition, and everything else one for each number that comes out,
    as in XLA's cost analysis. XLA counts the body of a loop once; here it counts as often as it runs. Of a loop that ends by a condition the
    number of turns is not known, and one turn counts; of branches the dearest one counts.

    Args:
        function: A function of arrays.
        args: Its arguments, or their shapes (`jax.ShapeDtypeStruct`); nothing is computed.

    Returns:
        The number of operations.

    >>> import jax, jax.numpy as jnp
    >>> count_flops(lambda a, b: jnp.tanh(a @ b), jnp.ones((4, 3)), jnp.ones((3, 5)))  # 2 * 4 * 3 * 5 + 4 * 5
    140
    """
    return _count(jax.make_jaxpr(function)(*args).jaxpr, _operations)


def matmul_flops(function: Callable[..., Any], *args: Any) -> int:
    """Count the floating-point operations of all matrix products and convolutions of a call, which a peak of products is compared with.

    Loops and branches count as in `count_flops`. What is computed again for memory's sake counts again; products with the zeros that
    dilation puts into an image do not count.

    Args:
        function: A function of arrays.
        args: Its arguments, or their shapes (`jax.ShapeDtypeStruct`); nothing is computed.

    Returns:
        The number of operations.

    >>> import jax.numpy as jnp
    >>> matmul_flops(lambda a, b: jnp.tanh(a @ b), jnp.ones((4, 3)), jnp.ones((3, 5)))  # 2 * 4 * 3 * 5
    120
    """
    return _count(jax.make_jaxpr(function)(*args).jaxpr, _products)


def step_flops(entry: Entry, event_shape: tuple[int, ...], batch_size: int) -> int:
    """Count the floating-point operations of one training step of an entry without a condition, with the optimiser's.

    Args:
        entry: The entry.
        event_shape: The shape of an event.
        batch_size: The number of events in a batch.

    Returns:
        The number of operations. Work on the host, such as an optimal-transport plan, is not in it.

    >>> import jaxgen
    >>> one, two = (jaxgen.zoo.build("realnvp", (2,), width=32, num_layers=n) for n in (2, 4))
    >>> 1.8 < step_flops(two, (2,), 64) / step_flops(one, (2,), 64) < 2.2
    True
    """

    def batch_of(key: jax.Array) -> Batch:
        z = None if entry.objective.prepare is None else entry.model.base.sample(seed=key, sample_shape=(batch_size,))
        return Batch(jnp.zeros((batch_size, *event_shape)), z=z)

    key = jax.random.key(0)
    batch = jax.eval_shape(batch_of, key)
    state = jax.eval_shape(lambda k, b: init_state(k, entry, b, 1_000), key, batch._replace(z=None))
    return count_flops(make_step(entry, 1_000), state, batch, key)


def _count(jaxpr: Any, cost: Callable[[Any], int]) -> int:
    """Add the costs of equations, those of a loop's body as often as it runs."""
    return sum(_of_equation(equation, cost) for equation in jaxpr.eqns)


def _of_equation(equation: Any, cost: Callable[[Any], int]) -> int:
    name, costs = equation.primitive.name, [_count(jaxpr, cost) for jaxpr in _inner(equation.params)]
    if not costs:
        return cost(equation)
    return max(costs) if name == "cond" else sum(costs) * (equation.params["length"] if name == "scan" else 1)


def _products(equation: Any) -> int:
    size, first = equation.outvars[0].aval.size if equation.outvars else 0, equation.invars[:1]
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return 2 * size * math.prod(first[0].aval.shape[axis] for axis in contracted)
    if equation.primitive.name == "conv_general_dilated":
        kernel, layout = equation.invars[1].aval.shape, equation.params["dimension_numbers"].rhs_spec
        return 2 * size * math.prod(kernel) // (kernel[layout[0]] * math.prod(equation.params["lhs_dilation"]))
    return 0


def _operations(equation: Any) -> int:
    name = equation.primitive.name
    if name in ("dot_general", "conv_general_dilated"):
        return _products(equation)
    results = equation.invars if name.startswith("reduce_") or name in ("argmax", "argmin") else equation.outvars
    return 0 if name in _MOVES else sum(math.prod(getattr(v.aval, "shape", ())) for v in results)


def _inner(params: dict[str, Any]) -> Iterator[Any]:
    """The programs inside an equation: of a loop, of branches, of a call; rules of derivatives are not run."""
    for name, value in params.items():
        for item in value if isinstance(value, tuple | list) else (value,):
            program = getattr(item, "jaxpr", item)
            if hasattr(program, "eqns") and name not in ("jvp_jaxpr_fun", "fwd_jaxpr_thunk"):
                yield program
