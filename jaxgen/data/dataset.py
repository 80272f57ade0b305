"""What `load` returns: arrays split three ways, with the truth about their density where it is known."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike

from jaxgen.data.categories import Categories
from jaxgen.data.schema import Schema, feature_names, table_of
from jaxgen.data.tables import DataError


class Split(NamedTuple):
    """Hold one part of a dataset.

    Attributes:
        x: Events `(n, *event)`, float32.
        cond: Conditions `(n, *cond)`, float32, or None.
    """

    x: np.ndarray
    cond: np.ndarray | None = None


class Units(NamedTuple):
    """Hold the affine map that undoes the standardisation: `x_source = loc + scale * x_standardised`, per coordinate.

    Densities change by the Jacobian of the map: `log p_source = log p_standardised - sum(log(scale))`.

    Attributes:
        loc: `(*event,)` float64, or `()` for all coordinates alike.
        scale: As `loc`, above 0.
        cond_loc: `(*cond,)` float64, the same for the condition. None without a condition, or for one in the source's units.
        cond_scale: As `cond_loc`, above 0.
        whole: The names of event columns of whole numbers. The arrays hold these as they are, so that a continuous density of the arrays is no
            density of the columns: `jaxgen.zoo.prepare` spreads them over their cells, and `jaxgen.zoo.in_units` refuses them.

    >>> units = Units(np.array([10.0]), np.array([2.0]))
    >>> units.restore([[1.0]]).tolist(), units.standardise([[12.0]]).tolist()
    ([[12.0]], [[1.0]])
    """

    loc: np.ndarray
    scale: np.ndarray
    cond_loc: np.ndarray | None = None
    cond_scale: np.ndarray | None = None
    whole: tuple[str, ...] = ()

    def restore(self, x: ArrayLike) -> np.ndarray:
        """Map standardised events (..., *event) to the units of the source, float64."""
        return self.loc + self.scale * np.asarray(x, np.float64)

    def standardise(self, x: ArrayLike) -> np.ndarray:
        """Map events (..., *event) in the units of the source to standardised ones, float32."""
        return ((np.asarray(x, np.float64) - self.loc) / self.scale).astype(np.float32)

    def standardise_cond(self, cond: ArrayLike) -> np.ndarray:
        """Map conditions (..., *cond) in the units of the source to standardised ones, float32. Raises ValueError without a condition."""
        if self.cond_loc is None or self.cond_scale is None:
            raise ValueError(
                "standardise_cond: cond given; accepted: none, as this dataset has no condition columns. Load it with cond_columns=."
            )
        return ((np.asarray(cond, np.float64) - self.cond_loc) / self.cond_scale).astype(np.float32)


class Dataset(NamedTuple):
    """Hold arrays to train, validate and test on: `fit(key, entry, data.train, cond=data.train_cond)`.

    Attributes:
        name: The name of the dataset.
        train: Events `(n, *event)` float32.
        valid: As `train`.
        test: As `train`.
        log_prob: JAX function of ONE event `(*event,)`: the log density, in nats, of the arrays as they are; -inf outside the support.
            None if the true density is unknown.
        score: JAX function of ONE event: the gradient `(*event,)` of `log_prob`. None if the density is unknown or has jumps.
        entropy: The entropy, in nats, of that density: no model has a smaller negative log-likelihood.
        mode: numpy function of events `(n, *event)`: the mode of each event `(n,)`, or -1.
        mode_weights: The true mass of each mode `(modes,)` float64.
        train_cond: Conditions `(n, *cond)` float32, or None.
        valid_cond: As `train_cond`.
        test_cond: As `train_cond`.
        units: The map back to the units of the source. None if the arrays have these units.
        schema: What each column of a table is; None for data without named columns.
        levels: The number of values of a pixel, or of a site of discrete data; None for numbers.
        source: Where images or a text were found, in words; "" for other data.
        vocabulary: The characters of a text, in the order of their codes; () for other data.
    """

    name: str
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    log_prob: Callable[[jax.Array], jax.Array] | None = None
    score: Callable[[jax.Array], jax.Array] | None = None
    entropy: float | None = None
    mode: Callable[[np.ndarray], np.ndarray] | None = None
    mode_weights: np.ndarray | None = None
    train_cond: np.ndarray | None = None
    valid_cond: np.ndarray | None = None
    test_cond: np.ndarray | None = None
    units: Units | None = None
    schema: Schema | None = None
    levels: int | None = None
    source: str = ""
    vocabulary: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the event's columns; () for data without names."""
        return () if self.schema is None else tuple(column.name for column in self.schema.event)

    @property
    def cond_names(self) -> tuple[str, ...]:
        """Return the names of the condition's columns in the arrays, such as "colour=red" for a one-hot one."""
        return () if self.schema is None else tuple(name for column in self.schema.cond for name in feature_names(column))

    @property
    def categories(self) -> tuple[Categories | None, ...]:
        """Return for each event column its `Categories`, whose codes stand in the arrays, or None for numbers; () if none is discrete."""
        found = () if self.schema is None else tuple(column.categories for column in self.schema.event)
        return found if any(found) else ()

    @property
    def num_categories(self) -> tuple[int, ...]:
        """Return the number of categories of each event column, 0 for numbers: `zoo.build("tabular", ..., categories=data.num_categories)`."""
        return tuple(0 if c is None else len(c.labels) for c in self.categories or (None,) * self.train.shape[1])

    def table(self, x: ArrayLike) -> dict[str, np.ndarray]:
        """Return events `(n, d)`, such as samples, column by column in the units of the source: numbers, labels, dates, constants.

        Raises DataError for a code that does not exist.
        """
        events = np.asarray(x, np.float64) if self.units is None else self.units.restore(x)
        if self.schema is None or not self.schema.event:
            return {str(j): events[:, j] for j in range(events.shape[1])}
        return self.schema.rows(events)

    def encode_cond(self, table: Mapping[str, Sequence[object]]) -> np.ndarray:
        """Encode new conditions like `train_cond`: `(n, c)` float32, standardised, with one-hot categories.

        Args:
            table: The cells of each condition column, in the units of the source.

        Raises:
            DataError: A category or a column is unknown, or a value is missing. The message names row and column.
        """
        if self.train_cond is None or self.schema is None or not self.schema.cond:
            raise DataError(
                "encode_cond: table given; accepted: none, as this dataset has no condition. Load it with cond_columns= or, for images, labels=True."
            )
        names = [column.name for column in self.schema.cond]
        if set(table) != set(names):
            raise DataError(f"encode_cond: condition columns {', '.join(map(repr, table))}; accepted: {', '.join(map(repr, names))}.")
        lengths = {name: len(table[name]) for name in names}
        if len(set(lengths.values())) != 1:
            raise DataError(f"encode_cond: condition columns have {lengths} rows; accepted: the same number in each.")
        cond = self.schema.encode_cond(table_of(table, "encode_cond"))
        return cond.astype(np.float32) if self.units is None or self.units.cond_loc is None else self.units.standardise_cond(cond)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Return the shape of one event, for `zoo.build(..., event_shape=)`."""
        return self.train.shape[1:]

    @property
    def cond_shape(self) -> tuple[int, ...] | None:
        """Return the shape of one condition, for `zoo.build(..., cond_shape=)`, or None without conditions."""
        return None if self.train_cond is None else self.train_cond.shape[1:]

    def split(self, which: str) -> Split:
        """Return `Split(x, cond)` for "train", "valid" or "test". Raises ValueError for another name."""
        parts = {"train": (self.train, self.train_cond), "valid": (self.valid, self.valid_cond), "test": (self.test, self.test_cond)}
        if which not in parts:
            raise ValueError(f"split: which={which!r}; accepted: {', '.join(map(repr, parts))}.")
        return Split(*parts[which])
