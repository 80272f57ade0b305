"""Entries on tables: each column's way from a network's coordinates to the cells, chosen from the data and kept in the config."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxgen.data import Column, Dataset, Schema
from jaxgen.data.columns import WHOLE
from jaxgen.lifting import over_batch
from jaxgen.training import Entry, Fitted
from jaxgen.transform import Transform
from jaxgen.transforms import Cell, Piece, affine, argmax_codes, chain, in_parallel, table_cells
from jaxgen.types import Key
from jaxgen.zoo.forms import Option
from jaxgen.zoo.known_cells import as_gaps, known_in, questions_of, without_gaps
from jaxgen.zoo.marginals import Marginal, affine_marginal, find_marginal, near_affine
from jaxgen.zoo.registry import build, describe
from jaxgen.zoo.units import Partly, behind, in_units


class Layout(NamedTuple):
    """Say how the cells of a table lie in the coordinates of a model.

    Attributes:
        schema: The columns.
        marginals: For each column of the event its marginal; that of a category is not read.
        coded: Whether the model takes categories, and whether a number is missing, as codes; otherwise as real numbers.
        partial: Whether the model answers questions: a gap is then not modelled, and its coordinates are NaN.
    """

    schema: Schema
    marginals: tuple[Marginal, ...]
    coded: bool
    partial: bool = False

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return the columns of the event as they are modelled: if gaps are not, then without gaps."""
        return tuple(map(without_gaps, self.schema.event)) if self.partial else self.schema.event

    @property
    def widths(self) -> list[int]:
        """Return how many coordinates each column takes."""
        return [_width(column, self.coded) for column in self.columns]

    @property
    def categories(self) -> list[int]:
        """Return for each coordinate of a coded model its number of categories, 0 for a number; an indicator of a gap has two."""
        counts: list[int] = []
        for column in self.columns:
            counts += [len(column.labels)] if column.kind == "category" else [2, 0] if column.missing else [0]
        return counts

    @property
    def gates(self) -> list[int]:
        """Return for each coordinate of a coded model the coordinate that says whether it is missing, or -1."""
        gates: list[int] = []
        for column in self.columns:
            gates += [-1, len(gates)] if column.missing and column.kind != "category" else [-1]
        return gates

    def transform(self) -> Transform:
        """Return the transform from a model's coordinates to rows `(d,)` in the units of the data."""
        starts, columns = np.cumsum([0, *self.widths]), self.columns
        numbers = [j for j, column in enumerate(columns) if column.kind != "category"]
        codes = [j for j, column in enumerate(columns) if column.kind == "category"]
        pieces = []
        if numbers:
            cells = [_cell(columns[j], self.marginals[j]) for j in numbers]
            gaps = [starts[j] for j in numbers if columns[j].missing]
            values = [starts[j] + columns[j].missing for j in numbers]
            pieces.append(Piece(table_cells(cells, coded=self.coded, partial=self.partial), [*values, *gaps], numbers))
        if codes and self.coded:
            pieces.append(Piece(affine(0.0, 1.0), [starts[j] for j in codes], codes))
        for k in sorted({len(columns[j].labels) for j in codes}) if not self.coded else ():
            same = [j for j in codes if len(columns[j].labels) == k]
            of_codes = argmax_codes(k, len(same), partial=self.partial)
            pieces.append(Piece(of_codes, [i for j in same for i in range(starts[j], starts[j + 1])], same))
        return in_parallel(*pieces)

    def near_affine(self, x: np.ndarray) -> "Layout":
        """Return the layout of the same supports whose marginals bend as little as these allow.

        Args:
            x: The training rows `(n, d)` in the units of the data.
        """
        marginals = [
            marginal if column.kind == "category" else near_affine(marginal, values[~np.isnan(values)] + 0.5 * (column.kind in WHOLE))
            for column, marginal, values in zip(self.schema.event, self.marginals, x.T, strict=True)
        ]
        return self._replace(marginals=tuple(marginals))

    def as_json(self) -> dict[str, Any]:
        """Return the layout as JSON can hold it."""
        marginals = [[m.family, list(m.theta)] for m in self.marginals]
        return {"schema": self.schema.as_json(), "marginals": marginals, "coded": self.coded, "partial": self.partial}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Layout":
        """Return the layout that `as_json` wrote."""
        marginals = tuple(Marginal(family, tuple(theta)) for family, theta in value["marginals"])
        return Layout(Schema.from_json(value["schema"]), marginals, bool(value["coded"]), bool(value.get("partial", False)))


