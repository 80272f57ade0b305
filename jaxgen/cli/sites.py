"""The picture of an entry of discrete data in a report: a few events followed from noise to data."""

import jax
import numpy as np

from jaxgen import viz
from jaxgen.lifting import stages
from jaxgen.training import Entry
from jaxgen.types import Key, Params
from jaxgen.viz.sites import SitesPicture, draw_sites

NUM_EVENTS, NUM_STAGES, MOST_SITES = 24, 4, 96


def sites_png(key: Key, entry: Entry, params: Params, target: np.ndarray, levels: int) -> bytes:
    """Follow a few events through the stages of an entry and draw them.

    Args:
        key: A random key of the noise.
        entry: The entry.
        params: Its trained params.
        target: Real events `(m, n)`.
        levels: How many codes a site has.

    Returns:
        A picture as PNG bytes: the first 96 sites of 24 events after each of four stages, and of real events.
    """
    model = entry.model
    noise = jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, NUM_EVENTS))
    states = np.asarray(jax.jit(jax.vmap(lambda z: stages(model.transform)(params, z)))(noise)).swapaxes(0, 1)
    shown = np.unique(np.linspace(0, len(states) - 1, NUM_STAGES).round().astype(int))
    labels = tuple("output" if i == len(states) - 1 else f"t = {(i + 1) / len(states):.2f}" for i in shown)
    rows = target[:NUM_EVENTS, :MOST_SITES]
    return viz.figure_png(draw_sites(SitesPicture(entry.card.name, labels, states[shown, :, :MOST_SITES], rows, levels)))
