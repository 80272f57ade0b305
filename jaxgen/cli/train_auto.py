"""`jaxgen train --model auto`: the model of a data set if the user names none, and the mixture that tables of numbers get."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxgen import zoo
from jaxgen.data import Dataset
from jaxgen.estimator.auto import AUTO, ENTRY, Settings, fit_auto
from jaxgen.estimator.layouts import choose_layout, layout_of
from jaxgen.estimator.tables import is_mixed
from jaxgen.training import Fitted

MIXED, SIMULATED = "tabular", "nsf"


def chosen(dataset: Dataset, resume: bool, any_subset: bool = False) -> str:
    """Return the name of the model for a data set: "auto" for a table of numbers, or that of an entry.

    Args:
        dataset: The data set.
        resume: Whether an earlier run is gone on with, for which "auto" has nothing to go on from.
        any_subset: Whether the model is to answer questions of some columns given others.

    Raises:
        ValueError: The data are images, or a table of numbers is to be gone on with.
    """
    if len(dataset.event_shape) != 1:
        raise ValueError(f"--model {AUTO}: this is for tables; accepted for images: {', '.join(zoo.IMAGES)}.")
    if any_subset:
        return MIXED
    if dataset.schema is None:
        return SIMULATED
    if dataset.cond_shape is not None or is_mixed(dataset.schema):
        return MIXED
    if resume:
        raise ValueError(f"--resume: --model {AUTO} fits a table of numbers in one go; accepted: --overwrite, or a model by its name.")
    return AUTO


def train_auto(
    dataset: Dataset, settings: Settings, tell: Callable[[zoo.Prepared], None] = lambda prepared: None
) -> tuple[zoo.Prepared, Fitted]:
    """Fit a mixture, with a flow beside it if rows are many, to the training and validation rows of a table.

    Args:
        dataset: The table.
        settings: How the flow is trained, and whether supports and heavy tails of columns are looked for.
        tell: The function that is given the prepared table before the flow is trained.

    Returns:
        The entry with the way back to the units of the file, and what was fitted.
    """
    schema, units = dataset.schema, dataset.units
    assert schema is not None and units is not None
    train, valid, test = (zoo.exact(schema, units.restore(dataset.split(split).x)) for split in ("train", "valid", "test"))
    x = np.concatenate([train, valid])
    table = choose_layout(layout_of(x, schema, supports=settings.supports), x, settings.seed)
    rows = {"train": table.rows[: len(train)], "valid": table.rows[len(train) :]}
    rows["test"] = zoo.encoded(jax.random.key(settings.seed + 1), table.layout, test)

    def prepared(**options: Any) -> zoo.Prepared:
        return zoo.Prepared(zoo.build_on(table.layout, ENTRY, **options), dataset._replace(**rows), table.layout)

    tell(prepared())
    options, fitted = fit_auto(table, np.arange(len(train), len(x)), settings)
    return prepared(**options), fitted
