"""Two tasks of the simulation-based-inference benchmark (arXiv 2101.04653): prior, simulator, stored references and the C2ST."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

OBSERVATIONS = tuple(range(1, 11))
NUM_REFERENCE = 10_000


class Task(NamedTuple):
    """A prior and a simulator with a posterior that is known.

    simulate:      `(rng, n) -> theta (n, d), x (n, c)`, float64.
    in_support:    `theta (n, d) -> (n,)` bool, where the prior has mass.
    log_posterior: `(theta (n, d), x (c,)) -> (n,)`, normalised, nats.
    """

    name: str
    simulate: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    in_support: Callable[[np.ndarray], np.ndarray]
    log_posterior: Callable[[np.ndarray, np.ndarray], np.ndarray]


class Observation(NamedTuple):
    """x: (c,), what was observed. reference: (10,000, d), samples of its posterior."""

    x: np.ndarray
    reference: np.ndarray


RADIUS, SPREAD, OFFSET = 0.1, 0.01, 0.25
"""Of the moons' half circle: mean and deviation of its radius, and how far its centre lies from the place that theta gives."""


def two_moons(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Prior uniform on [-1, 1]^2; a thin half circle at a place that is the same for theta and its mirror image: two crescents."""
    theta = rng.uniform(-1, 1, (n, 2))
    angle, radius = rng.uniform(-np.pi / 2, np.pi / 2, n), rng.normal(RADIUS, SPREAD, n)
    return theta, _place(theta) + np.stack([radius * np.cos(angle) + OFFSET, radius * np.sin(angle)], axis=1)


def _place(theta: np.ndarray) -> np.ndarray:
    return np.stack([-np.abs(theta.sum(axis=1)), theta[:, 1] - theta[:, 0]], axis=1) / np.sqrt(2)


def two_moons_log_posterior(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Bayes' rule in polar coordinates; the evidence is the share of the half circle, by quadrature, that the folded prior can reach."""
    half_circle = x - _place(theta) - [OFFSET, 0]
    radius = np.hypot(*half_circle.T)
    log_likelihood = norm.logpdf(radius, RADIUS, SPREAD) - np.log(np.pi * radius)
    inside = np.all(np.abs(theta) <= 1, axis=1) & (half_circle[:, 0] > 0)
    turns, levels = ((np.arange(n) + 0.5) / n for n in (4_096, 128))
    angles, radii = np.meshgrid(np.pi * (turns - 0.5), norm.ppf(levels, RADIUS, SPREAD))
    first, second = x[0] - OFFSET - radii * np.cos(angles), x[1] - radii * np.sin(angles)
    # The fold keeps areas and puts the square's halves, turned by 45 degrees, onto one half of a diamond: density 1/4 + 1/4.
    evidence = np.mean((first <= 0) & (np.abs(first) + np.abs(second) <= np.sqrt(2))) / 2
    return np.where(inside, log_likelihood - np.log(4 * evidence), -np.inf)


def gaussian_linear(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten coordinates: prior N(0, 0.1 I), noise N(0, 0.1 I), so the posterior is N(x / 2, 0.05 I)."""
    theta = rng.normal(0, np.sqrt(0.1), (n, 10))
    return theta, theta + rng.normal(0, np.sqrt(0.1), (n, 10))


def gaussian_linear_log_posterior(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    return norm.logpdf(theta, x / 2, np.sqrt(0.05)).sum(axis=1)


TASKS = {
    "two_moons": Task("two_moons", two_moons, lambda theta: np.all(np.abs(theta) <= 1, axis=1), two_moons_log_posterior),
    "gaussian_linear": Task("gaussian_linear", gaussian_linear, lambda theta: np.ones(len(theta), bool), gaussian_linear_log_posterior),
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


def best_accuracy(log_p: np.ndarray, log_q: np.ndarray) -> float:
    """The accuracy of the best possible classifier between the posterior p and its estimate q, from their log densities at draws of p.

    `(1 + TV) / 2` with the total variation `TV = E_p max(0, 1 - q / p)`: what C2ST tends to if its classifier misses nothing.
    """
    return float(0.5 + 0.5 * np.mean(np.maximum(0, -np.expm1(log_q - log_p))))


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
