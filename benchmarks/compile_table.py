"""The table `compile_table.csv`: what compiling a training step of each entry of the zoo costs, and which program it is.

"seconds" is the time of tracing and compiling, in units of a fixed program of plain JAX that is compiled beside it in the same process, so that
tables of different machines can be compared. "lines" counts the traced step's StableHLO, which depends on no machine, and "fingerprint" is a hash
of that text without the names of functions. Vectors are traced at d = 2 with default options, images of 4 x 4 pixels with those of `zoo.small`.

Without options the script measures and compares with the table that is kept in the repository. It fails where the lines or the seconds of an
entry grew by 25 % or more, and where a fingerprint changed whose entry the newest section of CHANGELOG.md does not name after the words
"Programs changed:". `--write` puts what was measured in the table's place. A table of another JAX is compared by its lines alone. With
`--share i/n` only every n-th entry is measured, from the i-th on; `--repeats 1` compiles each once, where the least of three is taken.
"""

import argparse
import csv
import importlib.metadata
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from common import Worker, options, report, row
from revisions import shared

FOLDER = Path(__file__).resolve().parent
TABLE, CHANGELOG = FOLDER / "compile_table.csv", FOLDER.parent / "CHANGELOG.md"
FIELDS = ("entry", "seconds", "lines", "fingerprint", "jax")
GROWTH, REPEATS = 1.25, 3

Table = dict[str, dict[str, str]]


def main() -> None:
    args = options(__doc__, share=None, repeats=None, write=("table",))
    if args.measure is not None:
        Worker.answer(answer)
        return
    measured = measure(args)
    kept = read(TABLE)
    rows = [r for name in measured if name in kept for r in compared(name, measured[name], kept[name])]
    report(rows, args.out)
    if args.write:
        write(TABLE, {**kept, **measured})
        return
    complaints = found(measured, kept, CHANGELOG.read_text(encoding="utf-8"))
    if complaints:
        raise SystemExit("\n".join(complaints))


def measure(args: argparse.Namespace) -> Table:
    """One row an entry, measured in a process of its own with one host device."""
    worker, table = Worker(__file__, {}), {}
    for entry in shared(worker.ask({"entry": None}), args.share)[: 2 if args.quick else None]:
        name = f"{entry[0]} {'image' if len(entry[1]) > 1 else 'vector'}"
        answers = [worker.ask({"entry": entry}) for _ in range(1 if args.quick else int(args.repeats or REPEATS))]
        # The least: other work on the machine only adds.
        seconds = min(a["seconds"] for a in answers) / min(a["reference"] for a in answers)
        figures = (name, f"{seconds:.3g}", answers[0]["lines"], answers[0]["digest"][:12], importlib.metadata.version("jax"))
        table[name] = dict(zip(FIELDS, map(str, figures), strict=True))
        print("  " + ", ".join(f"{k} {v}" for k, v in table[name].items()), flush=True)
    worker.close()
    return table


def answer(question: Mapping[str, Any]) -> Any:
    from peers.compiling import seconds

    figures = seconds(question["entry"])
    return figures if question["entry"] is None else figures | {"reference": reference()}


def reference() -> float:
    """The seconds that a fixed program takes: the gradient of a scan over eight layers, new to JAX's caches each time."""
    import jax
    import jax.numpy as jnp

    def loss(w: jax.Array, x: jax.Array) -> jax.Array:
        h = jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), jnp.sum(h)), x, w)[0]
        return jnp.mean(jax.nn.softplus(h)) + jnp.var(jax.random.normal(jax.random.key(0), h.shape) * h)

    start = time.perf_counter()
    jax.jit(jax.value_and_grad(loss)).lower(jnp.zeros((8, 16, 16)), jnp.zeros((32, 16))).compile()
    return time.perf_counter() - start


def compared(name: str, now: Mapping[str, str], before: Mapping[str, str]) -> list[dict[str, Any]]:
    return [row(name, what, "1", float(now[what]), "kept", float(before[what])) for what in ("seconds", "lines")]


def found(measured: Table, kept: Table, changelog: str) -> list[str]:
    """One sentence for each growth of 25 %, and for each changed program that the newest section of the changelog does not name."""
    said = named(changelog)
    complaints = [f"{name}: not in the table; add it with --write table." for name in measured if name not in kept]
    for name in measured.keys() & kept.keys():
        now, before = measured[name], kept[name]
        same_jax = now["jax"] == before["jax"]
        for what in ("seconds", "lines") if same_jax else ("lines",):
            if float(now[what]) >= GROWTH * float(before[what]):
                complaints.append(f"{name}: {what} grew from {before[what]} to {now[what]}, by 25 % or more.")
        if same_jax and now["fingerprint"] != before["fingerprint"] and not {name.split()[0], "all"} & said:
            complaints.append(f"{name}: its program changed; name it after 'Programs changed:' in CHANGELOG.md and say why.")
    return sorted(complaints)


def named(changelog: str) -> set[str]:
    """The entries, or "all", that lines "Programs changed: `a`, `b`: why" of the newest section name."""
    newest = changelog.split("\n## ")[1] if "\n## " in changelog else ""
    lines: Iterable[str] = re.findall(r"Programs changed: ([^:]*):", newest)
    return {name for line in lines for name in re.findall(r"\w+", line)}


def read(path: Path) -> Table:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {line["entry"]: line for line in csv.DictReader(file)}


def write(path: Path, table: Table) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table[name] for name in sorted(table))


if __name__ == "__main__":
    main()
