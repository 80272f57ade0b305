"""The panel of a trained entry of images: noise is combined so that every image on a line or a plane has noise as typical as a sample's."""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from jaxgen.bases.stratified import BaseWithQuantile
from jaxgen.lifting import over_batch, stages
from jaxgen.model import Model
from jaxgen.training import Entry, Fitted
from jaxgen.types import Cond, Key, Noise, Params
from jaxgen.viz.atlas.panel import Label
from jaxgen.viz.atlas.tiles import Tiles
from jaxgen.viz.of_entry import moves

NUM, LINES, COLUMNS, SIDE, MAX_STAGES, MAX_PIXELS = 16, 4, 8, 8, 16, 1_024
_MEMORY = 2**28
"""How many numbers the states of all samples may hold."""


def images_panel(key: Key, entry: Entry, fitted: Fitted, name: str = "", levels: int = 256, cond: Cond = None) -> Tiles:
    """Compute the panel of a trained entry of images.

    Args:
        key: Random key of the noise.
        entry: The entry.
        fitted: What `fit` returned for it.
        name: What the panel is called; "" takes the name of the entry.
        levels: The number of values of a pixel.
        cond: One condition `(*cond,)` for all images, or None for a model without conditions.

    Returns:
        The panel.
    """
    model, params, card = entry.model, fitted.params, entry.card
    key_samples, key_combined = jax.random.split(key)
    states, start, order, steps = _on_the_way(model, params, key_samples, cond)
    if order is not None:
        # A pixel that is not set yet is still noise, which has no level.
        shown = [np.where(order < step / steps[-1], s / (levels - 1), start) for step, s in zip(steps, states, strict=True)]
    else:
        shown = [*(_stretched(s) for s in states[:-1]), states[-1] / (levels - 1)]
    noise = _combined(model, key_combined)
    images = np.asarray(jax.jit(over_batch(model.transform).forward)(params, noise, _repeated(cond, LINES * COLUMNS + SIDE * SIDE)))
    images, shape = images / (levels - 1), images.shape[1:]
    return Tiles(
        Label(
            name or card.name,
            card.family,
            card.objective,
            card.reading,
            card.style.accent,
            card.style.sentence,
            {"density": str(model.transform.kind)},
        ),
        np.stack([start, *shown]),
        images[: LINES * COLUMNS].reshape(LINES, COLUMNS, *shape),
        images[LINES * COLUMNS :].reshape(SIDE, SIDE, *shape),
        None if order is None else order.mean(-1),
        "t = {time}" if moves(entry) else card.style.stage,
        steps,
        len(states) == 1,
    )


def _on_the_way(model: Model, params: Params, key: Key, cond: Cond) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, tuple[int, ...]]:
    """Return states `(S, k, *event)`, what the noise looks like `(k, *event)`, when each pixel is set, if one is set after another, and steps."""

    def states_of(params: Params, z: Noise) -> jax.Array:
        return stages(model.transform)(params, z, cond)

    one = model.base.sample(seed=key)
    count, *event = jax.eval_shape(states_of, params, one).shape
    size, keep = int(np.prod(event)), np.unique(np.linspace(0, count - 1, min(count, MAX_STAGES)).astype(int))
    num = int(min(NUM, max(1, _MEMORY // (count * size))))
    noise = jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, num))
    states = np.asarray(jax.jit(jax.vmap(lambda params, z: states_of(params, z)[keep], (None, 0)))(params, noise)).swapaxes(0, 1)
    leaf = next((leaf for leaf in jax.tree.leaves(noise) if leaf.shape[1:] == tuple(event)), jax.tree.leaves(noise)[0])
    start = np.stack([np.resize(_ranks(np.asarray(z)), event) for z in leaf])
    order = None
    if count == size <= MAX_PIXELS and leaf.shape[1:] == tuple(event):
        order = _order(np.asarray(jax.jit(states_of)(params, jax.tree.map(lambda a: a[0], noise))), np.asarray(leaf[0]))
    return states, start, order, tuple(int(i) + 1 for i in keep)


def _order(states: np.ndarray, noise: np.ndarray) -> np.ndarray | None:
    """Return for each number the share of stages `(S, *event)` before it takes its final value; None unless all others are still noise."""
    final = states[-1]
    if not np.all((states == final) | (states == noise)):
        return None
    settled = (states == final) & (final != noise)
    return np.where(settled.any(0), settled.argmax(0), len(states) - 1) / len(states)


def _combined(model: Model, key: Key) -> Noise:
    """Return noise on lines between draws, then noise over a plane, `(LINES * COLUMNS + SIDE * SIDE, *noise)`.

    Gaussian draws are combined with weights whose squares sum to one, so that the combination is Gaussian again, and then go through the
    base's quantile function. Beside a latent all other noise, such as that of the pixels of a decoder, is held at its centre.
    """
    leaves, structure = jax.tree.flatten(model.base.sample(seed=key))
    along, around = np.linspace(0, np.pi / 2, COLUMNS), np.linspace(0, np.pi / 2, SIDE)
    weights = np.zeros((LINES * COLUMNS + SIDE * SIDE, 2 * LINES + 4), np.float32)
    for i in range(LINES):
        rows = slice(i * COLUMNS, (i + 1) * COLUMNS)
        weights[rows, 2 * i], weights[rows, 2 * i + 1] = np.cos(along), np.sin(along)
    down, across = (angle.ravel() for angle in np.meshgrid(around, around, indexing="ij"))
    circles = np.stack([np.cos(down), np.sin(down), np.cos(across), np.sin(across)], 1)
    weights[LINES * COLUMNS :, 2 * LINES :] = circles / np.sqrt(2)
    mixed = []
    for k, leaf in zip(jax.random.split(key, len(leaves)), leaves, strict=True):
        draws = jax.random.normal(k, (weights.shape[1], *leaf.shape), leaf.dtype)
        mixed.append(jnp.tensordot(jnp.asarray(weights), draws, 1))
    noise = jax.tree.unflatten(structure, mixed)
    if isinstance(noise, dict) and "latent" in noise:
        noise = {name: part if name == "latent" else jax.tree.map(jnp.zeros_like, part) for name, part in noise.items()}
    if not hasattr(model.base, "quantile"):
        return noise
    tiny = 1e-6
    uniform = jax.tree.map(lambda a: jnp.clip(ndtr(a), tiny, 1 - tiny), noise)
    return jax.vmap(cast(BaseWithQuantile, model.base).quantile)(uniform)


def _ranks(noise: np.ndarray) -> np.ndarray:
    """Return the ranks of the numbers in [0, 1], which look the same for every base."""
    return np.argsort(np.argsort(noise, axis=None)).reshape(noise.shape) / max(noise.size - 1, 1)


def _stretched(state: np.ndarray) -> np.ndarray:
    low, high = np.percentile(state, [1, 99])
    return (state - low) / max(high - low, 1e-12)


def _repeated(cond: Cond, num: int) -> Cond:
    return None if cond is None else jnp.broadcast_to(jnp.asarray(cond), (num, *np.shape(cond)))
