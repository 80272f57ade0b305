"""Noise followed to data: the arrays behind a picture of a model, its stages, its deformed grid and the parts that sampling drops."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.lifting import nfe, stages
from jaxgen.model import Model
from jaxgen.types import Aux, Cond, Key, Noise, Params

NUM_POINTS, NUM_LINES, LINE_POINTS, MAX_STAGES = 1_500, 13, 60, 33

REACH = {"gaussian": (-2.4, 2.4), "logistic": (-4.5, 4.5), "uniform": (0.02, 0.98)}
"""How far a grid in the base reaches along each axis, by the base's kind."""


class Followed(NamedTuple):
    """Noise points and the lines of a grid, sent through every stage of a transformation.

    Attributes:
        noise: Two coordinates of the noise, `(n, 2)`.
        states: Two coordinates after each of S stages, `(n, S, 2)`; the last ones are the output.
        grid: The grid in the base, `(lines, points, 2)`, without lines if there is none.
        grid_states: The grid after each stage, `(lines, points, S, 2)`.
        nfe: Mean number of network evaluations per sample.
        base_kind: "gaussian", "uniform" or "logistic": how the noise is distributed.
    """

    noise: np.ndarray
    states: np.ndarray
    grid: np.ndarray
    grid_states: np.ndarray
    nfe: float
    base_kind: str


def follow(key: Key, model: Model, params: Params, target: np.ndarray) -> Followed:
    """Send noise points and the lines of a grid in the base through every stage of the transformation, in one compiled call.

    The grid lies in the noise's leaf that starts the transformation (`latent` or `x0`); all other noise is held at one draw. If the latent
    has more than two coordinates, the two in which an encoder's codes of the data vary most are shown.

    Args:
        key: Random key of the noise.
        model: A model of vectors without conditions.
        params: Its parameters.
        target: Real events `(m, d)`, which an encoder, if the model has one, encodes.

    Returns:
        The points, the grid and the number of network evaluations. At most 33 stages are returned, evenly chosen.

    >>> import jax, jaxgen, numpy as np
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(1.0, 2.0))
    >>> followed = follow(jax.random.key(0), model, (), np.zeros((5, 2), np.float32))
    >>> followed.states.shape, bool(np.allclose(followed.states[:, -1], 1 + 2 * followed.noise, atol=1e-5))
    ((1500, 1, 2), True)
    """
    noise = jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, NUM_POINTS))
    start = start_of(noise)
    kind, order = base_kind(model, start), shown_order(model, params, target, start.shape[1])
    lines = _grid(kind, start.shape[1])[..., np.argsort(order)]
    flat = jnp.asarray(lines.reshape(-1, start.shape[1]))
    grid_noise = with_start(noise, flat)
    both = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), noise, grid_noise)
    states, _, evaluations, _ = states_of(model, params, both, MAX_STAGES)
    deformed = states[NUM_POINTS:].reshape(*lines.shape[:2], *states.shape[1:])
    counts = float(evaluations[:NUM_POINTS].mean())
    return Followed(plane(start[:, order]), states[:NUM_POINTS], plane(lines[..., order]), deformed, counts, kind)


def plane(points: np.ndarray | jax.Array) -> np.ndarray:
    """Return the first two coordinates of `points` `(..., d)`; a single coordinate lies on the horizontal axis.

    >>> import numpy as np
    >>> plane(np.ones((3, 1))).tolist()
    [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]
    """
    points = np.asarray(points)
    return np.concatenate([points, np.zeros_like(points)], -1) if points.shape[-1] == 1 else points[..., :2]


def within_reach(paths: np.ndarray, states: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, bool]:
    """Shrink the states of each time that reach beyond the data, so that a path can be drawn in the data's window.

    A path that starts at a noise level of 80 would otherwise be a star of straight lines with the data as its centre.

    Args:
        paths: The trajectories to draw, `(k, S, 2)`.
        states: All states at the same times, `(n, S, 2)`, whose standard deviation decides the factor of each time.
        target: Real events `(m, d)`; twice the larger standard deviation of its first two coordinates is the reach.

    Returns:
        The paths, each time divided by its factor around the data's mean, and whether any factor is above 1.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=(100, 1, 2))
    >>> paths, scaled = within_reach(80 * noise, 80 * noise, noise[:, 0])
    >>> scaled, bool(abs(paths).max() < 10)
    (True, True)
    """
    centre, reach = target[:, :2].mean(0), 2 * target[:, :2].std(0).max()
    excess = np.maximum(1.0, states.std(0).max(-1) / reach)[:, None]
    return centre + (paths - centre) / excess, bool(excess.max() > 1)


