"""A function run operation by operation, to find where a number that is not finite comes from. It is slow, and run once a divergence."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxgen.compiled import every_line_traced
from jaxgen.types import PyTree

_LIBRARIES = ("/jax/", "/flax/", "/optax/", "/distrax/", "/diffrax/", "/equinox/")
SECONDS = 60.0
"""The search is given up after so long: each operation is compiled by itself."""


class _GivenUp(Exception):
    pass


class Operation(NamedTuple):
    """Hold one operation that was run.

    Attributes:
        name: The name of the primitive, such as "log"; "input" for an input of the function.
        place: The line of the program that asked for it, or the path of the input.
        inputs: The numbers of the operations whose results it read, -1 for a constant.
        finite: Whether its results are finite.
        ranges: The least and the greatest finite value of each input, of an operation whose result is not finite.
        dtype: The dtype of its first result.
    """

    name: str
    place: str
    inputs: tuple[int, ...] = ()
    finite: bool = True
    ranges: tuple[tuple[float, float], ...] = ()
    dtype: str = ""


class _Value(NamedTuple):
    array: Any
    number: int


class _Tape:
    """The operations that were run, until when more may be run, and the line that asked for the program that is run now."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.until, self.caller = time.monotonic() + SECONDS, ""

    def add(self, operation: Operation) -> int:
        """Return the number of an operation that is added."""
        self.operations.append(operation)
        return len(self.operations) - 1


def origin(function: Callable[..., PyTree], *args: PyTree) -> Operation | None:
    """Return the operation from which the first result of a function that is not finite got that way.

    Args:
        function: A pure function of arrays.
        *args: Its arguments; their paths name them.

    Returns:
        An operation that made numbers that are not finite from finite ones, or an input that is not finite. None if all results are finite,
        or after a minute.

    >>> import jax.numpy as jnp
    >>> found = origin(lambda a: jnp.sum(a["x"] * jnp.log(a["x"])), {"x": jnp.asarray([1.0, -1.0])})
    >>> found.name, found.ranges
    ('log', ((-1.0, 1.0),))
    """
    with every_line_traced():
        traced = jax.make_jaxpr(function)(*args)
    tape, inputs = _Tape(), []
    for path, leaf in jax.tree_util.tree_leaves_with_path(args):
        # The first element of a path is the number of the argument.
        name = jax.tree_util.keystr(path[1:], simple=True, separator="/")
        inputs.append(_Value(leaf, tape.add(Operation("input", name, finite=_finite([leaf])))))
    try:
        results = _run(traced, inputs, tape)
    except _GivenUp:
        return None
    bad = next((r.number for r in results if r.number >= 0 and not _finite([r.array])), None)
    while bad is not None:
        operation = tape.operations[bad]
        bad = next((i for i in operation.inputs if i >= 0 and not tape.operations[i].finite), None)
        if bad is None:
            return operation
    return None


def _run(traced: ClosedJaxpr, inputs: Sequence[_Value], tape: _Tape) -> list[_Value]:
    jaxpr: Jaxpr = traced.jaxpr
    known: dict[Any, _Value] = dict(zip(jaxpr.constvars, (_Value(c, -1) for c in traced.consts), strict=True))
    known |= dict(zip(jaxpr.invars, inputs, strict=True))

    def read(variable: Any) -> _Value:
        return _Value(variable.val, -1) if isinstance(variable, Literal) else known[variable]

    for equation in jaxpr.eqns:
        known |= dict(zip(equation.outvars, _apply(equation, [read(v) for v in equation.invars], tape), strict=True))
    return [read(v) for v in jaxpr.outvars]


