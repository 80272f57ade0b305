"""From a network's coordinates to the cells of a table: fixed maps onto each column's support, whole numbers, and gaps."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.transform import Density, Maps, Preimage, Transform, no_params, require_key
from jaxgen.transforms.scalars.scalar import Scalar
from jaxgen.transforms.surjections.contribution import HALF_LOG_2PI, signed
from jaxgen.transforms.surjections.dequantisation import fill_cell
from jaxgen.types import Cond, Event, Key, Noise, Params


class Cell(NamedTuple):
    """Describe the cells of one column of numbers.

    Attributes:
        scalar: The bijection from a coordinate to the column's support.
        theta: The parameters of `scalar`, which are fixed.
        whole: Whether the cells are whole numbers: the map rounds down, and its inverse fills the unit cell uniformly.
        gaps: Whether cells may be missing, which is NaN in an event.
    """

    scalar: Scalar
    theta: Sequence[float]
    whole: bool = False
    gaps: bool = False


def table_cells(cells: Sequence[Cell], *, coded: bool = False, partial: bool = False) -> Transform:
    """Build the map from coordinates to the cells `(m,)` of m columns of numbers, elementwise and without params.

    The noise has a coordinate for each column, and behind these an indicator for each column with gaps. A whole number is rounded down from
    its cell (arXiv 1511.01844). A column with gaps is missing if its indicator is negative, or, with `coded`, if it is the code 1.

    Args:
        cells: The columns.
        coded: Whether indicators are codes, 0 for a given and 1 for a missing cell, of a model that gives the coordinate of a missing cell no
            density, such as `autoregressive_columns(gates=)`. Without it indicators are real numbers: `inverse` draws one of the right
            sign, and a standard normal number in the place of the missing one.
        partial: Whether NaN marks a cell that nobody asks for, as `answering` has it: it stays NaN, counts nothing, and there are no
            indicators. Without a key `inverse` then puts a whole number into the middle of its cell.

    Returns:
        A transform without params: EXACT if no column is whole and none has gaps, or those with gaps are `coded`; otherwise LOWER_BOUND. An
        event outside the support has log density -inf. A whole number may be off by a thousandth, as one that was standardised and brought back is.

    Raises:
        ValueError: There is no column, or `theta` has another length than the scalar's parameters.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> age = transforms.Cell(transforms.scale_and_shift(), [30.0, 2.0], whole=True, gaps=True)
    >>> f = transforms.table_cells([age])
    >>> f.forward((), jnp.asarray([0.1, 1.0])).tolist(), f.forward((), jnp.asarray([0.1, -1.0])).tolist()
    ([30.0], [nan])
    """
    if not cells:
        raise ValueError("table_cells: cells=[]; accepted: at least one Cell.")
    for j, cell in enumerate(cells):
        if len(cell.theta) != cell.scalar.num_params:
            raise ValueError(f"table_cells: cells[{j}].theta={cell.theta!r}; accepted: {cell.scalar.num_params} numbers.")
    gaps = np.flatnonzero([c.gaps and not partial for c in cells]).astype(np.int32)
    num, whole = len(cells), np.array([c.whole for c in cells])
    groups = _groups(cells)
    drawn = bool(len(gaps)) and not coded
    kind = Density.LOWER_BOUND if drawn or whole.any() else Density.EXACT

    def each(name: str, values: jax.Array) -> tuple[jax.Array, jax.Array]:
        out, log_det = jnp.zeros_like(values), jnp.zeros_like(values)
        for scalar, theta, places in groups:
            mapped, of_group = jax.vmap(getattr(scalar, name))(jnp.asarray(theta, values.dtype), values[places])
            out, log_det = out.at[places].set(mapped), log_det.at[places].set(of_group)
        return out, log_det

    def absent(z: jax.Array) -> jax.Array:
        """Whether each column is missing, from the indicators."""
        signs = z[num:] == 1 if coded else z[num:] < 0
        return jnp.zeros(num, bool).at[gaps].set(signs)

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        x, log_det = each("forward", z[:num])
        gone = absent(z)
        return jnp.where(gone, jnp.nan, jnp.where(whole, jnp.floor(x), x)), jnp.sum(jnp.where(gone, 0, log_det))

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        gone = jnp.isnan(x) & (partial | np.isin(np.arange(num), gaps))
        middles = kind is Density.EXACT or (partial and key is None)
        keys = None if middles else jax.random.split(require_key("table_cells", key, "cells are filled at random"), 3)
        middle = each("forward", jnp.zeros(num, x.dtype))[0]
        x = jnp.where(gone, jnp.where(whole, jnp.floor(middle), middle), x)
        nearest = jnp.rint(x)
        wrong = whole & (jnp.abs(x - nearest) > 1e-3 + 1e-6 * jnp.abs(x))
        x = jnp.where(whole, nearest, x)
        if whole.any():
            place = jnp.full_like(x, 0.5) if keys is None else jax.random.uniform(keys[0], x.shape, x.dtype)
            x = jnp.where(whole, fill_cell(x, place), x)
        z, log_det = each("inverse", x)
        log_det = jnp.sum(jnp.where(gone, 0, jnp.where(wrong, -jnp.inf, log_det)))
        if not drawn:
            z = jnp.where(gone, jnp.nan if partial else 0, z)
            return Preimage(jnp.concatenate([z, gone[gaps].astype(x.dtype)]), log_det, jnp.zeros((), x.dtype))
        assert keys is not None
        filler = jax.random.normal(keys[1], x.shape, x.dtype)
        indicator, log_q = signed(keys[2], ~gone[gaps], x.dtype)
        log_q = jnp.sum(log_q) + jnp.sum(jnp.where(gone, -0.5 * filler**2 - HALF_LOG_2PI, 0))
        return Preimage(jnp.concatenate([jnp.where(gone, filler, z), indicator]), log_det, log_q)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return forward_and_log_det(params, z, cond)[0]

    return Transform(no_params, Maps(forward, inverse, forward_and_log_det if kind is Density.EXACT else None), kind)


def _groups(cells: Sequence[Cell]) -> list[tuple[Scalar, np.ndarray, np.ndarray]]:
    """Columns that share a scalar are mapped together."""
    scalars = list({id(cell.scalar): cell.scalar for cell in cells}.values())
    places = [np.array([j for j, cell in enumerate(cells) if cell.scalar is scalar], np.int32) for scalar in scalars]
    return [(s, np.array([list(cells[j].theta) for j in at], np.float64), at) for s, at in zip(scalars, places, strict=True)]
