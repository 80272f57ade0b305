"""The table of results as text: its columns, how each value is written, and which entries have the best value of a column."""

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

Result = Mapping[str, Any]


class Cell(NamedTuple):
    """One table cell: its text, a fainter second part, the number or text that the column is sorted by, and whether it is the best."""

    text: str
    faint: str
    order: str
    best: bool = False


class Column(NamedTuple):
    """A column of the table.

    Attributes:
        field: The field of a result that it shows.
        heading: Its heading.
        meaning: What the heading means.
        write: Function that turns a value into text.
        faint: The field that is written small beside the value; empty for none.
        faint_form: How that field is written, such as "± {}".
        best: Whether the lowest value is marked.
    """

    field: str
    heading: str
    meaning: str
    write: Callable[[Any], str]
    faint: str = ""
    faint_form: str = "{}"
    best: bool = False


def count(value: float) -> str:
    """Write a whole number with separators, such as 25,012, and a large one shortened, such as 1.7 M."""
    return f"{value / 1e6:.3g} M" if abs(value) >= 1e6 else f"{value:,.0f}"


def rate(value: float) -> str:
    """Write three significant digits with a unit prefix, such as 1.7 M or 23.1 k."""
    for limit, suffix in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:.3g}"


def fixed(digits: int) -> Callable[[float], str]:
    """Return a function that writes a number with this number of decimals and a true minus sign."""
    return lambda value: f"{value:.{digits}f}".replace("-", "−")


def scientific(value: float) -> str:
    """Write two digits and a power of ten, such as 1.2e−4, and zero as 0."""
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−") if value else "0"


def seconds(value: float) -> str:
    """Write a duration with one decimal, such as 12.3 s."""
    return f"{value:.1f} s"


def percent(value: float) -> str:
    """Write a share as a whole percentage, such as 88 %."""
    return f"{100 * value:.0f} %"


COLUMNS = (
    Column("objective", "objective", "What found the parameters. It is dropped at inference.", str),
    Column(
        "reading", "reading", "One set of parameters may be read as several models, for instance with a stochastic and an ODE sampler.", str
    ),
    Column("num_params", "parameters", "Parameters that sampling needs.", count),
    Column("num_aux_params", "dropped", "Parameters trained beside them that sampling drops: encoders, critics.", count),
    Column(
        "nll",
        "NLL",
        "Negative log-likelihood of held-out data in nats, ± its standard error; lower is better.",
        fixed(3),
        "nll_stderr",
        "± {}",
        True,
    ),
    Column(
        "nll_kind",
        "kind",
        "What the NLL is: exact; unbiased (an estimate, right on average); lower bound (of the log-likelihood, so the true NLL is lower); "
        "implicit (the model has samples and no density). Bold compares exact ones only.",
        lambda value: str(value).replace("_", " ").lower(),
    ),
    Column("nll_gap", "gap", "True minus learned log density, averaged over held-out data, where known: what is left to learn.", fixed(3)),
    Column(
        "sliced_w2",
        "sliced W₂",
        "Transport distance between samples and held-out data, averaged over directions. The small number is the floor: the same distance "
        "between two sets of real data, below which no model can be told from the truth.",
        fixed(3),
        "sliced_w2_floor",
        "/ {}",
        True,
    ),
    Column("w2", "W₂", "Transport distance by optimal assignment, beside its floor.", fixed(3), "w2_floor", "/ {}", True),
    Column(
        "mmd",
        "MMD²",
        "Unbiased squared kernel distance; around zero, also slightly below, where samples cannot be told from data.",
        scientific,
    ),
    Column("mode_coverage", "modes", "Share of the true modes that hold at least a quarter of their mass.", percent),
    Column("samples_per_second", "samples/s", "Sampling speed once compiled.", rate),
    Column("nfe", "NFE", "Evaluations of the network for one sample.", count),
    Column("compile_seconds", "compile", "Seconds of compilation.", seconds),
    Column("train_seconds", "train", "Seconds of training, compilation not counted.", seconds),
    Column("num_steps", "steps", "Training steps.", count),
    Column("seed", "seed", "Seed of the run.", str),
)


def cells(result: Result, best: Mapping[str, float], missing: str = "–") -> list[Cell]:
    """Return the cells of one result in the order of `COLUMNS`.

    Args:
        result: The result.
        best: The best value of each column, from `best_values`.
        missing: Text for an absent field or None.

    Returns:
        One cell for each column.
    """
    row = []
    for column in COLUMNS:
        value: Any = result.get(column.field)
        faint = result.get(column.faint)
        leads = column.field in best and _comparable(result, column) and value <= best[column.field]
        text = missing if value is None or value == "" else _write(value, column.write)
        small = column.faint_form.format(_write(faint, column.write)) if faint is not None and value is not None else ""
        row.append(Cell(text, small, _order(value), leads))
    return row


def best_values(results: Sequence[Result]) -> dict[str, float]:
    """Return the lowest value of each column that marks one, over results that did not fail; for the NLL over exact ones only.

    >>> best_values([{"nll": 1.2, "nll_kind": "exact"}, {"nll": 0.9, "nll_kind": "lower bound", "sliced_w2": 0.1}])
    {'nll': 1.2, 'sliced_w2': 0.1}
    """
    best = {}
    for column in COLUMNS:
        values = [result[column.field] for result in results if column.best and _comparable(result, column)]
        if values:
            best[column.field] = min(values)
    return best


def failed(result: Result) -> bool:
    """Say whether the status of a result is anything but ok."""
    return str(result.get("status") or "ok") != "ok"


def _comparable(result: Result, column: Column) -> bool:
    kind = str(result.get("nll_kind") or "").lower()
    return not failed(result) and _is_number(result.get(column.field)) and (column.field != "nll" or kind == "exact")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _write(value: Any, write: Callable[[Any], str]) -> str:
    if isinstance(value, Real) and not math.isfinite(value):
        return "not finite"
    try:
        return write(value)
    except (TypeError, ValueError):  # a text in place of a number is shown as it is, so that the report does not fail
        return str(value)


def _order(value: Any) -> str:
    if isinstance(value, str):
        return value.lower()
    return repr(float(value)) if _is_number(value) else ""
