"""How many trainings that were killed at random moments end in the very bytes of one that was not: one entry of each family.

Each training runs in processes that are killed (SIGKILL) again and again, half of them while they train and save, and each time goes on from
the folder of the run. After the last kill it runs to its end, and its params, auxiliaries and losses are compared with those of a training in
one piece. Saves come every 20 steps and two hundredths of a second. Then random bits of a save are flipped one at a time, and loading has to
notice. With `--only` some entries are run, with `--kills` so many kills each (50 by default, 2 with `--quick`), with `--flips` so many bits.
"""

import itertools
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import options

ENTRIES = ("gan", "energy", "vae", "ar_mixture", "sf2m", "ddpm", "realnvp", "meanflow", "ot_cfm")
STEPS, EVENTS = 600, 256


def main() -> None:
    args = options(__doc__, only=ENTRIES, kills=None, flips=None)
    kills, flips = int(args.kills or (2 if args.quick else 50)), int(args.flips or (5 if args.quick else 100))
    # Imported once for all processes, which are forked before JAX starts its threads.
    import jaxgen  # noqa: F401

    rows: list[dict[str, Any]] = []
    for name in args.only or ENTRIES:
        with tempfile.TemporaryDirectory() as folder:
            figures = survived(name, Path(folder), kills)
            figures["flips found"] = flips_found(Path(folder) / "whole", flips)
        print(f"{name}: {', '.join(f'{what} {value}' for what, value in figures.items())}", flush=True)
        rows += [{"case": name, "metric": what, "unit": "1", "ours": value} for what, value in figures.items()]
    report_counts(rows, args.out, kills, flips)


def report_counts(rows: list[dict[str, Any]], out: Path | None, kills: int, flips: int) -> None:
    """Print the sums; SystemExit if a training ended otherwise or a flipped bit was not seen."""
    equal = sum(r["ours"] for r in rows if r["metric"] == "kills survived")
    found, asked = sum(r["ours"] for r in rows if r["metric"] == "flips found"), len({r["case"] for r in rows})
    print(f"{equal} of {asked * kills} kills survived, {found} of {asked * flips} flipped bits found")
    if out is not None:
        import json

        out.write_text(json.dumps(rows, indent=1))
    if equal < asked * kills or found < asked * flips:
        sys.exit(1)


def survived(name: str, folder: Path, kills: int) -> dict[str, int]:
    """Train once in one piece, and again with kills; the kills survived are all of them if both ends are equal, and none otherwise."""
    began = time.monotonic()
    wait(start(name, folder / "whole"))
    wait(start(name, folder / "whole", again=True))
    seconds, draw = time.monotonic() - began, random.Random(name)
    counts = {"kills survived": 0, "while saving": 0, "before the first save": 0}
    run, done = folder / "killed", 0
    while done < kills:
        before, process = saves(run), start(name, run)
        # Every other kill waits for a save first: most of a start goes into tracing.
        while done % 2 and saves(run) == before and os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.3 if done % 2 else seconds / 2))
        ended = kill(process)
        if ended:
            # It was quicker than the kill: the next one begins anew.
            if not equal(folder / "whole", run):
                return counts
            for path in sorted(run.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
            continue
        done += 1
        counts["while saving"] += any(run.rglob("*.part"))
        counts["before the first save"] += not any(run.rglob("*.safetensors"))
    wait(start(name, run))
    counts["kills survived"] = done * equal(folder / "whole", run)
    return counts


def saves(run: Path) -> set[str]:
    return {path.name for path in run.rglob("*.safetensors")}


def start(name: str, run: Path, again: bool = False) -> int:
    """Fork a process that trains `name`, going on from what the folder holds; `again` only measures what a start from the cache takes."""
    process = os.fork()
    if process:
        return process
    try:
        train(name, run.with_name("timed") if again else run)
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def train(name: str, run: Path) -> None:
    import functools

    import jax
    import numpy as np

    import jaxgen
    from jaxgen.training.run_folder import read_run, write_run

    jax.config.update("jax_num_cpu_devices", 1)
    jax.config.update("jax_compilation_cache_dir", os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(run.parent / "cache"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    entry = jaxgen.zoo.build(name, (2,), **jaxgen.zoo.small(name))
    x = np.random.default_rng(0).standard_normal((EVENTS, 2)).astype(np.float32)
    start = run if any(run.rglob("*.safetensors")) else None
    if start is not None and not read_run(run).has_state:
        # It was killed between its last save and its end.
        return
    saving = jaxgen.training.Saving(functools.partial(write_run, run, entry), seconds=0.02, steps=20)
    options: dict[str, Any] = {"valid": x[:64], "batch_size": 32, "steps_per_chunk": 10, "progress": False}
    jaxgen.fit(jax.random.key(0), entry, x, STEPS, start=start, saving=saving, **options)


def wait(process: int) -> None:
    if os.waitpid(process, 0)[1]:
        raise SystemExit("crash: a training failed by itself; its error stands above.")


def kill(process: int) -> bool:
    """Kill a process; whether it had ended by itself, and well."""
    ended, status = os.waitpid(process, os.WNOHANG)
    if ended and status:
        raise SystemExit("crash: a training failed by itself; its error stands above.")
    if not ended:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    return bool(ended)


def equal(one: Path, other: Path) -> bool:
    """Whether two runs are finished with the same bytes of params, auxiliaries and history; seconds differ."""
    from jaxgen.training.run_folder import read_run

    runs = [read_run(path).save for path in (one, other)]
    arrays = [{name: (a.dtype, a.shape, a.tobytes()) for name, a in run.arrays.items()} for run in runs]
    return arrays[0] == arrays[1] and [run.facts["status"] for run in runs] == ["finished"] * 2


def flips_found(run: Path, flips: int) -> int:
    """How many of so many bits, flipped one at a time in the newest save, reading refuses."""
    from jaxgen.training.saves import newest_save
    from jaxgen.training.tensors import DamagedFileError, read_tensors

    path, draw, found = newest_save(run / "checkpoints").path, random.Random(run.name), 0
    raw = path.read_bytes()
    for _ in itertools.repeat(None, flips):
        spoilt, bit = bytearray(raw), draw.randrange(8 * len(raw))
        spoilt[bit // 8] ^= 1 << bit % 8
        path.write_bytes(spoilt)
        try:
            read_tensors(path)
        except DamagedFileError:
            found += 1
    path.write_bytes(raw)
    return found


if __name__ == "__main__":
    main()
