"""Rows of numbers and categories under one process for each column: Gaussian noise for a number, the mask for a category."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.paths.discrete import DiscretePath, masked, one_hot
from jaxgen.paths.discrete.prediction import prediction as discrete_prediction
from jaxgen.paths.path import Path
from jaxgen.paths.prediction import Prediction, prediction
from jaxgen.roles import decoded
from jaxgen.types import Cond, Params

Output = Callable[[Params, jax.Array, jax.Array, Cond], jax.Array]
"""`(params, h (features,), t, cond) -> (outputs,)`, a network over all coordinates of a row."""


@dataclass(frozen=True)
class MixedPath:
    """Corrupt each coordinate of a row `(d,)` on its own: numbers on a Gaussian path, categories on a masked one, at one time t.

    Attributes:
        categories: For each coordinate the number of its categories, coded 0.0, 1.0, ...; 0 for a number.
        numbers: The Gaussian path.
        sites: The masked path of the largest number of categories.
        gates: For each coordinate the coordinate of two categories whose code 1 says that it is missing, or -1.
    """

    categories: tuple[int, ...]
    numbers: Path
    sites: DiscretePath
    gates: tuple[int, ...]

    @property
    def number_places(self) -> np.ndarray:
        """Return the places of the n numbers."""
        return np.flatnonzero(np.array(self.categories) == 0)

    @property
    def site_places(self) -> np.ndarray:
        """Return the places of the c categories."""
        return np.flatnonzero(np.array(self.categories) > 0)

    @property
    def counts(self) -> np.ndarray:
        """Return the number of categories of each site `(c,)`."""
        return np.array(self.categories)[self.site_places]

    @property
    def widths(self) -> tuple[int, int]:
        """Return how many numbers a network over a row reads and how many it writes; it reads and writes categories one-hot."""
        size = len(self.number_places) + int(self.counts.sum())
        return size, size

    def split(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the numbers `(n,)` and the codes `(c,)` of a row `(d,)`."""
        return x[self.number_places], x[self.site_places]

    def joined(self, numbers: jax.Array, codes: jax.Array) -> jax.Array:
        """Return the row `(d,)` of numbers `(n,)` and codes `(c,)`."""
        x = jnp.zeros(len(self.categories), jnp.result_type(numbers, codes))
        return x.at[self.number_places].set(numbers).at[self.site_places].set(codes)

    def missing(self, codes: jax.Array) -> jax.Array:
        """Return for each number `(n,)` whether the codes `(c,)` say that it is missing; a gate under the mask does not."""
        gate = np.array(self.gates)[self.number_places]
        if not np.any(gate >= 0):
            return jnp.zeros(len(gate), bool)
        places = np.searchsorted(self.site_places, np.maximum(gate, 0))
        return jnp.asarray(gate >= 0) & (codes[places] == 1)


def mixed_path(categories: Sequence[int], numbers: Path, gates: Sequence[int] = ()) -> MixedPath:
    """Return the process of a row of numbers and categories, whose parts are corrupted independently of each other given the row.

    Args:
        categories: For each coordinate the number of its categories, at least 2; 0 for a number.
        numbers: The variance-preserving path of the numbers, whose data have about unit variance.
        gates: For each coordinate the coordinate of two categories whose code 1 says that it is missing, or -1; () for none. A missing
            number is 0 in a row. On the path standard normal noise stands for it, which is the same at all times.

    Returns:
        The path; its categories show their datum with probability t.

    Raises:
        ValueError: There is a count of 1, or a gate is no coordinate of two categories.

    >>> from jaxgen import paths
    >>> path = paths.mixed_path((0, 3), paths.vp_linear())
    >>> [part.tolist() for part in path.split(jnp.asarray([0.5, 2.0]))]
    [[0.5], [2.0]]
    """
    counts = tuple(int(k) for k in categories)
    if not counts or any(k < 0 or k == 1 for k in counts):
        raise ValueError(f"mixed_path: categories={counts!r}; accepted: 0 for a number, or at least 2 categories, for each coordinate.")
    gates = tuple(gates) or (-1,) * len(counts)
    for j, gate in enumerate(gates):
        if len(gates) != len(counts) or (gate != -1 and (not 0 <= gate < len(counts) or counts[gate] != 2 or counts[j] != 0)):
            raise ValueError(f"mixed_path: gates={gates!r}; accepted: -1, or for a number a coordinate of two categories, for each coordinate.")
    return MixedPath(counts, numbers, masked(max(2, *counts, 2)), gates)


