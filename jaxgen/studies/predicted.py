"""Predictions that comparisons of arms decide."""

from collections.abc import Callable, Sequence
from typing import Any

from jaxgen.studies.effects import Comparison, comparison
from jaxgen.studies.study import Prediction, Row, Verdict


def predicted(claim: str, refuted_by: str, holds: Callable[..., bool], *picks: dict[str, Any]) -> Prediction:
    """Return a prediction that is decided by the comparisons of some arms.

    Args:
        claim: What will be seen.
        refuted_by: What would refute it.
        holds: The function of the comparisons, in the order of `picks`, that decides.
        *picks: The fields that pick each comparison's arm and figure.
    """

    def judge(rows: Sequence[Row]) -> Verdict:
        results = [comparison(rows, **pick) for pick in picks]
        known = [result for result in results if result is not None]
        if len(known) < len(picks):
            return Verdict(None, f"{len(known)} of {len(picks)} comparisons have two seeds.")
        return Verdict(bool(holds(*known)), "; ".join(map(_told, known)) + ".")

    return Prediction(claim, refuted_by, judge)


def _told(result: Comparison) -> str:
    words = ", ".join(str(value) for name, value in result.labels.items() if name != "transfer")
    return f"{words}: {result.before:.4g} -> {result.after:.4g}, {'x' if result.ratio else '+'} {result.effect}"
