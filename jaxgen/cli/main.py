"""`jaxgen`: read the command, set JAX up before it starts, and turn a user's mistake into one line."""

import difflib
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxgen import __version__
from jaxgen.cli.outline import outline
from jaxgen.cli.signals import Kept, answer_interrupts

# What the machine refuses, such as a full disk, is said in one line too.
USER_MISTAKES = (ValueError, TypeError, OSError, FloatingPointError)


class Command(NamedTuple):
    """A command whose module is imported only when it runs, so that help and mistakes cost no import of JAX.

    Attributes:
        module: The module below `jaxgen.cli`.
        function: The function there.
        sentence: The first line of its docstring.
    """

    module: str
    function: str
    sentence: str

    def load(self) -> Callable[..., int]:
        """Import the function."""
        return getattr(importlib.import_module(f"jaxgen.cli.{self.module}"), self.function)

    def options(self) -> Callable[..., Any]:
        """Return a function with the command's options and help, without importing its module if that can be helped."""
        return outline(f"jaxgen.cli.{self.module}", self.function) or self.load()

    def stand_in(self) -> Callable[..., Callable[[], int]]:
        """Return a function without options that has the command's sentence for its help."""

        def stands_in() -> Callable[[], int]:
            raise AssertionError(self.module)

        stands_in.__doc__ = self.sentence
        return stands_in


COMMANDS = {
    "compare": Command(
        "compare",
        "compare",
        "Train models on the same data with the same number of sampling parameters, and write results.json and report.html.",
    ),
    "list": Command(
        "list_",
        "list_entries",
        "Print the models of the zoo by family, each with its objective and the kind of its density, and the named data sets.",
    ),
    "train": Command(
        "train", "train", "Train one model of the zoo on one data set and write a run folder: config.json, metrics.jsonl and checkpoints/."
    ),
    "sample": Command("sample", "sample", "Draw samples from a trained model, in the units of its data, and write them to a file."),
    "impute": Command("impute", "impute", "Fill the missing cells of a file by draws from a model that was trained with --any-subset."),
    "export": Command(
        "export",
        "export",
        "Write a trained model as programs of StableHLO with its params, so that jax and numpy alone run it on CPU, CUDA and TPU.",
    ),
    "evaluate": Command(
        "evaluate",
        "evaluate",
        "Measure the likelihood of test data and the distances of samples to them; print the figures and write evaluation.json.",
    ),
    "diagnose": Command(
        "diagnose",
        "diagnose",
        "Say what limits a trained model: the mass between separated modes beside its bounds, then known failures; write diagnosis.json.",
    ),
    "log-prob": Command("log_prob", "log_prob", "Compute the log density, in nats, of each row of a file in the units of that file."),
    "verify": Command(
        "verify", "verify", "Measure each law on each reading of each model and print a table. The exit status is 1 if a law fails."
    ),
    "matrix": Command(
        "matrix",
        "matrix",
        "Find which transforms which objectives can train, and how well; what makes no sense is refused with its mathematical reason.",
    ),
    "atlas": Command(
        "atlas",
        "atlas",
        "Write one page that plays the transformations of trained models at once and marks the same noise in all of them.",
    ),
    "study": Command(
        "study",
        "study",
        "Run an experiment that trains models side by side, such as `jaxgen study beta`; `jaxgen study --help` lists all of them.",
    ),
}


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit.

    The exit status is 0 if all went well, 1 if an entry of `compare`, a run of `study` or a law of `verify` failed, 2 for a mistake in the
    arguments or a disk that refuses, 130 after an interrupt, and 141 if nobody reads on. With JAXGEN_TRACEBACK in the environment, a mistake
    shows its traceback.
    """
    if argv is None:
        # Before anything that takes seconds to import.
        answer_interrupts()
    import tyro

    warnings.showwarning = _say_own(warnings.showwarning)
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["--version"]:
        print(f"jaxgen {__version__}")
        sys.exit(0)
    if argv and not argv[0].startswith("-") and argv[0] not in COMMANDS:
        close = difflib.get_close_matches(argv[0], COMMANDS, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        print(f"jaxgen: error: {argv[0]}: no such command; accepted: {', '.join(COMMANDS)}.{hint}", file=sys.stderr)
        sys.exit(2)
    prog, description, commands = "jaxgen", "Deep generative models as probability transformation functions.", _commands(argv)
    if argv[:1] == ["study"]:
        argv, prog, commands = argv[1:], "jaxgen study", _studies()
        description = "Experiments that train models side by side and write a page."
    try:
        command = tyro.extras.subcommand_cli_from_dict(commands, prog=prog, description=description, args=argv)
        set_up_jax()
        status = command()
    except BrokenPipeError:
        # Whoever reads has seen enough, as in `jaxgen list | head`. Python flushes once more at its end, into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    except KeyboardInterrupt:
        print(f"jaxgen: interrupted; {Kept.text}", file=sys.stderr)
        status = 130
    except (*USER_MISTAKES, AssertionError, RuntimeError) as error:
        said = _said(error)
        if said is None or os.environ.get("JAXGEN_TRACEBACK"):
            raise
        print(f"jaxgen: error: {said}", file=sys.stderr)
        status = 2
    sys.exit(status)


def _said(error: Exception) -> str | None:
    """Return the line that says a user's mistake, or None for an error of this library.

    Where JAX_PLATFORMS names a device that is not there, JAX raises whatever comes first.
    """
    platforms = os.environ.get("JAX_PLATFORMS")
    if platforms:
        import jax

        try:
            jax.devices()
        except (AssertionError, RuntimeError):
            return f"JAX_PLATFORMS={platforms}: JAX finds no such device here; accepted: a device that is there, such as JAX_PLATFORMS=cpu."
    return str(error) if isinstance(error, USER_MISTAKES) else None


def _say_own(others: Callable[..., None]) -> Callable[..., None]:
    """Return how warnings are shown: this library's in one line, all others as before."""

    def show(message: Warning, category: type[Warning], filename: str, *rest: Any) -> None:
        # A warning of a function called by a command is that of the line that started the command.
        if issubclass(category, UserWarning) and (f"{os.sep}jaxgen{os.sep}" in filename or filename == sys.argv[0]):
            print(f"jaxgen: {message}", file=sys.stderr)
        else:
            others(message, category, filename, *rest)

    return show


def set_up_jax() -> None:
    """Give JAX a folder for compiled programs, unless the environment names one; `import jaxgen` has asked for the host devices."""
    import jax

    if not jax.config.jax_compilation_cache_dir:  # pyright: ignore[reportAttributeAccessIssue]
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxgen"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def _commands(argv: Sequence[str]) -> dict[str, Callable[..., Callable[[], int]]]:
    """Return the function of the command that `argv` names, and stand-ins with the sentences of the others."""
    return {
        name: _later(command.options(), command.load) if argv[:1] == [name] else command.stand_in() for name, command in COMMANDS.items()
    }


def _studies() -> dict[str, Callable[..., Callable[[], int]]]:
    from jaxgen.cli.study import STUDIES

    return {name: _later(function, lambda function=function: function) for name, function in STUDIES.items()}


def _later(options: Callable[..., Any], load: Callable[[], Callable[..., int]]) -> Any:
    """Return a function with the signature of `options` that returns the call of what `load` returns."""
    import functools
    import inspect

    @functools.wraps(options)
    def collect(*args: Any, **kwargs: Any) -> Callable[[], int]:
        return lambda: load()(*args, **kwargs)

    collect.__signature__ = inspect.signature(options).replace(return_annotation=Any)  # pyright: ignore[reportAttributeAccessIssue]
    return collect
