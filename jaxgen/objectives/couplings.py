"""Couplings: which noise meets which event of a minibatch. All keep the laws of noise and events; they differ in the paths between."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxgen import checks
from jaxgen.numerics import assignment
from jaxgen.numerics.sinkhorn import sinkhorn
from jaxgen.types import Cond, Key, PyTree

Rows: TypeAlias = PyTree
"""The rows of a batch: a numpy array on the host, a JAX array inside a loss."""
Pair: TypeAlias = Callable[[Key, Rows, Rows, Rows | None], Rows]
"""A function `(key, x (n, *event), z (n, *event), cond (n, *cond) or None) -> (n, *event)`: for each event its row of the noise z."""


class Coupling(NamedTuple):
    """Say which noise meets which event.

    Attributes:
        pair: `(key, x, z, cond) -> z`, for each row of x its row of z; it keeps the law of both.
        on_host: True if `pair` works on numpy arrays of the whole batch, by `Objective.prepare` on a thread beside the train step. False if
            it is JAX and runs inside the loss.
        by_row: True if the noise of an event depends on its own row alone, so that devices may share a batch.
    """

    pair: Pair
    on_host: bool = False
    by_row: bool = False


CouplingLike: TypeAlias = str | Coupling | Pair
"""What `coupling=` takes: a name, a `Coupling`, or a function `(key, x, z, cond) -> z` in JAX."""


def independent() -> Coupling:
    """Build the coupling in which each event meets its own draw of the base.

    Source: arXiv 2210.02747.

    >>> import numpy as np
    >>> independent().pair(None, np.zeros((2, 1)), np.asarray([[1.0], [2.0]]), None).tolist()
    [[1.0], [2.0]]
    """
    return Coupling(lambda key, x, z, cond: z, by_row=True)


def optimal_transport() -> Coupling:
    """Build the coupling by the exact plan of the minibatch for the squared distance.

    Source: arXiv 2302.00482, section 3.2.3; arXiv 2304.14772.

    >>> import numpy as np
    >>> optimal_transport().pair(None, np.asarray([[0.0], [9.0]]), np.asarray([[8.0], [1.0]]), None).tolist()
    [[1.0], [8.0]]
    """
    return Coupling(lambda key, x, z, cond: optimal_pairing(x, z), on_host=True)


def entropic(epsilon: float, *, tolerance: float = 1e-2, max_iterations: int = 200, within_conditions: bool = False) -> Coupling:
    """Build the coupling that draws pairs from the plan of the minibatch that minimises `E |x - z|^2 - epsilon entropy`.

    The plan is computed on the device by Sinkhorn's iteration. Each event draws its z from its row of the plan, so draws of z repeat within
    a batch. A row that is not a number gives noise that is not a number, so that the loss shows it.

    Args:
        epsilon: The weight of the entropy, in the units of a squared distance. `2 sigma^2` gives the static Schrodinger bridge of a
            Brownian motion with standard deviation sigma at t = 1; a small number gives the exact plan, a large one the independent
            coupling.
        tolerance: When the iteration ends, as `numerics.sinkhorn` takes it.
        max_iterations: When it ends at the latest.
        within_conditions: Give each z the condition of its row first and make a plan for each condition that occurs, so that the noise
            under each keeps its law, as for classes in `conditional_optimal_transport`. If all conditions differ it is the independent
            coupling.

    Raises:
        ValueError: `epsilon` is not positive.

    Source: arXiv 2302.00482, proposition 3.5.

    >>> import jax
    >>> x, z = jax.numpy.asarray([[0.0], [9.0]]), jax.numpy.asarray([[8.0], [1.0]])
    >>> entropic(0.1).pair(jax.random.key(0), x, z, None).tolist()
    [[1.0], [8.0]]
    """
    checks.number("entropic: epsilon", epsilon, above=0)

    def pair(key: Key, x: jax.Array, z: jax.Array, cond: Cond) -> jax.Array:
        x, z = jax.lax.stop_gradient((x, z))
        _refuse_non_finite("entropic", x=x, z=z)
        cost = squared_distances(x, z)
        if within_conditions and cond is not None:
            c = cond.reshape(cond.shape[0], -1)
            # Dearer than any exchange of partners could make up for; finite, so that the iteration starts at a finite epsilon.
            cost = cost + jnp.where(jnp.any(c[:, None] != c[None], -1), 2 * jnp.ptp(cost) + 50 * epsilon, 0)
        plan = sinkhorn(cost, epsilon, tolerance=tolerance, max_iterations=max_iterations)
        # By the inverse of each row's distribution function: one uniform a row, where Gumbel noise would take n.
        below = jnp.cumsum(jax.nn.softmax(plan.log_plan, 1), 1)
        u = jax.random.uniform(key, (x.shape[0], 1), x.dtype) * below[:, -1:]
        drawn = z[jnp.minimum(jnp.sum(below <= u, 1), z.shape[0] - 1)]
        # A traced row cannot be refused: its NaN reaches every pair, as it reaches the plan, and so the loss, where training stops.
        return jnp.where(jnp.all(jnp.isfinite(below)), drawn, jnp.nan)

    return Coupling(pair)


def conditional_optimal_transport(ratio: float | None = None, *, distance: str = "euclidean") -> Coupling:
    """Build the coupling by the exact plan for `|x - z|^2 + w d(c_x, c_z)`, in which each z has first been given the condition of its row.

    Optimal transport that does not see the conditions makes the noise depend on them, which sampling under one condition knows nothing of.
    Without conditions this coupling is `optimal_transport()`.

    Args:
        ratio: None is for classes: w is infinite, rows of equal condition are paired among themselves and the noise under each class keeps
            its law. A number in (0, 1] is for continuous conditions: for each minibatch w is such that this share of all pairs (i, j) has
            `|x_i - z_j|^2 + w d(c_i, c_j) <= |x_i - z_i|^2`; the paper takes 0.05.
        distance: d is "euclidean" (the squared distance) or "cosine" (one minus the cosine).

    Raises:
        ValueError: `ratio` is outside (0, 1] or `distance` is unknown.

    Source: arXiv 2503.10636.

    >>> import numpy as np
    >>> x, z, classes = (np.asarray(a)[:, None] for a in ([0.0, 9.0, 5.0], [8.0, 1.0, 4.0], [0, 0, 1]))
    >>> conditional_optimal_transport().pair(None, x, z, classes).tolist()
    [[1.0], [8.0], [4.0]]
    """
    if ratio is not None:
        checks.number("conditional_optimal_transport: ratio", ratio, above=0, most=1)
    if distance not in ("euclidean", "cosine"):
        raise ValueError(f"conditional_optimal_transport: distance={distance!r}; accepted: euclidean, cosine.")

    def pair(key: Key, x: np.ndarray, z: np.ndarray, cond: np.ndarray | None) -> np.ndarray:
        if cond is None:
            return optimal_pairing(x, z)
        c = np.asarray(cond, np.float64).reshape(len(x), -1)
        if ratio is None:
            return _within_classes(x, z, c)
        cost, apart = squared_distances(x.astype(np.float64), z.astype(np.float64)), _condition_distances(c, distance)
        return z[assignment(cost + condition_weight(cost, apart, ratio) * apart)]

    return Coupling(pair, on_host=True)


NAMED: dict[str, Callable[[], Coupling]] = {
    "independent": independent,
    "optimal_transport": optimal_transport,
    "conditional_optimal_transport": conditional_optimal_transport,
}
"""The couplings that `coupling=` takes by name. `entropic` needs its epsilon and is given as `entropic(epsilon)`."""


def resolve(function: str, coupling: CouplingLike) -> Coupling:
    """Return the coupling that `coupling=` of an objective says.

    Args:
        function: The name of the objective's factory, for the message.
        coupling: A name of `NAMED`, a `Coupling`, or a function `(key, x, z, cond) -> z` in JAX.

    Raises:
        ValueError: `coupling` is an unknown name or something else.

    >>> resolve("flow_matching", "optimal_transport").on_host
    True
    """
    if isinstance(coupling, Coupling):
        return coupling
    if isinstance(coupling, str) and coupling in NAMED:
        return NAMED[coupling]()
    if callable(coupling):
        return Coupling(coupling)
    raise ValueError(
        f"{function}: coupling={coupling!r}; accepted: {', '.join(NAMED)}, a Coupling such as couplings.entropic(0.1), or a function."
    )


def _refuse_non_finite(where: str, **rows: jax.Array) -> None:
    """ValueError that names the first row with a number that is not finite; traced arrays, whose values are not known, pass."""
    for name, value in rows.items():
        if not isinstance(value, Tracer):
            finite = np.isfinite(np.asarray(value)).reshape(len(value), -1).all(1)
            if not finite.all():
                row = int(np.argmin(finite))
                raise ValueError(f"{where}: {name}[{row}]={np.asarray(value[row]).tolist()!r}; accepted: rows of finite numbers.")


def optimal_pairing(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Reorder the rows of `z` so that the summed squared distance of both rows is least.

    Args:
        x: Events `(n, *event)`.
        z: Noise `(n, *event)`.

    Returns:
        The rows of `z` in the best order.

    >>> import numpy as np
    >>> optimal_pairing(np.asarray([[0.0], [9.0]]), np.asarray([[8.0], [1.0]])).tolist()
    [[1.0], [8.0]]
    """
    # The squares are the same for every order: what is left is the inner products.
    return z[assignment(-_inner(x.reshape(len(x), -1), z.reshape(len(z), -1)))]