class Prepared(NamedTuple):
    """Hold an entry for a data set, and the arrays that it trains on.

    Attributes:
        entry: The entry, in the coordinates of the network.
        data: The data set in these coordinates: `fit(key, entry, data.train, ..., cond=data.train_cond, valid=data.valid)`.
        layout: Where the cells of a table are in these coordinates; None for other data.
    """

    entry: Entry
    data: Dataset
    layout: Layout | None

    def in_units(self, fitted: Fitted) -> tuple[Entry, Fitted]:
        """Return the entry and what `jaxgen.fit` returned for it in the units of the data, as `jaxgen.save` keeps them."""
        units = self.data.units
        if units is None:
            return self.entry, fitted
        if self.layout is None:
            return in_units(self.entry, fitted, *units)
        return on_table(self.entry, fitted, self.layout, units.cond_loc, units.cond_scale)

    def standardised(self, fitted: Fitted) -> tuple[Entry, Fitted]:
        """Return the entry and what `jaxgen.fit` returned for it in the standardised units of the data set that was prepared."""
        if self.layout is None or self.data.units is None:
            return self.entry, fitted
        loc, scale = self.data.units.loc, self.data.units.scale
        last = chain(self.layout.transform(), affine(-loc / scale, 1 / scale))
        # What sampling drops sees the coordinates of the network, and no row.
        entry = self.entry._replace(card=self.entry.card._replace(dropped={}))
        return behind(entry, fitted, last, None, None, entry.card.config, ((), ()))


def prepare(
    name: str, data: Dataset, *, supports: bool = True, num_params: int | None = None, size: str | None = None, **options: Option
) -> Prepared:
    """Build the entry `name` for a data set, and bring the data set to the coordinates that the entry takes.

    Numbers go through the marginal that `find_marginal` chooses from the training rows. Whole numbers are dequantised, which makes the
    density a lower bound. A model that takes codes, such as `tabular`, gets categories and gaps as codes, with an exact density; for any other
    model a category becomes several real numbers, whose largest one names it, and a gap becomes the sign of one more number, so that the
    density is a lower bound. With the option `any_subset` gaps are trained on but not modelled: samples are whole rows.

    Args:
        name: The entry's name.
        data: What `jaxgen.data.load` returned.
        supports: Whether supports and heavy tails are looked for; False standardises every number.
        num_params: See `zoo.build`.
        size: For images, see `zoo.build`.
        options: Options of the entry.

    Returns:
        The entry, the data and the way back to the units of the data.

    Raises:
        ValueError: The entry or an option is unknown, or `data` is no data set.

    >>> import numpy as np, pandas, jaxgen
    >>> rows = {"age": np.arange(50), "pay": np.exp(np.random.default_rng(0).normal(size=50)), "job": ["a", "b"] * 25}
    >>> ready = jaxgen.zoo.prepare("tabular", jaxgen.data.load(pandas.DataFrame(rows)), width=8, depth=1)
    >>> ready.data.train.shape, str(ready.layout.marginals[1])
    ((40, 3), 'above 0')
    """
    if not isinstance(data, Dataset):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"zoo.prepare: data=<{type(data).__name__}>; accepted: what jaxgen.data.load returned, which takes DataFrames too."
        )
    if data.schema is None or not data.schema.event:
        return Prepared(build(name, data.event_shape, data.cond_shape, num_params=num_params, size=size, **options), data, None)
    coded, partial = "categories" in describe(name, data.event_shape), bool(options.get("any_subset", False))
    assert data.units is not None
    x = {split: exact(data.schema, data.units.restore(data.split(split).x)) for split in ("train", "valid", "test")}
    layout = Layout(data.schema, find_marginals(data.schema, x["train"], supports), coded, partial)
    entry = build_on(layout, name, data.cond_shape, num_params=num_params, size=size, **options)
    arrays = {split: encoded(jax.random.key(i), layout, rows) for i, (split, rows) in enumerate(x.items())}
    return Prepared(entry, data._replace(**arrays), layout)


def build_on(
    layout: Layout,
    name: str,
    cond_shape: tuple[int, ...] | None = None,
    *,
    num_params: int | None = None,
    size: str | None = None,
    **options: Option,
) -> Entry:
    """Build the entry `name` for the coordinates of a layout.

    Args:
        layout: The layout.
        name: The entry's name.
        cond_shape: The shape of a condition, `(c,)`, or None.
        num_params: See `zoo.build`.
        size: See `zoo.build`.
        options: Options of the entry.

    Returns:
        The entry, whose options say which coordinates are codes and which ones belong together.
    """
    width = sum(layout.widths)
    known = describe(name, (width,))
    if layout.coded and "categories" in known:
        gates: dict[str, Option] = {"gates": layout.gates if max(layout.gates) >= 0 else None} if "gates" in known else {}
        options = {"categories": layout.categories, **gates, **options}
    elif layout.partial and max(layout.widths) > 1:
        options = {**options, "any_subset": layout.widths}
    return build(name, (width,), cond_shape, num_params=num_params, size=size, **options)


