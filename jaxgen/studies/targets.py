"""Targets of two, eight and 64 coordinates, and how far samples are from them beyond what data of the same number are."""

from typing import Any, NamedTuple

import numpy as np

from jaxgen import data
from jaxgen.evaluation import energy_distance, sliced_w2

NUM_TEST_DRAWS, NUM_POINTS = 20, 1_000


class Target(NamedTuple):
    """Hold data to train on and sets of test data of one size.

    Attributes:
        train: Standardised events `(n, d)`.
        tests: Test data `(NUM_TEST_DRAWS, m, d)`, drawn apart from the training data.
        again: As many further test data, whose distances to `tests` are the floor.
    """

    train: np.ndarray
    tests: np.ndarray
    again: np.ndarray


def target(dim: int, seed: int = 0) -> Target:
    """Return the target of a number of coordinates.

    Two coordinates are eight Gaussians. Eight coordinates are four pairs of moons, turned by a random rotation. 64 coordinates are the
    digits of scikit-learn with uniform noise of one grey level, half of them for tests; test sets are drawn from it with replacement.

    Args:
        dim: 2, 8 or 64.
        seed: The seed of the draws.

    Raises:
        ValueError: `dim` is another number.
    """
    size = NUM_TEST_DRAWS * NUM_POINTS
    if dim == 2:
        rows = data.load("eight_gaussians", num_train=20_000 + 2 * size, seed=seed).train
    elif dim == 8:
        pairs = [data.load("two_moons", num_train=20_000 + 2 * size, seed=4 * seed + i).train for i in range(4)]
        turn = np.linalg.qr(np.random.default_rng(8).standard_normal((8, 8)))[0]
        rows = np.concatenate(pairs, 1) @ turn
    elif dim == 64:
        return _digits(seed)
    else:
        raise ValueError(f"target: dim={dim}; accepted: 2, 8, 64.")
    rows = ((rows - rows.mean(0)) / rows.std(0)).astype(np.float32)
    parts = rows[:20_000], rows[20_000 : 20_000 + size], rows[20_000 + size :]
    return Target(parts[0], *(part.reshape(NUM_TEST_DRAWS, NUM_POINTS, dim) for part in parts[1:]))


def _digits(seed: int) -> Target:
    loaded = data.load("digits", seed=0)
    rows = np.concatenate([loaded.train, loaded.valid, loaded.test]).astype(np.float64)
    rng = np.random.default_rng(seed)
    rows = rows[np.random.default_rng(64).permutation(len(rows))]
    rows = (rows - rows.mean()) / rows.std()
    half = len(rows) // 2
    tests = rng.choice(rows[half:], (2, NUM_TEST_DRAWS, NUM_POINTS))
    return Target(rows[:half].astype(np.float32), *tests.astype(np.float32))


def excess(samples: np.ndarray, target: Target) -> dict[str, float]:
    """Return how far samples are from the target beyond the floor, by two distances.

    Args:
        samples: Samples `(n, d)` of a model.
        target: The target.

    Returns:
        For "energy" and "sw2" the mean distance to the test draws less that of the other test data ("..._excess"), that floor
        ("..._floor"), and the standard deviation of the floor over the test draws ("..._spread").
    """
    figures: dict[str, Any] = {}
    for name, distance in (("energy", energy_distance), ("sw2", sliced_w2)):
        floor = [distance(again, test) for again, test in zip(target.again, target.tests, strict=True)]
        pieces = np.resize(samples, (NUM_TEST_DRAWS, *target.tests.shape[1:]))
        reached = [distance(piece, test) for piece, test in zip(pieces, target.tests, strict=True)]
        figures[f"{name}_excess"] = float(np.mean(reached) - np.mean(floor))
        figures[f"{name}_floor"], figures[f"{name}_spread"] = float(np.mean(floor)), float(np.std(floor, ddof=1))
    return figures
