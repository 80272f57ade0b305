"""The bridge of a trained model: what was measured, what the bounds say of it, and which remedy would lift them."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.evaluation.bridge import (
    Continuous,
    Crossings,
    KLPart,
    LocalBound,
    Sets,
    bridge_bound_of_sets,
    certified_lipschitz,
    continuous_maps,
    crossings,
    kl_part,
    least_lipschitz_of_sets,
    local_bounds,
    separated_sets,
)
from jaxgen.evaluation.reference import flattened
from jaxgen.model import Model, sample
from jaxgen.types import Cond, Key, Params

LEAST_EXCESS = 0.01
"""The excess mass of a bridge, as a share of all samples, below which nothing has to be lifted."""
MOST_MAPS = 8
"""The number of maps up to which the masses are measured map by map, and beyond which by samples of the whole model."""


class Diagnosis(NamedTuple):
    """Hold what is known of the bridge of a model.

    Attributes:
        sets: The separated sets.
        bridge: Share of the samples outside all sets.
        bridge_stderr: Its standard error.
        real_bridge: The same share of real events.
        local: Both sides of the local bound at the set with the widest gap, within the map that the model uses most.
        paths: The same along paths of noise.
        maps: Number of continuous maps that make up the model.
        certified: A number below the Lipschitz constant of the map, with a confidence of 95 %.
        least: The least Lipschitz constant of a single Gaussian's map with the measured masses of all sets.
        global_bridge: The least mass outside the sets that a single Gaussian's map with the certified constant can leave.
        kl: The part of the NLL gap that the masses explain.
        remedy: What would lift the bound, as a sentence.
    """

    sets: Sets
    bridge: float
    bridge_stderr: float
    real_bridge: float
    local: LocalBound
    paths: Crossings
    maps: int
    certified: float
    least: float
    global_bridge: float
    kl: KLPart
    remedy: str

    @property
    def excess(self) -> float:
        """Return the share of the samples that lie outside the sets beyond the share of real events."""
        return self.bridge - self.real_bridge


def diagnose_bridge(
    key: Key,
    model: Model,
    params: Params,
    real: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    cond: Cond = None,
    num: int = 16_384,
    seed: int = 0,
) -> Diagnosis | str:
    """Measure the bridge of a trained model between separated sets of its data.

    Args:
        key: Random key of the noise.
        model: The model.
        params: Its params.
        real: Real events `(n, d)`; half of them find the sets, the others measure their shares.
        labels: The mode `(n,)` of each event, -1 for none; None looks for clusters that empty space separates.
        cond: One condition at which a conditional model is taken, or None.
        num: Number of samples.
        seed: Seed of the choice of sets.

    Returns:
        The diagnosis; or, if there are no separated sets or the model is no continuous map of Gaussian noise, a sentence that says so.
    """
    half = len(real) // 2
    sets = separated_sets(real[:half], None if labels is None else labels[:half], seed=seed)
    if sets is None:
        return "The data have no two sets that empty space separates, so no bridge is asked for."
    try:
        maps = continuous_maps(model, params)
    except ValueError as error:
        return f"The bounds do not apply: {error}"
    masses, error = _masses(key, maps, params, sets, num, cond)
    truth = sets.counts(real[half:])
    i = max(range(len(maps)), key=lambda i: maps[i].weight)
    main, widest = maps[i], (int(np.argmax(sets.gaps())),)
    (local,) = local_bounds(jax.random.fold_in(key, 1_000), main, params, sets, (widest,), num=num, cond=cond)
    paths = crossings(jax.random.fold_in(key, 2_000), main, params, sets, widest, cond=cond)
    counts = sets.counts(_events(key, i, main, params, num, cond))
    inside = int(counts[widest[0]])
    certified = certified_lipschitz(inside, int(counts[:-1].sum()) - inside, num, local.width)
    share, real_share = float(masses[-1]), float(truth[-1] / truth.sum())
    floor = bridge_bound_of_sets(counts[:-1] / num, sets.gaps(), certified) if certified > 0 else 0.0
    kl = kl_part(truth, np.rint(masses * num))
    remedy = _remedy(share - real_share, error, kl, paths, len(maps))
    least = least_lipschitz_of_sets(counts[:-1] / num, sets.gaps())
    return Diagnosis(sets, share, error, real_share, local, paths, len(maps), certified, least, floor, kl, remedy)


def _events(key: Key, i: int, of: Continuous, params: Params, num: int, cond: Cond) -> np.ndarray:
    return of.events(params, np.asarray(jax.random.normal(jax.random.fold_in(key, i), (num, of.size))), cond)


def _masses(key: Key, maps: Sequence[Continuous], params: Params, sets: Sets, num: int, cond: Cond) -> tuple[np.ndarray, float]:
    """Return the shares of the model's samples in each set and, last, outside all sets, with the standard error of the last."""
    if len(maps) > MOST_MAPS:
        # Each map is a program that has to be compiled; the whole model is one.
        conds = None if cond is None else jnp.asarray(cond)[None]
        shares = sets.shares(flattened(np.asarray(sample(jax.random.fold_in(key, 3_000), maps[0].model, params, num, conds))))
        return shares, float(np.sqrt(shares[-1] * (1 - shares[-1]) / num))
    weights = np.array([of.weight for of in maps])
    each = np.array([sets.shares(_events(key, i, of, params, num, cond)) for i, of in enumerate(maps)])
    return weights @ each, float(np.sqrt(np.sum(weights**2 * each[:, -1] * (1 - each[:, -1]) / num)))


def _remedy(excess: float, error: float, kl: KLPart, paths: Crossings, maps: int) -> str:
    if excess < LEAST_EXCESS or excess < 3 * error:
        return "None is needed: there is hardly more mass between the sets than the data have there."
    if paths.jumps > 0.5:
        return (
            "The map jumps between the sets, so the bounds do not hold it; what lies between them is an error of the fit, not of geometry."
        )
    if maps > 1:
        return (
            f"The noise is in {maps} pieces already. Start each piece in a set of its own (means and shares of bases.gaussian_mixture from "
            "clusters of the data), or use more pieces."
        )
    return (
        "The noise is one connected Gaussian. A mixture base started from data (bases.gaussian_mixture with the clusters' shares, means and "
        f"standard deviations) or an index leaf (transforms.indexed) lifts the bound; up to {kl.value:.3f} nats are there to gain. More layers or "
        "more noise dimensions only make the map steeper."
    )