def find_marginals(schema: Schema, x: np.ndarray, supports: bool = True) -> tuple[Marginal, ...]:
    """Choose the marginal of each column of the event.

    Args:
        schema: The columns.
        x: The training rows `(n, d)` in the units of the data.
        supports: Whether supports and heavy tails are looked for; False standardises every number.

    Returns:
        One marginal for each column; that of a category is the identity.
    """
    found = []
    for column, values in zip(schema.event, x.T, strict=True):
        whole, given = column.kind in WHOLE, values[~np.isnan(values)]
        if column.kind == "category":
            found.append(affine_marginal(0.0, 1.0))
        elif supports:
            found.append(find_marginal(values, whole, bounds=not column.origin))
        else:
            found.append(affine_marginal(float(given.mean()) + 0.5 * whole, float(given.std()) or 1.0))
    return tuple(found)


def encoded(key: Key, layout: Layout, x: ArrayLike) -> np.ndarray:
    """Bring rows to the coordinates of a model, in double precision, so that large numbers keep their digits.

    Args:
        key: A random key of the dequantisation.
        layout: The layout.
        x: Rows `(n, d)` in the units of the data.

    Returns:
        The coordinates `(n, k)` float32.
    """
    return encoded_with_log_det(key, layout, x)[0]


def encoded_with_log_det(key: Key, layout: Layout, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Bring rows to the coordinates of a model and return what their log density changes by.

    Args:
        key: A random key of the dequantisation.
        layout: The layout.
        x: Rows `(n, d)` in the units of the data.

    Returns:
        The coordinates `(n, k)` float32 and, for each row, the log density of the row minus that of its coordinates `(n,)` float64.
    """
    x = as_gaps(layout.schema, np.asarray(x, np.float64)) if layout.partial else np.asarray(x, np.float64)
    with jax.enable_x64(True):
        inverse = over_batch(layout.transform()).inverse
        assert inverse is not None

        def back(keys: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
            pre = inverse((), rows, None, keys)
            return pre.z, pre.log_det - pre.log_q

        z, log_det = jax.jit(back)(jax.random.split(key, len(x)), jnp.asarray(x))
        return np.asarray(z, np.float32), np.asarray(log_det)


def on_table(
    entry: Entry, fitted: Fitted, layout: Layout, cond_loc: ArrayLike | None = None, cond_scale: ArrayLike | None = None
) -> tuple[Entry, Fitted]:
    """Turn an entry trained on the coordinates of a layout into one whose events are the rows of the table.

    Args:
        entry: The entry that was trained.
        fitted: What `jaxgen.fit` returned for it.
        layout: The layout of its coordinates.
        cond_loc: What was subtracted from conditions, `(c,)`; None if conditions are as they were.
        cond_scale: What conditions were divided by, `(c,)`.

    Returns:
        The entry, with the layout in its config, and `fitted` with params `(params, ())`.
    """
    partly = None
    if entry.model.transform.hooks.questions is not None and entry.card.config["cond_shape"] is None:
        asked = Layout(layout.schema, layout.marginals, layout.coded, partial=True)
        questions = questions_of(layout.schema, layout.marginals)
        partly = Partly(
            known_in(asked.transform()), asked.transform(), questions, lambda flags: tuple(np.repeat(flags, asked.widths).tolist())
        )
    conditions = {name: None if v is None else np.asarray(v, np.float64).tolist() for name, v in (("loc", cond_loc), ("scale", cond_scale))}
    config = {**entry.card.config, "table": {**layout.as_json(), "cond": conditions}}
    return behind(entry, fitted, layout.transform(), cond_loc, cond_scale, config, partly=partly)


def schema_of(entry: Entry) -> Schema | None:
    """Return the description of the columns that an entry was trained on, from its config; None for other data."""
    table = entry.card.config.get("table")
    return None if table is None else Schema.from_json(table["schema"])


def exact(schema: Schema, x: np.ndarray) -> np.ndarray:
    """Undo the rounding of standardised arrays where values are known to be whole.

    Args:
        schema: The columns.
        x: Rows `(n, d)` in the units of the data.
    """
    whole = np.array([column.kind in (*WHOLE, "category") for column in schema.event])
    return np.where(whole, np.rint(x), x)


def _width(column: Column, coded: bool) -> int:
    if column.kind == "category":
        return 1 if coded or len(column.labels) == 2 else len(column.labels)
    return 1 + column.missing


def _cell(column: Column, marginal: Marginal) -> Cell:
    return Cell(marginal.scalar, marginal.theta, column.kind in WHOLE, column.missing)
