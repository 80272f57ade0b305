"""The results as text: which columns the table has, how each value is written, and which entries share the best of a column."""

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

Result = Mapping[str, Any]


class Cell(NamedTuple):
    """One table cell: the text, a fainter second part, and the number (or text) the column is sorted by."""

    text: str
    faint: str
    order: str
    best: bool = False


class Column(NamedTuple):
    """A column: the result field it shows, its heading and what that means; `faint` names the field written small beside the value."""

    field: str
    heading: str
    meaning: str
    write: Callable[[Any], str]
    faint: str = ""
    faint_form: str = "{}"
    best: bool = False


def count(value: float) -> str:
    """A whole number with thin separators, 25,012; large ones shortened, 1.7 M."""
    return f"{value / 1e6:.3g} M" if abs(value) >= 1e6 else f"{value:,.0f}"


def rate(value: float) -> str:
    """Three significant digits with a unit prefix: 1.7 M, 23.1 k."""
    for limit, suffix in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:.3g}"


def fixed(digits: int) -> Callable[[float], str]:
    """A writer of that many decimals, with a true minus sign."""
    return lambda value: f"{value:.{digits}f}".replace("-", "−")


def scientific(value: float) -> str:
    """Two digits and a power of ten, 1.2e−4; zero as 0."""
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−") if value else "0"


def seconds(value: float) -> str:
    """A duration with one decimal: 12.3 s."""
    return f"{value:.1f} s"


def percent(value: float) -> str:
    """A share as a whole percentage."""
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
    """The cells of one result in the order of COLUMNS; `best` is what `best_values` found, `missing` stands for absent fields and None."""
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
    """The lowest value of each column that has a best, over entries that did not fail; for the NLL over the exact ones only."""
    found = {}
    for column in COLUMNS:
        values = [result[column.field] for result in results if column.best and _comparable(result, column)]
        if values:
            found[column.field] = min(values)
    return found


def failed(result: Result) -> bool:
    """Whether the entry's status is anything but ok."""
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
    except (TypeError, ValueError):  # a text where a number was due is shown as it is: the report must not fail for it
        return str(value)


def _order(value: Any) -> str:
    if isinstance(value, str):
        return value.lower()
    return repr(float(value)) if _is_number(value) else ""
