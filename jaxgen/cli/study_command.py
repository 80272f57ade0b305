"""One command for each study of `jaxgen.studies`: the same options, the same folder, the same exit status."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxgen.cli import arguments
from jaxgen.cli.run_folder import discard_aside, open_folder, set_aside
from jaxgen.cli.signals import Kept
from jaxgen.studies import Choice, Study, run_study
from jaxgen.studies.page import VERDICTS
from jaxgen.studies.record import PAGE

_HELP = """{question}

The quick form takes about {quick:.0f} minutes on two cores and the full form about {full:.0f}. The folder holds study.json
(predictions, settings, rows, verdicts), a file for each run that is done, and study.html.

Args:
    seeds: Seeds; all figures are paired over them.
    out: Folder to write. A folder that is not empty is refused unless you give --resume or --overwrite.
    quick: Do the short form.
    only: Do only the runs whose names contain this text.
    resume: Keep the runs that are done and do the others.
    overwrite: Start again in a folder that holds an earlier study, which is removed when this one is done.
"""


def command_of(study: Study) -> Callable[..., int]:
    """Return the command that runs a study.

    Args:
        study: The study.

    Returns:
        A function of keyword arguments whose exit status is 1 if a run failed, 130 after an interrupt, and 0 otherwise. A refuted
        prediction is a result and no failure.
    """

    def command(
        *,
        seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
        out: Path = Path(f"runs/study-{study.name}"),
        quick: bool = False,
        only: str = "",
        resume: bool = False,
        overwrite: bool = False,
    ) -> int:
        arguments.seeds(seeds)
        folder = open_folder(out, resume, overwrite, shared=bool(only))
        if overwrite:
            set_aside(folder)
        Kept.text = f"the runs that are done are kept in {folder}. Go on with --resume."
        try:
            record = run_study(folder, study, Choice(quick, tuple(dict.fromkeys(seeds)), only), _say)
        except KeyboardInterrupt:
            print(f"jaxgen: interrupted; {Kept.text}", file=sys.stderr)
            return 130
        discard_aside(folder)
        _tell(record, folder)
        return int(any(row["status"].startswith("failed") for row in record["rows"]))

    command.__doc__ = _HELP.format(question=study.question, quick=study.quick_minutes, full=study.full_minutes)
    return command


def _say(line: str) -> None:
    print(line, flush=True)


def _tell(record: dict[str, Any], out: Path) -> None:
    for prediction, verdict in zip(record["predictions"], record["verdicts"], strict=True):
        print(f"{VERDICTS[verdict['holds']]}: {prediction['claim']} {verdict['evidence']}")
    print(f"{len(record['rows'])} rows; the page is {out / PAGE}")