def codes_of(model: Model, params: Params, target: np.ndarray) -> np.ndarray:
    """Return the codes of the first k <= 1,500 events by the encoder of a model.

    Args:
        model: A model whose transform has the part `encode`.
        params: Its params.
        target: Events `(m, d)`.

    Returns:
        Codes `(k, latent)`, which are the means of an encoder that is random.
    """
    codes = _encoder(model)(params, jnp.asarray(target[:NUM_POINTS], jnp.float32))
    return np.asarray(codes[0] if isinstance(codes, tuple) else codes)


@functools.lru_cache(maxsize=8)
def _encoder(model: Model) -> Callable[[Params, jax.Array], Any]:
    # A page asks for the codes of a model three times: which noise to show, in a picture, and in the atlas.
    encode = model.transform.parts["encode"]
    return jax.jit(jax.vmap(lambda params, x: encode(params, x), (None, 0)))


def by_deviation(codes: np.ndarray) -> np.ndarray:
    """Order the coordinates of `codes` `(n, latent)` by falling standard deviation; up to two coordinates keep their order.

    The codes of a coordinate that the model does not use hardly vary, so that such a coordinate comes last.

    >>> import numpy as np
    >>> by_deviation(np.array([[1.0, 0.0, 9.0], [-1.0, 0.0, -9.0]])).tolist()
    [2, 0, 1]
    """
    return np.argsort(-codes.std(0), kind="stable") if codes.shape[1] > 2 else np.arange(codes.shape[1])


def density_grid(target: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay a square grid over two-dimensional data, with a margin of 15 % on each side.

    Args:
        target: Events `(m, 2)`.
        size: Number of points along each axis.

    Returns:
        The coordinates `xs` and `ys`, `(size,)` float32 each, and all points `(size * size, 2)`, row by row of equal y.

    >>> import numpy as np
    >>> xs, ys, points = density_grid(np.array([[0.0, 0.0], [1.0, 2.0]]), 4)
    >>> points.shape, bool(np.allclose([xs[0], xs[-1], ys[-1]], [-0.15, 1.15, 2.3]))
    ((16, 2), True)
    """
    low, high = target.min(0), target.max(0)
    margin = 0.15 * (high - low)
    xs, ys = (np.linspace(low[i] - margin[i], high[i] + margin[i], size, dtype=np.float32) for i in (0, 1))
    return xs, ys, np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)


def critic_field(
    critic: Callable[[Aux, jax.Array, Cond], jax.Array], aux: Aux, target: np.ndarray, size: int = 64
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evaluate a critic on a grid over two-dimensional data.

    Args:
        critic: `(aux, x, cond) -> scalar`, as an entry's card holds it.
        aux: The trained auxiliaries.
        target: The data `(m, 2)`.
        size: Number of grid points along each axis.

    Returns:
        The coordinates `xs` and `ys`, `(size,)` each, and the values `(size, size)`.
    """
    xs, ys, points = density_grid(target, size)
    values = _over_points(critic)(aux, jnp.asarray(points))
    return xs, ys, np.asarray(values).reshape(size, size)


@functools.lru_cache(maxsize=8)
def _over_points(critic: Callable[[Aux, jax.Array, Cond], jax.Array]) -> Callable[[Aux, jax.Array], jax.Array]:
    return jax.jit(jax.vmap(lambda aux, x: critic(aux, x, None), (None, 0)))


class States(NamedTuple):
    """Hold what `states_of` returns.

    Attributes:
        plane: Two coordinates after each kept stage, `(n, S, 2)`.
        outputs: The outputs `(n, d)`.
        evaluations: The number of network evaluations of each output, `(n,)`.
        steps: Which stages are kept, counted from 1, `(S,)`.
    """

    plane: np.ndarray
    outputs: np.ndarray
    evaluations: np.ndarray
    steps: np.ndarray


def states_of(model: Model, params: Params, noise: Noise, most: int) -> States:
    """Send noise through every stage of a transformation, in one compiled call.

    Args:
        model: A model of vectors without conditions.
        params: Its parameters.
        noise: Noise `(n, *noise)`, leaf by leaf.
        most: The largest number S of stages to keep, evenly chosen; the last one is always the output.

    Returns:
        The states, the outputs and the numbers of network evaluations.
    """
    through = stages(model.transform)
    count = jax.eval_shape(lambda z: through(params, z), jax.tree.map(lambda a: a[0], noise)).shape[0]
    keep = np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))

    @jax.jit
    def run(params: Params, noise: Noise) -> tuple[jax.Array, jax.Array, jax.Array]:
        def of_event(z: Noise) -> tuple[jax.Array, jax.Array, jax.Array]:
            states = through(params, z)
            return states[keep][..., :2], states[-1], jnp.asarray(nfe(model.transform)(params, z), jnp.float32)

        return jax.vmap(of_event)(noise)

    states, outputs, evaluations = jax.device_get(run(params, noise))
    return States(plane(states), np.asarray(outputs), np.asarray(evaluations), keep + 1)


