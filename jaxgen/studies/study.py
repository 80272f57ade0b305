"""The nouns of an experiment: what is asked, what is predicted before the first run, the cells that are run, and what their rows say."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from jaxgen.training import Fitted
from jaxgen.viz import Section

Cell: TypeAlias = dict[str, Any]
"""The configuration of one run, its seed or seeds included: numbers, texts, bools, None, and lists of them, as JSON holds them."""

Row: TypeAlias = dict[str, Any]
"""What one run has measured beside its configuration, as JSON holds it. "status" is "ok", or says why there are no figures."""


QUICK_SEEDS = 2
"""The number of seeds that a quick form takes of those it is given: as few as have an effect, because compiling costs more than training."""


class Verdict(NamedTuple):
    """Say what the rows make of a prediction.

    Attributes:
        holds: Whether the prediction holds; None if the rows cannot tell yet.
        evidence: One sentence with the figures that decide.
    """

    holds: bool | None
    evidence: str


class Prediction(NamedTuple):
    """A claim that is written down before the first run.

    Attributes:
        claim: What will be seen, in one sentence.
        refuted_by: The figures that would refute the claim, in one sentence.
        judge: The function that reads the rows with status "ok" and returns a verdict.
    """

    claim: str
    refuted_by: str
    judge: Callable[[Sequence[Row]], Verdict]


class Table(NamedTuple):
    """What the page of a study shows of its rows.

    Attributes:
        columns: The meaning of each column by its heading.
        cells: The function that returns the texts of one row, one for each column.
        sections: The function that returns the sections of figures below the table, given the rows with status "ok".
    """

    columns: dict[str, str]
    cells: Callable[[Row], Sequence[str]]
    sections: Callable[[Sequence[Row]], Sequence[Section]] = lambda rows: ()


class Study(NamedTuple):
    """An experiment that anyone can run again.

    Attributes:
        name: The name under which `jaxgen study` knows it.
        question: What the experiment asks, in one or two sentences.
        predictions: The claims that are stored before the first run.
        cells: `cells(quick, seeds)` lists the configurations of all runs; `quick` asks for few of them with few steps.
        run: The function that does the run of one cell and returns its rows, one or several (one for each seed, or each reading). It gets
            all it needs from the cell, so that runs can be done in any order and by several processes.
        table: What the page shows.
        quick_minutes: About how many minutes the quick form takes on two cores, an estimate.
        full_minutes: About how many minutes the full form takes on two cores, an estimate.
    """

    name: str
    question: str
    predictions: tuple[Prediction, ...]
    cells: Callable[[bool, Sequence[int]], Sequence[Cell]]
    run: Callable[[Cell], Sequence[Row]]
    table: Table
    quick_minutes: float
    full_minutes: float


def completed(fitted: Fitted) -> Fitted:
    """Return a fit that was not interrupted.

    `fit` returns what is done after an interrupt, and a study would go on with its next run.

    Args:
        fitted: What `fit` returned.

    Raises:
        KeyboardInterrupt: The fit was interrupted.

    >>> completed(Fitted((), (), {})).status
    'finished'
    """
    if fitted.status == "interrupted":
        raise KeyboardInterrupt
    return fitted


def good_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows whose status is "ok", in their order.

    >>> good_rows([{"status": "ok", "nll": 1.0}, {"status": "failed: loss"}])
    [{'status': 'ok', 'nll': 1.0}]
    """
    return [row for row in rows if row["status"] == "ok"]
