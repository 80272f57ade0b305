"""Mutated files, run folders, exports, options and arguments: none may end in a traceback, a hang, a silent misreading or a touched file.

Every case starts from something valid, changes it at random and reads it. It has to be accepted, or refused by jaxgen's own error that says what
would be accepted. Opened files, started programs and unpickled classes are watched through Python's audit events, and memory is limited.
`--only` chooses targets, `--cases` is the number of cases of each, `--seed` the first seed; a case is named by its target and seed and can be run
again alone.
"""

import collections
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import options

GROUPS = ("files", "folders", "calls", "commands")
MEMORY = 4 * 2**30
"""Bytes by which the memory of this process may grow."""


def main() -> None:
    args = options(__doc__, only=None, cases=None, seed=None)
    import json

    from fuzzing.targets import targets
    from fuzzing.verdict import Guard

    import jaxgen  # before memory is limited and files are watched

    only = args.only.split(",") if args.only else list(GROUPS)
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as folder:
        found = targets(Path(made), {name.split(":")[0] for name in only})
        chosen = [name for name in found if name in only or name.split(":")[0] in only]
        if not chosen:
            sys.exit(f"--only {args.only}; accepted: some of {', '.join(GROUPS)}, or one of their targets, such as files:csv.")
        guard, cases = Guard(Path(folder), Path(made)), int(args.cases or (20 if args.quick else 2_000))
        rows = [run(name, found[name], guard, cases, int(args.seed or 0)) for name in chosen]
    total: collections.Counter[str] = collections.Counter()
    for row in rows:
        total.update(row["kinds"])
    print(f"jaxgen {jaxgen.__version__}: {sum(total.values())} cases: {', '.join(f'{n} {kind}' for kind, n in total.items())}")
    if args.out is not None:
        args.out.write_text(json.dumps(rows, indent=1))
    sys.exit(int(any(kind not in ("accepted", "refused") for kind in total)))


def run(name: str, make: Any, guard: Any, cases: int, first: int) -> dict[str, Any]:
    """Run the cases of one target and print its counts, with one example of each failure by its place."""
    import numpy as np
    from fuzzing.verdict import judge

    kinds: collections.Counter[str] = collections.Counter()
    examples: dict[str, str] = {}
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + MEMORY, hard))
    began = time.monotonic()
    for seed in range(first, first + cases):
        case = make(np.random.default_rng(seed), guard.folder)
        verdict = judge(case, guard)
        kinds[verdict.kind] += 1
        if verdict.kind not in ("accepted", "refused"):
            examples.setdefault(f"{verdict.kind} at {verdict.place}", f"seed {seed}: {verdict.text[:300]!r}")
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    print(f"{name}: {dict(kinds)} in {time.monotonic() - began:.0f} s", flush=True)
    for place, text in examples.items():
        print(f"    {place}: {text}", flush=True)
    return {"target": name, "first_seed": first, "kinds": dict(kinds), "examples": examples}


def _data_bytes() -> int:
    fields = Path("/proc/self/status").read_text() if Path("/proc/self/status").exists() else ""
    return next((1024 * int(line.split()[1]) for line in fields.splitlines() if line.startswith("VmData")), 2**40)


if __name__ == "__main__":
    main()
