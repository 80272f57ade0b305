"""`jaxgen`: read the command, set JAX up before it starts, and turn a user's mistake into one line."""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What the machine refuses, such as a full disk, is said in one line too.
USER_MISTAKES = (ValueError, TypeError, OSError, FloatingPointError)


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit.

    The exit status is 0 if all went well, 1 if an entry of `compare`, a run of `study` or a law of `verify` failed, 2 for a mistake in the
    arguments or a disk that refuses, and 130 after an interrupt. With JAXGEN_TRACEBACK in the environment, a mistake shows its traceback.
    """
    import tyro

    from jaxgen_command import Kept

    warnings.showwarning = _say_own(warnings.showwarning)
    set_up_jax()
    argv, prog, commands = sys.argv[1:] if argv is None else argv, "jaxgen", _commands()
    description = "Deep generative models as probability transformation functions."
    if argv[:1] == ["study"]:
        argv, prog, commands, description = (
            argv[1:],
            "jaxgen study",
            _studies(),
            "Experiments that train models side by side and write a page.",
        )
    command = tyro.extras.subcommand_cli_from_dict(commands, prog=prog, description=description, args=argv)
    try:
        status = command()
    except KeyboardInterrupt:
        print(f"jaxgen: interrupted; {Kept.text}", file=sys.stderr)
        status = 130
    except USER_MISTAKES as error:
        if os.environ.get("JAXGEN_TRACEBACK"):
            raise
        print(f"jaxgen: error: {error}", file=sys.stderr)
        status = 2
    sys.exit(status)


def _say_own(others: Callable[..., None]) -> Callable[..., None]:
    """Return how warnings are shown: this library's in one line, all others as before."""

    def show(message: Warning, category: type[Warning], filename: str, *rest: Any) -> None:
        if category is UserWarning and f"{os.sep}jaxgen{os.sep}" in filename:
            print(f"jaxgen: {message}", file=sys.stderr)
        else:
            others(message, category, filename, *rest)

    return show


def set_up_jax() -> None:
    """Give JAX one host device for each core and a folder for compiled programs, unless the environment says otherwise."""
    import jax

    if "XLA_FLAGS" not in os.environ and "JAX_NUM_CPU_DEVICES" not in os.environ:
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if not jax.config.jax_compilation_cache_dir:  # pyright: ignore[reportAttributeAccessIssue]
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxgen"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def _commands() -> dict[str, Callable[..., Callable[[], int]]]:
    from jaxgen.cli import compare, evaluate, list_, log_prob, sample, study, train, verify

    functions = {"compare": compare.compare, "list": list_.list_entries, "train": train.train, "sample": sample.sample}
    functions |= {"evaluate": evaluate.evaluate, "log-prob": log_prob.log_prob, "verify": verify.verify, "study": study.study}
    return {name: _later(function) for name, function in functions.items()}


def _studies() -> dict[str, Callable[..., Callable[[], int]]]:
    from jaxgen.cli.study import STUDIES

    return {name: _later(function) for name, function in STUDIES.items()}


def _later(function: Callable[..., int]) -> Any:
    import functools
    import inspect

    @functools.wraps(function)
    def collect(*args: Any, **kwargs: Any) -> Callable[[], int]:
        return lambda: function(*args, **kwargs)

    collect.__signature__ = inspect.signature(function).replace(return_annotation=Any)  # pyright: ignore[reportAttributeAccessIssue]
    return collect
