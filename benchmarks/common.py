"""What every benchmark shares: its two options, interleaved medians, measurements in a process of their own, FLOPs, and the rows."""

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIELDS = ("case", "metric", "unit", "ours", "peer", "theirs", "ratio")


def options(description: str | None, argv: list[str] | None = None, **choices: Sequence[str] | None) -> argparse.Namespace:
    """`--quick` and `--out FILE.json`, and for `alone` the hidden `--measure`, as `quick`, `out` (Path or None), `measure` (dict or None).

    A further keyword is an option that takes some of its values, such as `only`: the names of a script's cases. With None for values it takes
    one, whatever it is.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less work and fewer repeats, to see that it runs")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the rows there as a JSON list")
    for name, values in choices.items():
        if values is None:
            parser.add_argument(f"--{name.replace('_', '-')}", metavar=name.upper())
            continue
        parser.add_argument(f"--{name}", nargs="+", choices=values, metavar=name.upper(), help=f"some of: {', '.join(values)}")
    parser.add_argument("--measure", type=json.loads, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def installed(peer: str) -> str | None:
    """`"peer 1.2.3"` where that distribution is installed; otherwise None, after saying that it is skipped."""
    try:
        return f"{peer} {importlib.metadata.version(peer)}"
    except importlib.metadata.PackageNotFoundError:
        print(f"skipped: {peer} is not installed (pip install {peer})", flush=True)
        return None


def row(case: str, metric: str, unit: str, ours: float, peer: str, theirs: float, *, more_is_better: bool = False) -> dict[str, Any]:
    """One comparison; `ratio` above 1 means ours is better. Raises ValueError unless both figures are positive and finite."""
    if not (0 < ours < float("inf") and 0 < theirs < float("inf")):
        raise ValueError(f"row({case!r}, {metric!r}): ours={ours}, theirs={theirs}; a ratio needs two positive finite figures.")
    ratio = ours / theirs if more_is_better else theirs / ours
    return dict(zip(FIELDS, (case, metric, unit, ours, peer, theirs, ratio), strict=True))


def interleaved(measures: Mapping[str, Callable[[], Mapping[str, float]]], repeats: int) -> dict[str, dict[str, float]]:
    """The median of each figure of each contender over `repeats` rounds; a round runs every contender once, so drift hits all alike.

    The order is reversed every other round, so that nobody always follows the same neighbour.
    """
    seen: dict[str, list[Mapping[str, float]]] = {name: [] for name in measures}
    for i in range(repeats):
        for name in list(measures) if i % 2 == 0 else reversed(measures):
            seen[name].append(measures[name]())
            print(f"  round {i + 1}/{repeats} {name}: {', '.join(f'{k} {v:.4g}' for k, v in seen[name][-1].items())}", flush=True)
    return {name: {k: statistics.median(r[k] for r in rounds) for k in rounds[0]} for name, rounds in seen.items()}


def alone(script: str, what: Mapping[str, Any], devices: int = 1, cache: str | None = None) -> dict[str, float]:
    """The figures that `script --measure WHAT` prints as its last line, in a fresh process on the CPU with `devices` host devices.

    The persistent compilation cache is off there, so compiling costs what it costs the first time; with `cache` it is that folder.
    """
    result = subprocess.run(_command(script, what), env=_environment(devices, cache), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


class Worker:
    """`script --measure WHAT` as a process that stays, and answers one question at a time: what it compiled is compiled once."""

    MARK = "answer: "

    def __init__(
        self, script: str, what: Mapping[str, Any], devices: int = 1, root: Path = ROOT, cache: str | None = None, **variables: str
    ) -> None:
        """`root` is the checkout whose `jaxgen` the process imports, `cache` a folder of compiled programs, `variables` go into its environment."""
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(_command(script, what), env={**_environment(devices, cache, root), **variables}, **pipes)

    def ask(self, question: Mapping[str, Any]) -> Any:
        """The answer to one question; RuntimeError where the process ended instead."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(dict(question)), file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith(self.MARK):
                return json.loads(line.removeprefix(self.MARK))
        raise RuntimeError(f"{self.process.args} ended before it answered {question}.")

    def close(self) -> None:
        self.process.communicate()

    @classmethod
    def answer(cls, function: Callable[[dict[str, Any]], Any]) -> None:
        """The other end: answer until no question comes."""
        for line in sys.stdin:
            print(cls.MARK + json.dumps(function(json.loads(line))), flush=True)


def _command(script: str, what: Mapping[str, Any]) -> list[str]:
    return [sys.executable, script, "--measure", json.dumps(dict(what))]


def _environment(devices: int, cache: str | None = None, root: Path = ROOT) -> dict[str, str]:
    own = {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
        "JAX_ENABLE_COMPILATION_CACHE": "false" if cache is None else "true",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")])),
    }
    if cache is not None:
        own |= {
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
        }
    return {**os.environ, **own}


def report(rows: list[dict[str, Any]], out: Path | None) -> None:
    """Print the rows as a table, and write them to `out` where given."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, jax {importlib.metadata.version('jax')}")
    for r in rows:
        print(f"{r['case']} | {r['metric']} | ours {r['ours']:.4g} {r['unit']} | {r['peer']} {r['theirs']:.4g} | ratio {r['ratio']:.2f}")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def matmul_peak(seconds: float, dtype: str = "float32", size: int = 2048) -> float:
    """FLOPs per second of products of two `size` x `size` matrices, back to back, on one device."""
    import time

    import jax
    import jax.numpy as jnp

    a = jnp.ones((size, size), dtype)
    product = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        # A few at once, so that a fast device never waits for the next call.
        for _ in range(4):
            last = product(a)
        last.block_until_ready()
        calls += 4
    return 2 * size**3 * calls / (time.perf_counter() - start)


@contextlib.contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """`with timed() as seconds: ...`, then `seconds()` is the wall time the block took."""
    import time

    start = time.perf_counter()
    took: list[float] = []
    yield lambda: took[0]
    took.append(time.perf_counter() - start)
