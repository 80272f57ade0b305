"""What `load` returns: arrays split three ways, with the truth about their density where it is known."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen.data.categories import Categories, encode_conditions
from jaxgen.data.tables import DataError


class Split(NamedTuple):
    """One part of a dataset. x: (n, *event) float32; cond: (n, *cond) float32 or None."""

    x: np.ndarray
    cond: np.ndarray | None = None


class Units(NamedTuple):
    """The affine that undoes the standardisation: `x_own = loc + scale * x_standardised`, per coordinate.

    loc, scale:           (*event,) float64, or () for all coordinates alike, scale > 0.
    cond_loc, cond_scale: (*cond,) float64, the same for the condition, or None where there is none or it is in its own units already.

    A density of standardised data is that of the own units times `prod(scale)`: `log p_own = log p_standardised - sum(log(scale))`.
    """

    loc: np.ndarray
    scale: np.ndarray
    cond_loc: np.ndarray | None = None
    cond_scale: np.ndarray | None = None

    def restore(self, x: np.ndarray) -> np.ndarray:
        """Standardised events (..., *event) to the data's own units, float64."""
        return self.loc + self.scale * np.asarray(x, np.float64)

    def standardise(self, x: np.ndarray) -> np.ndarray:
        """Events (..., *event) in the data's own units to standardised ones, float32."""
        return ((np.asarray(x, np.float64) - self.loc) / self.scale).astype(np.float32)

    def standardise_cond(self, cond: np.ndarray) -> np.ndarray:
        """Conditions (..., *cond) in their own units to standardised ones, float32. Raises ValueError where the data has no condition."""
        if self.cond_loc is None or self.cond_scale is None:
            raise ValueError("cond: this dataset has no condition columns; load it with cond_columns=")
        return ((np.asarray(cond, np.float64) - self.cond_loc) / self.cond_scale).astype(np.float32)


class Dataset(NamedTuple):
    """Arrays to train, validate and test on: `fit(key, entry, data.train, cond=data.train_cond)`.

    train, valid, test: (n, *event) float32.
    log_prob:     jax function of ONE event (*event,) -> scalar log density in nats of the arrays as they are, in the event's dtype; -inf
                  outside the support. None where the truth is not known.
    score:        jax function of ONE event -> (*event,), the gradient of `log_prob`. None where the density is unknown or has jumps.
    entropy:      nats, of the density of the arrays as they are: the NLL that no model can beat.
    mode:         numpy function x (n, *event) -> (n,) int, which mode each point belongs to, -1 for none.
    mode_weights: (modes,) float64, the true mass of each mode.
    *_cond:       (n, *cond) float32, or None without condition columns.
    columns, cond_names: names of the columns of a file.
    categories:   per event column its `Categories`, whose codes 0.0, 1.0, ... the arrays hold unscaled, or None for a column of numbers; () where
                  no column is discrete.
    conditions:   per condition column of the source its name, or its `Categories`, which are one-hot in the arrays; () without discrete ones.
    units:        how to get back to the units of the source; None where the arrays are in the only units there are.
    levels:       of images, how many values a pixel has; None for other data.
    source:       of images, in words, where they were found; "" for other data.
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
    columns: tuple[str, ...] = ()
    cond_names: tuple[str, ...] = ()
    units: Units | None = None
    categories: tuple[Categories | None, ...] = ()
    conditions: tuple[str | Categories, ...] = ()
    levels: int | None = None
    source: str = ""

    @property
    def num_categories(self) -> tuple[int, ...]:
        """How many categories each event column has, 0 for a number: `zoo.build("tabular", ..., categories=data.num_categories)`."""
        return tuple(0 if c is None else len(c.labels) for c in self.categories or (None,) * self.train.shape[1])

    def table(self, x: Any) -> dict[str, np.ndarray]:
        """Events `(n, d)` as they are in `train`, such as samples, column by column in the source's units: numbers, and labels of categories.

        Raises DataError for a code that does not exist.
        """
        own = np.asarray(x, np.float64) if self.units is None else self.units.restore(x)
        names = self.columns or tuple(map(str, range(own.shape[1])))
        kinds = self.categories or (None,) * own.shape[1]
        return {n: own[:, j] if c is None else c.decode(own[:, j]) for j, (n, c) in enumerate(zip(names, kinds, strict=True))}

    def encode_cond(self, table: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """New conditions, column by column in the source's units, as `(n, c)` float32 like `train_cond`: standardised, categories one-hot.

        Raises DataError, naming row and column, for a category that the source does not have, a missing value or an unknown column.
        """
        if self.train_cond is None or not (self.conditions or self.cond_names):
            raise DataError("encode_cond: this dataset has no condition columns; load it with cond_columns= or, of images, labels=True")
        own = encode_conditions(self.conditions or self.cond_names, table)
        return own.astype(np.float32) if self.units is None or self.units.cond_loc is None else self.units.standardise_cond(own)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one event, for `zoo.build(..., event_shape=)`."""
        return self.train.shape[1:]

    @property
    def cond_shape(self) -> tuple[int, ...] | None:
        """Shape of one condition, for `zoo.build(..., cond_shape=)`; None where there is none."""
        return None if self.train_cond is None else self.train_cond.shape[1:]

    def split(self, which: str) -> Split:
        """`Split(x, cond)` of "train", "valid" or "test". Raises ValueError for another name."""
        parts = {"train": (self.train, self.train_cond), "valid": (self.valid, self.valid_cond), "test": (self.test, self.test_cond)}
        if which not in parts:
            raise ValueError(f"which={which!r}: expected one of {', '.join(map(repr, parts))}")
        return Split(*parts[which])
