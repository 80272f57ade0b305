"""Run folders, exports, studies and pages: one file of a valid folder is changed, sealed again if a checksum shields it, and read."""

import json
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.mutations import of_bytes, of_json
from fuzzing.verdict import Misread

Target = Callable[[np.random.Generator, Path], Callable[[], Any]]


def targets(home: Path) -> dict[str, Target]:
    """Train, compare, study and export once, small, below `home`; return a function by target that damages a copy and reads it."""
    import jaxgen
    from jaxgen.cli.compare import compare
    from jaxgen.cli.train import train

    train(model="realnvp", data="two_moons", steps=3, out=home / "run")
    train(model="tabular", data=str(_mixed(home)), steps=3, out=home / "table")
    compare(data="two_moons", models=("realnvp",), steps=3, quick=True, out=home / "compare")
    jaxgen.export(home / "export", *jaxgen.load(home / "run"))
    _declared(home / "study")
    return {
        "run_bytes": _changed(home / "run", "checkpoints", of_bytes, jaxgen.load),
        "run_config": _changed(home / "run", "config.json", of_json, jaxgen.load),
        "run_facts": _resealed(home / "run", jaxgen.load),
        "table_facts": _resealed(home / "table", jaxgen.load),
        "export": _changed(home / "export", "", of_bytes, _loads(home / "export")),
        "compare": _changed(home / "compare", "results.json", of_json, _page),
        "study": _changed(home / "study", "", of_json, _resumed),
    }


def _mixed(home: Path) -> Path:
    from fuzzing.tables import CSV

    path = home / "mixed.csv"
    path.write_text(CSV)
    return path


def _changed(source: Path, part: str, mutate: Callable[..., bytes], read: Callable[[Path], Any]) -> Target:
    def make(rng: np.random.Generator, folder: Path) -> Callable[[], Any]:
        copy = _copy(source, folder)
        files = sorted(path for path in ([copy / part] if (copy / part).is_file() else (copy / part).rglob("*")) if path.is_file())
        path = files[rng.integers(len(files))]
        path.write_bytes(
            mutate(rng, path.read_bytes()) if mutate is of_bytes or path.suffix == ".json" else of_bytes(rng, path.read_bytes())
        )
        return lambda: read(copy)

    return make


def _resealed(source: Path, read: Callable[[Path], Any]) -> Target:
    """Change the facts or the arrays of a save and write it with right checksums, as a hostile author would."""

    def make(rng: np.random.Generator, folder: Path) -> Callable[[], Any]:
        from jaxgen.training.saves import newest_save, write_save

        copy = _copy(source, folder)
        save = newest_save(copy / "checkpoints")
        arrays, facts = dict(save.arrays), save.facts
        if rng.random() < 0.8:
            content = b"\xff"
            while not _is_object(content):
                content = of_json(rng, json.dumps(facts).encode())
            facts = json.loads(content)
        else:
            name = sorted(arrays)[rng.integers(len(arrays))]
            kinds = (arrays[name][..., None], arrays[name].astype(np.float16), arrays[name].ravel(), np.full_like(arrays[name], 7))
            arrays[name] = kinds[rng.integers(len(kinds))]
        write_save(copy / "checkpoints", arrays, facts, alone=True)
        return lambda: read(copy)

    return make


def _is_object(content: bytes) -> bool:
    try:
        value = json.loads(content)
        json.dumps(value, allow_nan=False)
        return isinstance(value, dict)
    except ValueError:
        return False


def _copy(source: Path, folder: Path) -> Path:
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)
    return copy


def _loads(source: Path) -> Callable[[Path], Any]:
    """Return the loader of an export, which is code and trusted as code is, for the files of another folder."""
    load = runpy.run_path(str(source / "load.py"))["load"]

    def read(folder: Path) -> Any:
        checked = [path for path in source.iterdir() if path.name not in ("load.py", "flatbuffers.zip")]
        changed = any((folder / path.name).read_bytes() != path.read_bytes() for path in checked)
        load(folder)
        if changed:
            raise Misread("a changed export was loaded")

    return read


def _page(folder: Path) -> Any:
    from jaxgen.cli.run_folder import earlier_rows, open_folder
    from jaxgen.viz import write_report

    open_folder(folder, resume=True, overwrite=False, shared=True)
    rows = earlier_rows(folder, {})
    write_report(folder / "report.html", "compare", rows, {}, {})


def _declared(folder: Path) -> None:
    from jaxgen.studies import STUDIES
    from jaxgen.studies.record import declare, store_rows

    (folder / "cells").mkdir(parents=True)
    declare(folder, STUDIES["relax"], {"quick": True})
    store_rows(folder, {"arm": "a", "seed": 0}, [{"status": "ok", "sw2": 1.0}], 1.0)


def _resumed(folder: Path) -> Any:
    from jaxgen.cli.run_folder import open_folder
    from jaxgen.studies import STUDIES
    from jaxgen.studies.record import declare, stored_rows

    open_folder(folder, resume=True, overwrite=False, shared=True)
    declare(folder, STUDIES["relax"], {"quick": True})
    stored_rows(folder, {"arm": "a", "seed": 0})