def _apply(equation: Any, inputs: list[_Value], tape: _Tape) -> list[_Value]:
    """Run one equation, from within if it has a program of its own."""
    if time.monotonic() > tape.until:
        raise _GivenUp
    name, params, caller = equation.primitive.name, equation.params, tape.caller
    place = _place(equation) or caller
    inner = _program_of(equation, inputs)
    if inner is not None or name in ("scan", "while"):
        tape.caller = place
        if inner is not None:
            results = _run(*inner, tape)
        else:
            results = (_scan if name == "scan" else _while)(params, inputs, tape)
        tape.caller = caller
        return results
    given = equation.primitive.bind(*(i.array for i in inputs), **equation.primitive.get_bind_params(params))
    results = list(given) if equation.primitive.multiple_results else [given]
    finite = _finite(results)
    ranges = () if finite else tuple(_range(i.array) for i in inputs)
    dtype = str(getattr(results[0], "dtype", "")) if results else ""
    number = tape.add(Operation(name, place or "a line that is not known", tuple(i.number for i in inputs), finite, ranges, dtype))
    return [_Value(r, number) for r in results]


def _program_of(equation: Any, inputs: list[_Value]) -> tuple[ClosedJaxpr, list[_Value]] | None:
    """Return the program that an equation calls, and what it is given; None for an operation and for a loop."""
    params = equation.params
    if equation.primitive.name == "cond":
        branch = int(np.clip(int(inputs[0].array), 0, len(params["branches"]) - 1))
        return params["branches"][branch], inputs[1:]
    inner = next((params[p] for p in ("jaxpr", "call_jaxpr", "fun_jaxpr") if isinstance(params.get(p), ClosedJaxpr | Jaxpr)), None)
    if inner is None or equation.primitive.name in ("scan", "custom_linear_solve"):
        return None
    return inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ()), inputs


def _scan(params: dict[str, Any], inputs: list[_Value], tape: _Tape) -> list[_Value]:
    consts, carries, length = params["num_consts"], params["num_carry"], params["length"]
    fixed, carry, rows = inputs[:consts], inputs[consts : consts + carries], inputs[consts + carries :]
    each: list[list[_Value]] = [[] for _ in params["jaxpr"].jaxpr.outvars[carries:]]
    for i in reversed(range(length)) if params["reverse"] else range(length):
        out = _run(params["jaxpr"], [*fixed, *carry, *(_Value(r.array[i], r.number) for r in rows)], tape)
        carry = out[:carries]
        for column, value in zip(each, out[carries:], strict=True):
            column.append(value)
    stacked = []
    for column in each:
        # Of a stack the first row that is not finite is followed.
        number = next(
            (v.number for v in column if v.number >= 0 and not tape.operations[v.number].finite), column[0].number if column else -1
        )
        ordered = column[::-1] if params["reverse"] else column
        stacked.append(_Value(jnp.stack([v.array for v in ordered]), number))
    return [*carry, *stacked]


def _while(params: dict[str, Any], inputs: list[_Value], tape: _Tape) -> list[_Value]:
    first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    of_cond, of_body, state = inputs[:first], inputs[first:second], inputs[second:]
    while bool(_run(params["cond_jaxpr"], [*of_cond, *state], tape)[0].array):
        state = _run(params["body_jaxpr"], [*of_body, *state], tape)
    return state


def _is_float(array: Any) -> bool:
    return jnp.issubdtype(getattr(array, "dtype", np.result_type(type(array))), jnp.floating)


def _finite(arrays: Sequence[Any]) -> bool:
    return all(bool(jnp.all(jnp.isfinite(a))) for a in arrays if _is_float(a))


def _range(array: Any) -> tuple[float, float]:
    if not _is_float(array):
        return (float("nan"), float("nan"))
    values = np.asarray(array, np.float64)
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (float("nan"), float("nan"))


def _place(equation: Any) -> str:
    """Return the innermost line of the traceback that belongs to no library, and the function that it stands in; "" if there is none."""
    traceback = equation.source_info.traceback
    for frame in [] if traceback is None else traceback.frames:
        if not any(library in frame.file_name for library in _LIBRARIES) and not frame.file_name.endswith("training/tape.py"):
            file = frame.file_name[frame.file_name.rfind("/jaxgen/") + 1 :] if "/jaxgen/" in frame.file_name else frame.file_name
            return f"{file}:{frame.line_num} in {frame.function_name}"
    return ""
