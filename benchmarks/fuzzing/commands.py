"""Command lines with options that are changed, left out, doubled or put elsewhere; commands run within this process, on folders made once."""

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.mutations import TOKENS, VALUES
from fuzzing.verdict import Misread, Refused

Target = Callable[[np.random.Generator, Path], Callable[[], Any]]


def targets(home: Path) -> dict[str, Target]:
    """Train once, small, below `home`; return a function by command that makes a changed command line."""
    from jaxgen.cli.train import train

    run, table = home / "trained", home / "rows.csv"
    train(model="realnvp", data="two_moons", steps=2, out=run)
    table.write_text("x0,x1\n" + "".join(f"{i / 9},{-i / 7}\n" for i in range(12)))
    lines = {
        "sample": ["sample", str(run), "--out", "samples.csv", "--num", "4", "--seed", "0"],
        "log_prob": ["log-prob", str(run), str(table), "--out", "densities.csv"],
        # A model that does not exist ends each of these before it trains.
        "train": ["train", "--model", "realnvpp", "--data", str(table), "--steps", "1", "--out", "run", "--columns", "x0", "--seed", "1"],
        "compare": ["compare", "--data", "two_moonss", "--models", "realnvp", "--steps", "1", "--out", "page", "--quick"],
        "study": ["study", "nothing", "--out", "study", "--quick"],
        "list": ["list", "--model", "nsf"],
        "evaluate": ["evaluate", str(run / "nowhere"), "--num", "10"],
        "export": ["export", str(run), "--out", "exported", "--reading", "nothing"],
    }  # fmt: skip
    return {name: _target(words) for name, words in lines.items()}


def _target(words: list[str]) -> Target:
    def make(rng: np.random.Generator, folder: Path) -> Callable[[], Any]:
        changed = list(words)
        for _ in range(int(rng.integers(1, 3))):
            at = int(rng.integers(1, len(changed) + 1))
            kind = rng.integers(4)
            odd = str(VALUES[rng.integers(len(VALUES))]) if rng.random() < 0.5 else TOKENS[rng.integers(len(TOKENS))].decode("latin-1")
            odd = odd.replace("\0", "")  # the system gives no program an argument with a zero byte
            if kind == 0:
                changed[at : at + 1] = []
            elif kind == 1:
                changed[at:at] = changed[at : at + 1]
            elif kind == 2:
                changed[at:at] = [odd]
            else:
                changed[at : at + 1] = [odd]
        return lambda: _run(changed, folder)

    return make


def _run(words: list[str], folder: Path) -> None:
    """Run a command as `jaxgen` does; an exit status other than 0 and 2, or a mistake told in other than one line, is a failure."""
    from jaxgen.cli import main as program

    program.set_up_jax = lambda: None  # it has started in this process
    out, err, before = io.StringIO(), io.StringIO(), Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            program.main(words)
    except SystemExit as stop:
        # tyro boxes its own errors; jaxgen's are one line.
        said = [line for line in err.getvalue().splitlines() if line.startswith("jaxgen: error")]
        if stop.code not in (None, 0, 2) or (stop.code == 2 and not err.getvalue().strip()):
            raise Misread(f"status {stop.code} of {words}: {err.getvalue()[-300:]}") from None
        if stop.code == 2 and not said and "Traceback" in err.getvalue():
            raise Misread(f"a traceback of {words}: {err.getvalue()[-300:]}") from None
        if stop.code == 2:
            raise Refused(err.getvalue()) from None
    finally:
        os.chdir(before)
