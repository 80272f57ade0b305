"""The options of a command, read from the source of its file, so that help and mistyped options need not import JAX."""

import ast
import builtins
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]


def outline(module: str, function: str) -> Callable[..., Any] | None:
    """Return a function that has the parameters and the docstring of a function of this package, and does nothing.

    Their types and defaults are values, names, unions, subscripts and calls such as `Path("runs")`; nothing else is understood.

    Args:
        module: The module, such as `"jaxgen.cli.train"`.
        function: The function there; only its keywords have defaults.

    Returns:
        The function without its body, or None if the file makes it in another way than by `def`, or is not there as source.

    >>> inspect.signature(outline("jaxgen.cli.export", "export")).parameters["out"].annotation.__name__
    'Path'
    >>> outline("jaxgen.cli.matrix", "matrix")
    """
    tree = _tree(module)
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function] if tree else []
    if not found:
        return None

    def outlined() -> None:
        raise AssertionError(function)

    given = found[0].args
    parameters: list[tuple[ast.arg, Any, ast.expr | None]] = [(arg, inspect.Parameter.POSITIONAL_ONLY, None) for arg in given.posonlyargs]
    parameters += [(arg, inspect.Parameter.POSITIONAL_OR_KEYWORD, None) for arg in given.args]
    parameters += [(arg, inspect.Parameter.KEYWORD_ONLY, default) for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    kept = [
        inspect.Parameter(
            arg.arg,
            kind,
            annotation=_value(arg.annotation, module) if arg.annotation else inspect.Parameter.empty,
            default=_value(default, module) if default else inspect.Parameter.empty,
        )
        for arg, kind, default in parameters
    ]
    outlined.__name__, outlined.__doc__ = function, ast.get_docstring(found[0], clean=False)
    outlined.__annotations__ = {parameter.name: parameter.annotation for parameter in kept}
    outlined.__signature__ = inspect.Signature(kept)  # pyright: ignore[reportFunctionMemberAccess]
    return outlined


def _tree(module: str) -> ast.Module | None:
    """The parsed file of a module of this package, which is not imported."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return ast.parse(file.read_text(encoding="utf-8"))
    return None


def _value(node: ast.expr, module: str) -> Any:
    """What an expression of a module is."""
    match node:
        case ast.Name(id=name):
            return _named(name, module)
        case ast.Tuple(elts=items):
            return tuple(_value(item, module) for item in items)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _value(left, module) | _value(right, module)
        case ast.Subscript(value=value, slice=index):
            return _value(value, module)[_value(index, module)]
        case ast.Call(func=called, args=args, keywords=[]):
            return _value(called, module)(*(_value(arg, module) for arg in args))
        case _:
            return ast.literal_eval(node)


def _named(name: str, module: str) -> Any:
    """What a name means in a module: what it assigns, what it imports, or a builtin."""
    tree = _tree(module)
    for node in tree.body if tree else ():
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    ours = node.module.split(".")[0] == PACKAGE.name
                    return _named(alias.name, node.module) if ours else getattr(importlib.import_module(node.module), alias.name)
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            return _value(node.value, module)
    return getattr(builtins, name)
