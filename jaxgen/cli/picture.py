"""From a trained model to the arrays of its picture: noise, stages, deformed grid, density, and what sampling drops."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.model import Model
from jaxgen.training import Entry, Fitted
from jaxgen.transform import nfe, stages
from jaxgen.viz import Dropped, Picture, Stage

NUM_POINTS, NUM_PATHS, NUM_LINES, LINE_POINTS = 1_500, 60, 13, 60
MOVING = ("diffusion", "flow matching")


class Followed(NamedTuple):
    """Noise followed to data: `noise` `(n, 2)`, `states` `(n, S, 2)`, the same for the base grid, and network evaluations per sample."""

    noise: np.ndarray
    states: np.ndarray
    grid: np.ndarray
    grid_states: np.ndarray
    nfe: float
    base_kind: str


def follow(key: jax.Array, model: Model, params: Any, target: np.ndarray) -> Followed:
    """Send points and the lines of a grid in the base through every stage of the transformation, in one compiled call.

    The grid lives in the leaf that starts the transformation (`latent`, `x0`); its other noise is held at one draw. Of more than two latent
    coordinates those are shown in which an encoder's codes of the data `target` are spread most.
    """
    noise = jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, NUM_POINTS))
    leaf = _first_leaf(noise)
    start = noise if leaf is None else noise[leaf]
    kind, order = _base_kind(model, start), np.arange(start.shape[1])
    if "encode" in model.transform.parts:
        order = _by_spread(_codes(model, params, target))
    lines = _grid(kind, start.shape[1])[..., np.argsort(order)]
    flat = jnp.asarray(lines.reshape(-1, start.shape[1]))
    held = noise if leaf is None else jax.tree.map(lambda a: jnp.broadcast_to(a[:1], (len(flat), *a.shape[1:])), noise)
    grid_noise = flat if leaf is None else {**held, leaf: flat}

    @jax.jit
    def run(params: Any, z: Any) -> tuple[jax.Array, jax.Array]:
        def one(z: Any) -> tuple[jax.Array, jax.Array]:
            states = stages(model.transform)(params, z)
            keep = np.unique(np.linspace(0, states.shape[0] - 1, min(states.shape[0], 33)).astype(int))
            return _plane(states[keep]), jnp.asarray(nfe(model.transform)(params, z), jnp.float32)

        return jax.vmap(one)(z)

    states, evaluations = jax.device_get(run(params, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), noise, grid_noise)))
    deformed = states[NUM_POINTS:].reshape(*lines.shape[:2], *states.shape[1:])
    return Followed(
        np.asarray(_plane(start[:, order])),
        states[:NUM_POINTS],
        np.asarray(_plane(lines[..., order])),
        deformed,
        float(evaluations[:NUM_POINTS].mean()),
        kind,
    )


def picture(entry: Entry, fitted: Fitted, followed: Followed, target: np.ndarray, density: Any, density_label: str) -> Picture:
    """The row of one entry. `target` is real data `(m, d)`; `density` is `(xs, ys, log_density (ny, nx))` or None."""
    count = followed.states.shape[1]
    shown = np.unique(np.linspace(0, count, 5).round().astype(int))[1:] - 1 if count > 1 else np.array([0])
    columns = [Stage("base noise", followed.noise, followed.grid)]
    for i in shown:
        label = "output" if i == count - 1 else _label(entry, i + 1, count)
        columns.append(Stage(label, followed.states[:, i], followed.grid_states[:, :, i]))
    moving = entry.family in MOVING or "velocity" in entry.model.transform.parts
    # Trajectories start where the flow does: noise in the scale of the path, which the first state is close to.
    paths, scaled = _within(followed.states[:NUM_PATHS], followed.states, target)
    return Picture(
        entry.name,
        entry.family,
        entry.objective_name,
        entry.reading,
        followed.noise,
        followed.base_kind,
        tuple(columns),
        np.asarray(_plane(target)),
        density,
        density_label,
        paths if moving else None,
        "trajectories / spread" if scaled else "trajectories",
        _dropped(entry, fitted, target),
    )


def density_grid(target: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`xs`, `ys` `(size,)` over the data with a margin, and the points `(size * size, 2)`, row by row."""
    low, high = target.min(0), target.max(0)
    margin = 0.15 * (high - low)
    xs, ys = (np.linspace(low[i] - margin[i], high[i] + margin[i], size, dtype=np.float32) for i in (0, 1))
    return xs, ys, np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)


