"""Couplings: which noise meets which data of a minibatch. All have the same marginals, the ends of the flow; they differ in its paths."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.numerics import assignment
from jaxgen.numerics.sinkhorn import sinkhorn

Pair = Callable[[Any, Any, Any, Any], Any]


class Coupling(NamedTuple):
    """`pair(key, x (n, *event), z (n, *event), cond (n, c) or None) -> (n, *event)`: for each row of the data x its row of z; both keep their law.

    on_host: numpy arrays, by `Objective.prepare` on a thread beside the train step, over the whole batch. Otherwise `pair` is JAX and runs
    inside the loss; where `fit` splits the batch over devices, over each one's share.
    """

    pair: Pair
    on_host: bool = False


def independent() -> Coupling:
    """Each row with its own draw of the base (arXiv 2210.02747)."""
    return Coupling(lambda key, x, z, cond: z)


def optimal_transport() -> Coupling:
    """The exact plan of the minibatch for the squared distance (arXiv 2302.00482, section 3.2.3; 2304.14772)."""
    return Coupling(lambda key, x, z, cond: optimal_pairing(x, z), on_host=True)


def entropic(epsilon: float, *, tolerance: float = 1e-2, max_iterations: int = 200, within_conditions: bool = False) -> Coupling:
    """Pairs drawn from the plan of the minibatch that minimises `E |x - z|^2 - epsilon entropy`, found on the device by Sinkhorn's iteration.

    With `epsilon = 2 sigma^2` it is the static Schrodinger bridge of a Brownian motion with standard deviation sigma at t = 1 (arXiv
    2302.00482, proposition 3.5); a small epsilon is the exact plan, a large one the independent coupling. A row's z is drawn from the row
    of the plan, so draws repeat within a batch. tolerance, max_iterations: as `numerics.sinkhorn` takes them.

    within_conditions: each z is first given the condition of a row and a plan is made for each condition that occurs, as with classes in
        `conditional_optimal_transport`, so that the noise under each keeps its law. Where all conditions differ it is the independent coupling.
    """
    if not epsilon > 0:
        raise ValueError(f"entropic: epsilon={epsilon!r}; accepted: a positive number, in the units of a squared distance.")

    def pair(key: jax.Array, x: jax.Array, z: jax.Array, cond: Any) -> jax.Array:
        x, z = jax.lax.stop_gradient((x, z))
        cost = squared_distances(x, z)
        if within_conditions and cond is not None:
            c = cond.reshape(cond.shape[0], -1)
            # Dearer than any exchange of partners could make up for; finite, so that the iteration starts at a finite epsilon.
            cost = cost + jnp.where(jnp.any(c[:, None] != c[None], -1), 2 * jnp.ptp(cost) + 50 * epsilon, 0)
        plan = sinkhorn(cost, epsilon, tolerance=tolerance, max_iterations=max_iterations)
        # By the inverse of each row's distribution function: one uniform a row, where Gumbel noise would take n.
        below = jnp.cumsum(jax.nn.softmax(plan.log_plan, 1), 1)
        u = jax.random.uniform(key, (x.shape[0], 1), x.dtype) * below[:, -1:]
        return z[jnp.minimum(jnp.sum(below <= u, 1), z.shape[0] - 1)]

    return Coupling(pair)


def conditional_optimal_transport(ratio: float | None = None, *, distance: str = "euclidean") -> Coupling:
    """C2OT (arXiv 2503.10636): the exact plan for `|x - z|^2 + w d(c_x, c_z)`, where each z has first been given the condition of a row.

    Optimal transport that does not see the conditions makes the noise depend on them, which sampling under one condition does not know of.

    ratio: None for classes, where w is infinite: rows of equal condition are paired among themselves and the noise under each class keeps
        its law. A number in (0, 1] for continuous conditions: w is such that this share of all pairs (i, j) is not dearer than row i's own,
        `|x_i - z_j|^2 + w d(c_i, c_j) <= |x_i - z_i|^2`, for each minibatch anew; the paper takes 0.05.
    distance: d, "euclidean" (squared) or "cosine" (one minus it).

    Without conditions it is `optimal_transport()`. Raises ValueError for another ratio or distance.
    """
    if ratio is not None and not 0 < ratio <= 1:
        raise ValueError(f"conditional_optimal_transport: ratio={ratio!r}; accepted: None, or a number in (0, 1].")
    if distance not in ("euclidean", "cosine"):
        raise ValueError(f'conditional_optimal_transport: distance={distance!r}; accepted: "euclidean", "cosine".')

    def pair(key: Any, x: np.ndarray, z: np.ndarray, cond: Any) -> np.ndarray:
        if cond is None:
            return optimal_pairing(x, z)
        c = np.asarray(cond, np.float64).reshape(len(x), -1)
        if ratio is None:
            return _within_classes(x, z, c)
        cost, apart = squared_distances(x.astype(np.float64), z.astype(np.float64)), _apart(c, distance)
        return z[assignment(cost + condition_weight(cost, apart, ratio) * apart)]

    return Coupling(pair, on_host=True)


NAMED: dict[str, Callable[[], Coupling]] = {
    "independent": independent,
    "optimal_transport": optimal_transport,
    "conditional_optimal_transport": conditional_optimal_transport,
}
"""What `coupling=` takes by name; `entropic` needs its epsilon and is given as `entropic(epsilon)`."""


def resolve(coupling: "str | Coupling | Pair") -> Coupling:
    """The coupling of that name, the one given, or a function `(key, x, z, cond) -> z` in JAX; raises ValueError for another name."""
    if isinstance(coupling, Coupling):
        return coupling
    if isinstance(coupling, str) and coupling in NAMED:
        return NAMED[coupling]()
    if callable(coupling):
        return Coupling(coupling)
    raise ValueError(f"coupling={coupling!r}; accepted: {', '.join(NAMED)}, a Coupling such as couplings.entropic(0.1), or a function.")


def optimal_pairing(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The rows of `z` `(n, *event)` in the order that minimises the summed squared distance to those of `x` `(n, *event)`."""
    # The squares are the same for every order: what is left is the inner products.
    return z[assignment(-_inner(x.reshape(len(x), -1), z.reshape(len(z), -1)))]