def _inner(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    # BLAS's threads wait for the threads of the train step on the same cores: with plans over 512 points of the plane, 71 steps/s instead of 124.
    return x @ z.T if x.shape[1] > 8 else sum((np.multiply.outer(a, b) for a, b in zip(x.T, z.T, strict=True)), np.zeros((), x.dtype))


def condition_weight(cost: np.ndarray, apart: np.ndarray, ratio: float) -> float:
    """Return the w >= 0 at which the share `ratio` of all pairs (i, j) has `cost_ij + w apart_ij <= cost_ii`.

    The share falls with w and each pair leaves it at a w of its own, so the answer is a quantile of those and no search is needed. If the
    pairs of equal condition alone are more than the share, the answer is the w at which the last of the others leaves.

    Args:
        cost: The costs `(n, n)` of pairs of event and noise.
        apart: The distances `(n, n)` of their conditions, none negative.
        ratio: The share of pairs, in (0, 1].

    >>> import numpy as np
    >>> condition_weight(np.asarray([[4.0, 1.0], [2.0, 5.0]]), np.asarray([[0.0, 1.0], [1.0, 0.0]]), 0.75)
    3.0
    """
    gain = np.diag(cost)[:, None] - cost
    leaves = np.where(apart > 0, gain / np.where(apart > 0, apart, 1), np.where(gain >= 0, np.inf, -np.inf)).ravel()
    w = -np.partition(-leaves, max(round(ratio * leaves.size), 1) - 1)[max(round(ratio * leaves.size), 1) - 1]
    finite = leaves[np.isfinite(leaves)]
    if np.isposinf(w):
        w = finite.max() if finite.size else 0.0
    return max(float(w), 0.0)


def squared_distances(x: Rows, z: Rows) -> Rows:
    """Return `|x_i - z_j|^2` of all pairs of rows.

    Args:
        x: Rows `(n, *event)`.
        z: Rows `(m, *event)`.

    Returns:
        Squared distances `(n, m)`, in NumPy or JAX as the rows are.

    >>> import numpy as np
    >>> squared_distances(np.asarray([[0.0], [9.0]]), np.asarray([[8.0], [1.0]])).tolist()
    [[64.0, 1.0], [1.0, 64.0]]
    """
    x, z = x.reshape(len(x), -1), z.reshape(len(z), -1)
    inner = _inner(x, z) if isinstance(x, np.ndarray) else x @ z.T
    return (x**2).sum(1)[:, None] + (z**2).sum(1)[None] - 2 * inner


def _within_classes(x: np.ndarray, z: np.ndarray, cond: np.ndarray) -> np.ndarray:
    paired, group = np.empty_like(z), np.unique(cond, axis=0, return_inverse=True)[1].reshape(-1)
    for k in range(group.max() + 1):
        paired[group == k] = optimal_pairing(x[group == k], z[group == k])
    return paired


def _condition_distances(cond: np.ndarray, distance: str) -> np.ndarray:
    if distance == "cosine":
        unit = cond / np.maximum(np.linalg.norm(cond, axis=1, keepdims=True), np.finfo(np.float64).tiny)
        # Rounding leaves a row about 1e-16 away from itself, which would count as another condition.
        apart = 1 - unit @ unit.T
        return np.where(apart < 1e-12, 0.0, apart)
    return ((cond[:, None] - cond[None]) ** 2).sum(-1)