def _within(paths: np.ndarray, states: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, bool]:
    """`paths` `(n, S, 2)` with the states of each time divided by how far they spread beyond the data, and whether any had to be.

    A path that starts at sigma = 80 would otherwise be a star of straight lines with the data as its centre.
    """
    centre, reach = target[:, :2].mean(0), 2 * target[:, :2].std(0).max()
    excess = np.maximum(1.0, states.std(0).max(-1) / reach)[:, None]
    return centre + (paths - centre) / excess, bool(excess.max() > 1)


def _first_leaf(noise: Any) -> str | None:
    return next((name for name in ("latent", "x0") if isinstance(noise, dict) and name in noise), None)


def _dropped(entry: Entry, fitted: Fitted, target: np.ndarray) -> tuple[Dropped, ...]:
    found = []
    if "encode" in entry.model.transform.parts:
        codes = _codes(entry.model, fitted.params, target)
        found.append(Dropped("encoder: codes of the data", "points", np.asarray(_plane(codes[:, _by_spread(codes)]))))
    if "critic" in entry.objective.parts and target.shape[1] == 2:
        xs, ys, points = density_grid(target, 64)
        values = jax.jit(jax.vmap(lambda x: entry.objective.parts["critic"](fitted.aux, x)))(jnp.asarray(points))
        found.append(Dropped("critic", "field", field=(xs, ys, np.asarray(values).reshape(64, 64))))
    return tuple(found)


def _codes(model: Model, params: Any, target: np.ndarray) -> np.ndarray:
    """The codes `(n, d)` of some of the data, their means where the encoder gives a distribution."""
    encode = model.transform.parts["encode"]
    codes = jax.jit(jax.vmap(lambda x: encode(params, x)))(jnp.asarray(target[:NUM_POINTS], jnp.float32))
    return np.asarray(codes[0] if isinstance(codes, tuple) else codes)


def _by_spread(codes: np.ndarray) -> np.ndarray:
    """More than two coordinates in the order in which they carry the data: where a bound leaves one unused, its codes do not move."""
    return np.argsort(-codes.std(0), kind="stable") if codes.shape[1] > 2 else np.arange(codes.shape[1])


def _label(entry: Entry, step: int, count: int) -> str:
    if entry.family == "autoregressive":
        return f"coordinate {step}"
    if entry.family in MOVING or "velocity" in entry.model.transform.parts:
        return f"t = {step / count:.2f}"
    return "mean" if entry.family == "autoencoder" else f"after layer {step}"


def _base_kind(model: Model, start: jax.Array) -> str:
    tail = jnp.full(start.shape[1:], 4.0, start.dtype)
    noise = model.base
    if isinstance(jax.eval_shape(lambda k: noise.sample(seed=k), jax.random.key(0)), dict):
        return "gaussian"
    log_density = float(noise.log_prob(tail)) / tail.shape[0]
    return "uniform" if np.isneginf(log_density) else "gaussian" if log_density < -8 else "logistic"


def _grid(kind: str, dim: int) -> np.ndarray:
    """Lines of constant first and second coordinate, `(2 * NUM_LINES, LINE_POINTS, dim)`, further coordinates at the base's centre."""
    reach = {"gaussian": (-2.4, 2.4), "logistic": (-4.5, 4.5), "uniform": (0.02, 0.98)}[kind]
    fixed, along = np.linspace(*reach, NUM_LINES), np.linspace(*reach, LINE_POINTS)
    lines = np.full((2 * NUM_LINES, LINE_POINTS, dim), np.mean(reach), np.float32)
    if dim == 1:
        lines[:, :, 0] = along
        return lines[:1]
    lines[:NUM_LINES, :, 0], lines[:NUM_LINES, :, 1] = fixed[:, None], along[None]
    lines[NUM_LINES:, :, 1], lines[NUM_LINES:, :, 0] = fixed[:, None], along[None]
    return lines


def _plane(points: Any) -> Any:
    """The first two coordinates; a single one lies on the horizontal axis."""
    if points.shape[-1] == 1:
        return jnp.concatenate([jnp.asarray(points), jnp.zeros_like(points)], -1)
    return points[..., :2]
