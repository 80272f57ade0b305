"""Two tasks of the simulation-based-inference benchmark (arXiv 2101.04653): prior, simulator, stored references and the C2ST."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

OBSERVATIONS = tuple(range(1, 11))
NUM_REFERENCE = 10_000


class Task(NamedTuple):
    """simulate: `(rng, n) -> theta (n, d), x (n, c)` float64, draws from prior and simulator.  in_support: `theta (n, d) -> (n,)` bool."""

    name: str
    simulate: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    in_support: Callable[[np.ndarray], np.ndarray]


class Observation(NamedTuple):
    """x: (c,), what was observed. reference: (10,000, d), samples of its posterior."""

    x: np.ndarray
    reference: np.ndarray


def two_moons(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Prior uniform on [-1, 1]^2; a thin half circle of radius N(0.1, 0.01^2), placed by `(|t1 + t2|, t1 - t2)`: two mirrored crescents."""
    theta = rng.uniform(-1, 1, (n, 2))
    angle, radius = rng.uniform(-np.pi / 2, np.pi / 2, n), rng.normal(0.1, 0.01, n)
    first = radius * np.cos(angle) + 0.25 - np.abs(theta.sum(axis=1)) / np.sqrt(2)
    second = radius * np.sin(angle) + (theta[:, 1] - theta[:, 0]) / np.sqrt(2)
    return theta, np.stack([first, second], axis=1)


def gaussian_linear(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten coordinates: prior N(0, 0.1 I), noise N(0, 0.1 I), so the posterior is N(x / 2, 0.05 I)."""
    theta = rng.normal(0, np.sqrt(0.1), (n, 10))
    return theta, theta + rng.normal(0, np.sqrt(0.1), (n, 10))


TASKS = {
    "two_moons": Task("two_moons", two_moons, lambda theta: np.all(np.abs(theta) <= 1, axis=1)),
    "gaussian_linear": Task("gaussian_linear", gaussian_linear, lambda theta: np.ones(len(theta), bool)),
}

PUBLISHED = {
    ("two_moons", 1_000): 0.725,
    ("two_moons", 10_000): 0.606,
    ("two_moons", 100_000): 0.542,
    ("gaussian_linear", 1_000): 0.694,
    ("gaussian_linear", 10_000): 0.552,
    ("gaussian_linear", 100_000): 0.506,
}
"""Mean C2ST over the ten observations of the benchmark's best neural posterior estimation, by task and number of simulations."""


def observation(folder: Path, task: str, number: int) -> Observation:
    """Observation `number` (1 to 10) of `task` from the benchmark's files under `folder`/`task`. FileNotFoundError where there are none."""
    place = folder / task / str(number)
    x = np.loadtxt(place / "observation.csv", delimiter=",", skiprows=1)
    return Observation(x, np.loadtxt(place / "reference_posterior_samples.csv.bz2", delimiter=",", skiprows=1))


def c2st(samples: np.ndarray, reference: np.ndarray, seed: int = 1) -> float:
    """How well a classifier tells `samples` (n, d) from `reference` (n, d): its accuracy on held-out folds; 0.5 is perfect.

    The benchmark's protocol: both z-scored by the reference, scikit-learn's MLPClassifier with two hidden layers of 10 d ReLU units and at
    most 1,000 epochs of Adam, five shuffled folds.
    """
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.neural_network import MLPClassifier

    if samples.shape != reference.shape:
        raise ValueError(f"samples {samples.shape} and reference {reference.shape}: C2ST wants equally many of both.")
    loc, scale = reference.mean(axis=0), reference.std(axis=0)
    # Single precision, as the benchmark itself has it.
    rows = ((np.concatenate([samples, reference]) - loc) / scale).astype(np.float32)
    labels = np.repeat([0, 1], [len(samples), len(reference)])
    width = 10 * rows.shape[1]
    classifier = MLPClassifier((width, width), activation="relu", solver="adam", max_iter=1_000, random_state=seed)
    folds = KFold(n_splits=5, shuffle=True, random_state=seed)
    return float(np.mean(cross_val_score(classifier, rows, labels, cv=folds, scoring="accuracy")))
