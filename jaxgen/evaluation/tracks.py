"""The same noise and the same data, followed through one model after another: the numbers behind the atlas."""

from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.bases.stratified import BaseWithQuantile
from jaxgen.compiled import once
from jaxgen.evaluation.followed import (
    REACH,
    Followed,
    base_kind,
    plane,
    shown_order,
    start_index,
    start_of,
    states_of,
    with_start,
)
from jaxgen.lifting import over_batch
from jaxgen.model import Model, encode_rows
from jaxgen.transform import Density
from jaxgen.types import Key, Noise, Params

NUM_SAMPLES, NUM_ROWS, SIDE, MAX_STAGES, POOL = 1_000, 400, 25, 17, 4_096
INVERSE, DRAWN, OF_ODE, NEAREST = "its inverse", "a draw from q(z | x)", "the inverse of its ODE", f"nearest of {POOL:,} samples"
"""How the noise behind a row of data was found."""


class Track(NamedTuple):
    """Hold k points on their way from noise to data.

    Attributes:
        noise: Two coordinates of the noise, `(k, 2)`.
        states: Two coordinates after each of S stages, `(S, k, 2)`.
        outputs: What they become, `(k, d)`.
    """

    noise: np.ndarray
    states: np.ndarray
    outputs: np.ndarray


class Tracks(NamedTuple):
    """Hold what one model makes of the noise and of the data that all models share.

    Attributes:
        uniforms: The n points of the unit square `(n, 2)` whose quantiles are the shown coordinates of the noise of `samples`.
        samples: The n points that start as noise.
        rows: The m points that end at the rows of the data, or as close as the model comes.
        lattice: A square lattice of `SIDE` by `SIDE` points in the base, row by row; None for noise of one coordinate.
        found: How the noise behind the rows was found.
        shared: Whether `samples` are the quantiles of `uniforms`, and so the same noise as in other models.
        line: Whether the model has no states on the way that live where its noise does, so that a page moves the points along straight lines.
        steps: Which of the model's stages the states are, counted from 1, `(S,)`.
        nfe: Mean number of network evaluations per sample.
        base_kind: "gaussian", "uniform" or "logistic".
    """

    uniforms: np.ndarray
    samples: Track
    rows: Track
    lattice: Track | None
    found: str
    shared: bool
    line: bool
    steps: np.ndarray
    nfe: float
    base_kind: str


def track(key: Key, model: Model, params: Params, data: np.ndarray, most: int = MAX_STAGES) -> Tracks:
    """Follow shared noise, a lattice in the base, and the noise behind the first 400 rows of the data through every stage of a model.

    Noise is shared by quantiles: a point of the unit square becomes the noise of a Gaussian, a uniform or a logistic base by the quantile
    function of that base. All else that the base holds is drawn with `key`, and held at one draw for the lattice.

    Args:
        key: Random key of what is not shared, and of an inverse that draws.
        model: A model of vectors without conditions.
        params: Its parameters.
        data: Real events `(m, d)`.
        most: The largest number of stages to keep, evenly chosen.

    Returns:
        The points on their way.

    >>> import jax, jaxgen, numpy as np
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(1.0, 2.0))
    >>> tracks = track(jax.random.key(0), model, (), np.ones((5, 2), np.float32))
    >>> tracks.rows.noise[0].tolist(), tracks.found, tracks.samples.states.shape
    ([0.0, 0.0], 'its inverse', (1, 1000, 2))
    """
    key_noise, key_rows = jax.random.split(key)
    data = np.asarray(data[:NUM_ROWS], np.float32)
    uniforms = shared_uniforms()
    width = start_of(jax.eval_shape(lambda k: _draw(model, k, 1), key_noise)).shape[1]
    order = shown_order(model, params, data, width)
    noise, shared = _shared(model, key_noise, uniforms, order)
    behind, found = _behind(model, params, data, key_rows)
    parts, kind = [noise, behind], base_kind(model, start_of(noise))
    if width > 1:
        parts.append(with_start(noise, jnp.asarray(_lattice(kind, width)[..., np.argsort(order)])))
    states, outputs, evaluations, steps = states_of(model, params, jax.tree.map(lambda *a: jnp.concatenate(a), *parts), most)
    line = states.shape[1] == 1 or "latent" in (noise if isinstance(noise, dict) else {})
    moving = states.swapaxes(0, 1)
    starts = np.concatenate([plane(np.asarray(start_of(part))[:, order]) for part in parts])
    ends = np.cumsum([0, *(len(start_of(part)) for part in parts)])
    pieces = [Track(starts[a:b], moving[:, a:b], outputs[a:b]) for a, b in zip(ends, ends[1:], strict=False)]
    lattice = pieces[2] if width > 1 else None
    return Tracks(uniforms, pieces[0], pieces[1], lattice, found, shared, line, steps, float(evaluations[:NUM_SAMPLES].mean()), kind)