def start_of(noise: Noise) -> jax.Array:
    """Return the leaf of noise `(n, *noise)` that starts the transformation: `latent` or `x0` if it is named, the first vector otherwise."""
    return jax.tree.leaves(noise)[start_index(noise)]


def with_start(noise: Noise, start: jax.Array) -> Noise:
    """Return noise of which the leaf that starts the transformation is chosen, and all else is held at one draw.

    Args:
        noise: Noise `(n, *noise)`, whose first draw is held.
        start: The chosen leaf `(k, d)`.

    Returns:
        Noise `(k, *noise)`.
    """
    leaves, structure = jax.tree.flatten(noise)
    held = [jnp.broadcast_to(leaf[:1], (len(start), *leaf.shape[1:])) for leaf in leaves]
    held[start_index(noise)] = start
    return jax.tree.unflatten(structure, held)


def shown_order(model: Model, params: Params, target: np.ndarray, width: int) -> np.ndarray:
    """Return the order of the noise's coordinates, the two that a picture shows first: those in which codes of the data vary most.

    Args:
        model: The model.
        params: Its parameters.
        target: Real events `(m, d)`, which an encoder, if the model has one, encodes.
        width: The number of coordinates of the noise.
    """
    if "encode" not in model.transform.parts:
        return np.arange(width)
    order = by_deviation(codes_of(model, params, target))
    return order if len(order) == width else np.arange(width)


def start_index(noise: Noise) -> int:
    """Return which of the leaves of noise `(n, *noise)` starts the transformation."""
    leaves = jax.tree_util.tree_leaves_with_path(noise)
    names = [str(getattr(path[-1], "key", "")) if path else "" for path, _ in leaves]
    named = [names.index(name) for name in ("latent", "x0") if name in names]
    vectors = [i for i, (_, leaf) in enumerate(leaves) if leaf.ndim >= 2]
    return (named or vectors or [0])[0]


def base_kind(model: Model, start: jax.Array) -> str:
    """Say whether the noise that starts a transformation is "gaussian", "uniform" or "logistic".

    Args:
        model: The model.
        start: The leaf of noise that starts it, `(n, d)`.
    """
    tail = jnp.full(start.shape[1:], 4.0, start.dtype)
    if isinstance(jax.eval_shape(lambda k: model.base.sample(seed=k), jax.random.key(0)), dict):
        return "gaussian"
    log_density = float(model.base.log_prob(tail)) / tail.shape[0]
    return "uniform" if np.isneginf(log_density) else "gaussian" if log_density < -8 else "logistic"


def _grid(kind: str, dim: int) -> np.ndarray:
    """Lines of constant first and second coordinate, `(2 * NUM_LINES, LINE_POINTS, dim)`, further coordinates at the base's centre."""
    reach = REACH[kind]
    fixed, along = np.linspace(*reach, NUM_LINES), np.linspace(*reach, LINE_POINTS)
    lines = np.full((2 * NUM_LINES, LINE_POINTS, dim), np.mean(reach), np.float32)
    if dim == 1:
        lines[:, :, 0] = along
        return lines[:1]
    lines[:NUM_LINES, :, 0], lines[:NUM_LINES, :, 1] = fixed[:, None], along[None]
    lines[NUM_LINES:, :, 1], lines[NUM_LINES:, :, 0] = fixed[:, None], along[None]
    return lines
