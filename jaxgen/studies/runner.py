"""The runs of a study one after the other: what is done is stored, a failed run does not stop the others, an interrupt loses one run at most."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.experimental.compilation_cache import compilation_cache

from jaxgen.studies.page import write_page
from jaxgen.studies.record import cell_name, conclude, declare, store_rows, stored_rows
from jaxgen.studies.study import Cell, Row, Study
from jaxgen.training import TrainingDiverged


class Choice(NamedTuple):
    """What a user chooses of a study.

    Attributes:
        quick: Whether to do the quick form.
        seeds: The seeds, over which figures are paired.
        only: Do only the cells whose names contain this text, so that several processes can share a folder.
    """

    quick: bool = False
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    only: str = ""


def run_study(out: Path, study: Study, choice: Choice, tell: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Do the runs of a study that its folder lacks, and write its record and its page.

    Args:
        out: Folder of the study, which exists.
        study: The study.
        choice: What to do of it.
        tell: The function that is given a line for each prediction before the runs, and for each cell that is done.

    Returns:
        The record: question, predictions with verdicts, settings, versions and rows.

    Raises:
        ValueError: No cell has such a name, or the folder holds the study with other settings.
    """
    cells = study.cells(choice.quick, choice.seeds)
    chosen = [cell for cell in cells if choice.only in cell_name(cell)]
    if not chosen:
        names = ", ".join(map(cell_name, cells[:5]))
        raise ValueError(
            f"--only {choice.only}: none of the {len(cells)} cells has this text in its name; accepted: a part of {names}, ..."
        )
    declare(out, study, {"quick": choice.quick, "seeds": list(choice.seeds)})
    for prediction in study.predictions:
        tell(f"predicted: {prediction.claim}")
    start = time.perf_counter()
    with programs_kept():
        for i, cell in enumerate(chosen, 1):
            if stored_rows(out, cell) is not None:
                continue
            before = time.perf_counter()
            rows = _rows(study, cell)
            store_rows(out, cell, rows, time.perf_counter() - before)
            states = ", ".join(dict.fromkeys(row["status"] for row in rows))
            tell(f"[{i}/{len(chosen)}] {cell_name(cell)}: {states}; {time.perf_counter() - start:.0f} s so far")
    record = conclude(out, study)
    write_page(out, record, study.table)
    return record


@contextlib.contextmanager
def programs_kept() -> Iterator[None]:
    """Keep compiled programs in a temporary folder meanwhile, unless the user keeps them somewhere already.

    Seeds of a study are the same program with other numbers, and a short run compiles longer than it trains.
    """
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = [getattr(jax.config, name) for name in names]
    if before[0] is not None:
        yield
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            _set(dict(zip(names, (folder, 0.1), strict=True)))
            yield
        finally:
            _set(dict(zip(names, before, strict=True)))


def _set(options: dict[str, Any]) -> None:
    for name, value in options.items():
        jax.config.update(name, value)
    # JAX looks for its cache once, at the first compilation of a process.
    compilation_cache.reset_cache()


def _rows(study: Study, cell: Cell) -> list[Row]:
    """Return the rows of a cell, each with the configuration of the cell; a loss that is not finite is the status of its run."""
    try:
        measured = study.run(cell)
    except TrainingDiverged as error:
        measured = [{"status": f"failed: {error}"}]
    return [{**cell, "status": "ok", **row} for row in measured]
