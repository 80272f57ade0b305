"""Whole-batch functions as compiled programs."""

import contextlib
import functools
import re
from collections.abc import Callable, Generator, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

import jax
from jax.extend.core import get_opaque_trace_state

# XLA's own 256 bits leave half of an AVX-512 register empty: 8 % of a flow's density (`benchmarks/flows.py`). Where registers are
# narrower the compiler takes what there is.
CPU_OPTIONS: dict[str, Any] = {"xla_cpu_prefer_vector_width": 512}
# For what runs once: compiling it well takes longer than running it.
_LIGHT: dict[str, Any] = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
_OUTERMOST = get_opaque_trace_state()
_PLATFORM: ContextVar[str | None] = ContextVar("platform", default=None)
_EVERY_LINE: ContextVar[bool] = ContextVar("every line", default=False)

Result = TypeVar("Result")


def compiled(*static: int) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Build a decorator that compiles a function, on the CPU with this library's options.

    JAX takes such options for outermost programs only: within a caller's own transformation the function is a part of the caller's program.

    Args:
        static: The places of the arguments that are static, as `jax.jit` takes them.

    Returns:
        The decorator.
    """

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        inner = jax.jit(function, static_argnums=static)
        outer = jax.jit(function, static_argnums=static, compiler_options=CPU_OPTIONS)

        @functools.wraps(function)
        def call(*args: Any) -> Result:
            try:
                return (outer if outermost() and jax.default_backend() == "cpu" else inner)(*args)
            except (TypeError, OverflowError) as error:
                named = _named(error)
                if named is None:
                    raise
                raise named from error

        return call

    return decorate


def traced_once(function: Callable[..., Result], static: Sequence[str] = ()) -> Callable[..., Result]:
    """Build the function that Python runs once for each kind of arguments, however many programs call it.

    A program that calls it gets its operations as if it had been traced there. Called outside of a program it is a program of its own, where
    the function itself would compile each of its operations.

    Args:
        function: A pure function of arrays.
        static: The names of arguments that are no arrays.

    Returns:
        The function of the same arguments.
    """

    # JAX remembers what it has traced by the function, so a platform, whose form may be another, has one of its own.
    @functools.lru_cache
    def cached(platform: str) -> Callable[..., Result]:
        return jax.jit(functools.partial(function), static_argnames=tuple(static), inline=True)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Result:
        return (function if _EVERY_LINE.get() else cached(platform()))(*args, **kwargs)

    return call


@contextlib.contextmanager
def every_line_traced() -> Generator[None]:
    """Trace the functions of `traced_once` anew, so that each operation knows the line of its function and not only who called it."""
    token = _EVERY_LINE.set(True)
    try:
        yield
    finally:
        _EVERY_LINE.reset(token)


def _named(error: Exception) -> ValueError | None:
    """Return the error of an argument that is no array as one of this library, and None for another error."""
    found = re.search(r"(?:at path|argument path is) (\w+)", str(error))
    if found is None:
        return None
    return ValueError(f"{found[1]}: a leaf is no array of numbers; accepted: arrays, such as those that jaxgen.init and jaxgen.fit return.")


def training_options() -> dict[str, Any]:
    """Return the compiler's options for a chunk of training on the CPU; JAX_DISABLE_MOST_OPTIMIZATIONS, if set, asks for less and stands."""
    if jax.config.read("jax_disable_most_optimizations"):
        return CPU_OPTIONS
    # It compiles a fifth to a third faster without what changed no step's time (couplings, splines, a VAE, flow matching).
    return {**CPU_OPTIONS, "xla_backend_optimization_level": 1, "xla_llvm_disable_expensive_passes": True}


def once(function: Callable[..., Result], *args: Any, out_shardings: Any = None) -> Result:
    """Run `function(*args)` as one program that compiles fast.

    Run piece by piece it would compile as many programs as it has operations.

    Args:
        function: A pure function of arrays.
        *args: Its arguments.
        out_shardings: How its results lie on a mesh, as `jax.jit` takes it; None leaves them where the arguments are.

    Returns:
        What `function` returns.
    """
    options = _LIGHT if jax.default_backend() == "cpu" else None
    return jax.jit(function, out_shardings=out_shardings, compiler_options=options)(*args)


def platform() -> str:
    """Return the kind of device that a program is traced for, "cpu" or another, on which forms of the same mathematics depend.

    Within `traced_for` it is the named one, and otherwise JAX's default backend.
    """
    return _PLATFORM.get() or jax.default_backend()


@contextlib.contextmanager
def traced_for(name: str) -> Generator[None]:
    """Trace what is traced within the block for the platform `name`.

    A function that `jax.jit` has traced before is not traced again.

    >>> with traced_for("gpu"):
    ...     platform()
    'gpu'
    """
    token = _PLATFORM.set(name)
    try:
        yield
    finally:
        _PLATFORM.reset(token)


def outermost() -> bool:
    """Return whether functions run as they are called, within no transformation of JAX."""
    return get_opaque_trace_state() == _OUTERMOST