def with_codes(codes: jax.Array, cond: Cond) -> jax.Array:
    """Return codes and a condition as one condition.

    Args:
        codes: The codes `(..., c)`.
        cond: The condition `(..., k)`, or None.

    Returns:
        The condition `(..., c + k)`.

    >>> with_codes(jnp.asarray([1.0]), jnp.asarray([0.5, 2.0])).tolist()
    [1.0, 0.5, 2.0]
    """
    return codes if cond is None else jnp.concatenate([codes, jnp.asarray(cond, codes.dtype)], -1)


class MixedPrediction(NamedTuple):
    """Hold what one network says of a row on a mixed path.

    Attributes:
        path: The path.
        read: `(params, y (n,), codes (c,), t, cond=None, shown=True) -> (v (n,), p (c, K))`: the expectation of `alpha z - sigma x` of each
            number, and the probabilities of each category's datum. `shown=False` hides all numbers, as pure noise at t = 0 does.
        reader: Every reading of the numbers off their `v`, which stands in place of its params.
    """

    path: MixedPath
    read: Callable[..., tuple[jax.Array, jax.Array]]
    reader: Prediction

    def numbers(self) -> Prediction:
        """Return the prediction of the numbers given the categories: its condition is that of `with_codes`."""
        num = len(self.path.counts)

        def output(params: Params, y: jax.Array, t: jax.Array, cond: Cond) -> jax.Array:
            assert cond is not None
            codes, rest = jnp.asarray(cond[:num]), jnp.asarray(cond[num:])
            return self.read(params, y, codes, t, rest if rest.size else None)[0]

        return prediction(self.path.numbers, output, "v")


def mixed_prediction(path: MixedPath, output: Output, *, roles: bool = False) -> MixedPrediction:
    """Read the numbers' v and the categories' probabilities off one network that sees all corrupted coordinates and the time.

    The network reads the numbers and then each category one-hot, all zeros under the mask, and returns as many outputs: v for each number and
    logits for each category.

    Args:
        path: The path.
        output: `(params, h (n + sum of categories,), t, cond) -> (n + sum of categories,)`, the network.
        roles: Whether the condition is `jaxgen.roles.coded` of which coordinates are given and which are asked for. The others are hidden
            from the network as parts of the state: v is zero for a number, and the code 0 is certain for a category.

    Returns:
        The prediction. Each category has a probability of at least 1e-7, except where the state shows the datum.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> path = paths.mixed_path((0, 2), paths.vp_linear())
    >>> read = paths.mixed_prediction(path, lambda params, h, t, cond=None: jnp.zeros_like(h)).read
    >>> read((), jnp.asarray([0.5]), jnp.asarray([2.0]), jnp.asarray(0.5))[1].tolist()  # the mask
    [[0.5, 0.5]]
    """
    counts, num = path.counts, len(path.number_places)
    k = path.sites.num_categories
    # Where the logits of each site stand among the outputs; the others are not read.
    starts = num + np.cumsum([0, *counts])[:-1]
    places = np.minimum(starts[:, None] + np.arange(k), num + int(counts.sum()) - 1).astype(np.int32)
    sites = discrete_prediction(path.sites, lambda logits, codes, t, cond=None: logits, counts=counts) if len(counts) else None

    def features(y: jax.Array, codes: jax.Array) -> jax.Array:
        hot = one_hot(codes, k)[np.repeat(np.arange(len(counts)), counts), np.concatenate([np.arange(c) for c in counts])] if sites else codes
        return jnp.concatenate([y, hot])

    def read(
        params: Params, y: jax.Array, codes: jax.Array, t: jax.Array, cond: Cond = None, shown: bool | jax.Array = True
    ) -> tuple[jax.Array, jax.Array]:
        here, open_sites = ~path.missing(codes), jnp.ones(len(counts), bool)
        told = cond
        if roles:
            assert isinstance(cond, jax.Array)
            values, given, asked = decoded(cond)
            asked_numbers, open_sites = path.split(asked)
            here = here & asked_numbers
            given_numbers, given_codes = path.split(given)
            value_numbers, value_codes = path.split(values)
            known = features(jnp.where(given_numbers, value_numbers, 0), jnp.where(given_codes, value_codes, k))
            told = jnp.concatenate([known, given, asked], dtype=values.dtype)
        y_seen = jnp.where(here & jnp.asarray(shown), y, 0)
        out = output(params, features(y_seen, jnp.where(open_sites, codes, k)), t, told)
        v = jnp.where(here, out[:num], 0)
        if sites is None:
            return v, jnp.zeros((0, k), v.dtype)
        p = sites.probabilities(out[places], codes, t)
        return v, jnp.where(open_sites[:, None], p, one_hot(jnp.zeros_like(codes), k))

    return MixedPrediction(path, read, prediction(path.numbers, lambda v, y, t, cond=None: v, "v"))