def shared_uniforms(num: int = NUM_SAMPLES) -> np.ndarray:
    """Return the points of the unit square `(num, 2)` that all models share as their noise; they are the same in every process."""
    return np.random.default_rng(0).uniform(1e-4, 1 - 1e-4, (num, 2))


def as_followed(tracks: Tracks) -> Followed:
    """Return the same points as a still picture takes them, with every second row and column of the lattice as its grid."""
    lattice, samples = tracks.lattice, tracks.samples
    if lattice is None:
        none = np.zeros((0, SIDE, 2))
        return Followed(
            samples.noise, samples.states.swapaxes(0, 1), none, np.zeros((0, SIDE, len(samples.states), 2)), tracks.nfe, tracks.base_kind
        )
    start, moved = lattice.noise.reshape(SIDE, SIDE, 2), lattice.states.reshape(-1, SIDE, SIDE, 2)
    lines = np.concatenate([start[::2], start[:, ::2].swapaxes(0, 1)])
    deformed = np.concatenate([moved[:, ::2], moved[:, :, ::2].swapaxes(1, 2)], 1)
    return Followed(samples.noise, samples.states.swapaxes(0, 1), lines, deformed.transpose(1, 2, 0, 3), tracks.nfe, tracks.base_kind)


def _draw(model: Model, key: Key, num: int) -> Noise:
    return jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, num))


def _shared(model: Model, key: Key, uniforms: np.ndarray, order: np.ndarray) -> tuple[Noise, bool]:
    """Return noise whose shown coordinates are quantiles of `uniforms`, or plain draws and False if the base has no quantiles."""
    shape = jax.eval_shape(lambda k: _draw(model, k, len(uniforms)), key)
    if not hasattr(model.base, "quantile"):
        return once(lambda k: _draw(model, k, len(uniforms)), key), False
    shapes, structure = jax.tree.flatten(shape)
    place, shown = start_index(shape), order[: uniforms.shape[1]]

    def quantiles(key: Key) -> Noise:
        keys = jax.random.split(key, len(shapes))
        flat = [jax.random.uniform(k, leaf.shape, leaf.dtype, 1e-6, 1 - 1e-6) for k, leaf in zip(keys, shapes, strict=True)]
        flat[place] = flat[place].at[:, shown].set(jnp.asarray(uniforms[:, : len(shown)], jnp.float32))
        return jax.vmap(cast(BaseWithQuantile, model.base).quantile)(jax.tree.unflatten(structure, flat))

    return once(quantiles, key), True


def _behind(model: Model, params: Params, data: np.ndarray, key: Key) -> tuple[Noise, str]:
    """Return the noise behind the rows of the data, and how it was found; a model without an inverse gives the nearest of many samples."""
    if model.transform.inverse is not None:
        found = DRAWN if model.transform.kind is Density.LOWER_BOUND else OF_ODE if model.transform.proxy is not None else INVERSE
        keys = jax.random.split(key, len(data))
        return once(lambda params, keys, x: encode_rows(model, params, keys, x), params, keys, data), found

    def forward(params: Params, key: Key) -> tuple[Noise, jax.Array]:
        noise = _draw(model, key, POOL)
        return noise, over_batch(model.transform).forward(params, noise)

    noise, samples = once(forward, params, key)
    samples = np.asarray(samples, np.float64)
    distances = np.square(samples).sum(1) - 2 * data.astype(np.float64) @ samples.T
    nearest = jnp.asarray(np.argmin(distances, 1))
    return jax.tree.map(lambda leaf: leaf[nearest], noise), NEAREST


def _lattice(kind: str, width: int) -> np.ndarray:
    """Points `(SIDE * SIDE, width)` of a lattice in the first two coordinates; further coordinates stay at the base's centre."""
    along = np.linspace(*REACH[kind], SIDE)
    points = np.full((SIDE, SIDE, width), np.mean(REACH[kind]), np.float32)
    points[..., 0], points[..., 1] = along[None], along[:, None]
    return points.reshape(-1, width)