def _inner(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    # BLAS's threads wait for those of the train step on the same cores: with plans over 512 points of the plane, 71 steps/s instead of 124.
    return x @ z.T if x.shape[1] > 8 else sum((np.multiply.outer(a, b) for a, b in zip(x.T, z.T, strict=True)), np.zeros((), x.dtype))


def condition_weight(cost: np.ndarray, apart: np.ndarray, ratio: float) -> float:
    """The w >= 0 at which the share `ratio` of all `(i, j)` has `cost_ij + w apart_ij <= cost_ii`, both `(n, n)`, apart not negative.

    The share falls with w and each pair leaves it at its own w, so the answer is a quantile of those and no search is needed. Where pairs
    of equal condition alone are more than the share, it is the w at which the last of the others leaves.
    """
    gain = np.diag(cost)[:, None] - cost
    leaves = np.where(apart > 0, gain / np.where(apart > 0, apart, 1), np.where(gain >= 0, np.inf, -np.inf)).ravel()
    w = -np.partition(-leaves, max(round(ratio * leaves.size), 1) - 1)[max(round(ratio * leaves.size), 1) - 1]
    finite = leaves[np.isfinite(leaves)]
    if np.isposinf(w):
        w = finite.max() if finite.size else 0.0
    return max(float(w), 0.0)


def squared_distances(x: Any, z: Any) -> Any:
    """`|x_i - z_j|^2` for rows `(n, *event)` and `(m, *event)`, numpy or JAX."""
    x, z = x.reshape(len(x), -1), z.reshape(len(z), -1)
    inner = _inner(x, z) if isinstance(x, np.ndarray) else x @ z.T
    return (x**2).sum(1)[:, None] + (z**2).sum(1)[None] - 2 * inner


def _within_classes(x: np.ndarray, z: np.ndarray, cond: np.ndarray) -> np.ndarray:
    paired, group = np.empty_like(z), np.unique(cond, axis=0, return_inverse=True)[1].reshape(-1)
    for k in range(group.max() + 1):
        paired[group == k] = optimal_pairing(x[group == k], z[group == k])
    return paired


def _apart(cond: np.ndarray, distance: str) -> np.ndarray:
    if distance == "cosine":
        unit = cond / np.maximum(np.linalg.norm(cond, axis=1, keepdims=True), np.finfo(np.float64).tiny)
        # Rounding leaves a row about 1e-16 away from itself, which would count as another condition.
        apart = 1 - unit @ unit.T
        return np.where(apart < 1e-12, 0.0, apart)
    return ((cond[:, None] - cond[None]) ** 2).sum(-1)
