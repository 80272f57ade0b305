"""The functions of a model as programs of arrays by name, lowered for a batch of any size and for several platforms."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.model import Model, encode_rows, log_prob_rows, sample_rows
from jaxgen.training.checkpoint import tree_named
from jaxgen.transform import Density
from jaxgen.types import DTypeLike, Key, Params, PyTree, Shape

PLATFORMS = ("cpu", "cuda", "tpu")

Arrays = dict[str, jax.Array]


class Program(NamedTuple):
    """Hold a function of a model over a batch.

    Attributes:
        function: `(params, inputs) -> results`: all are arrays by name, and those of `inputs` and `results` have a row for each event.
        inputs: The shape and dtype of one row of each input.
    """

    function: Callable[[Arrays, Arrays], Arrays]
    inputs: dict[str, jax.ShapeDtypeStruct]


def programs_of(
    model: Model,
    params: Params,
    event: Shape,
    cond: Shape | None = None,
    *,
    density: Model | None = None,
    num_draws: int = 16,
    dtype: DTypeLike = jnp.float32,
) -> dict[str, Program]:
    """Return the functions of a model by name: "sample", and "log_prob" and "inverse" if it has a density.

    Args:
        model: The model.
        params: Its params, or their shapes.
        event: The shape of an event.
        cond: The shape of a condition; None for a model without conditions.
        density: The model whose density and inverse are taken, such as one with refined solvers; None takes `model`.
        num_draws: How many draws estimate a density that is not exact.
        dtype: The dtype of events and conditions.

    Returns:
        The programs. Keys are the numbers of threefry keys, `(n, 2)`. "sample" gives `x`; "log_prob" gives `value` in nats and, if it is
        estimated, `stderr`; "inverse" gives the noise, leaf by leaf.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> {name: list(program.inputs) for name, program in programs_of(model, (), (2,)).items()}
    {'sample': ['keys'], 'log_prob': ['x'], 'inverse': ['x']}
    """
    like, density = jax.eval_shape(lambda: params), density or model
    keys, exact = jax.ShapeDtypeStruct((2,), jnp.uint32), density.transform.kind is Density.EXACT
    given = {} if cond is None else {"cond": jax.ShapeDtypeStruct(cond, dtype)}

    def sample(params: Params, at: Arrays) -> PyTree:
        return {"x": sample_rows(model, params, _keys(at["keys"]), at.get("cond"))}

    def log_prob(params: Params, at: Arrays) -> PyTree:
        value, stderr = log_prob_rows(density, num_draws, params, None if exact else _keys(at["keys"]), at["x"], at.get("cond"))
        return {"value": value} if stderr is None else {"value": value, "stderr": stderr}

    def inverse(params: Params, at: Arrays) -> PyTree:
        return {"noise": encode_rows(density, params, None if exact else _keys(at["keys"]), at["x"], at.get("cond"))}

    def program(function: Callable[[Params, Arrays], PyTree], **inputs: jax.ShapeDtypeStruct) -> Program:
        return Program(lambda flat, at: tree_named(function(_tree(flat, like), at)), {**inputs, **given})

    programs = {"sample": program(sample, keys=keys)}
    if density.transform.kind is not Density.IMPLICIT:
        drawn = {"x": jax.ShapeDtypeStruct(event, dtype)} | ({} if exact else {"keys": keys})
        programs |= {"log_prob": program(log_prob, **drawn), "inverse": program(inverse, **drawn)}
    return programs


def lowered(program: Program, params: Params, platforms: Sequence[str] = PLATFORMS) -> jax.export.Exported:
    """Lower a program to StableHLO for a batch of any size.

    Args:
        program: The program.
        params: The params of the model, or their shapes.
        platforms: The platforms, as JAX names them.

    Returns:
        What `jax.export` makes of it; its inputs and results have the symbolic size "n".
    """
    (num,) = jax.export.symbolic_shape("n")
    shapes = {name: jax.ShapeDtypeStruct(a.shape, a.dtype) for name, a in tree_named(jax.eval_shape(lambda: params)).items()}
    inputs = {name: jax.ShapeDtypeStruct((num, *row.shape), row.dtype) for name, row in program.inputs.items()}
    return jax.export.export(jax.jit(program.function), platforms=platforms)(shapes, inputs)


def _keys(data: jax.Array) -> Key:
    return jax.random.wrap_key_data(data, impl="threefry2x32")


def _tree(flat: Arrays, like: PyTree) -> PyTree:
    return jax.tree.unflatten(jax.tree.structure(like), [flat[name] for name in tree_named(like)])
