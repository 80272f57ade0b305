"""The models of the study `bridge`: one for each family, and the remedies that should lift the bound."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.cluster.vq import kmeans2

from jaxgen import bases, nets, transforms, zoo
from jaxgen.model import Base, Model
from jaxgen.objectives import maximum_likelihood
from jaxgen.studies.bridge.targets import target
from jaxgen.training import Entry, adam

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "coupling": ("realnvp", {"num_layers": 6}),
    "spline": ("nsf", {"num_layers": 2}),
    "autoregressive": ("ar_mixture", {}),
    "residual": ("residual", {"num_layers": 4}),
    "ODE": ("cfm", {"num_steps": 12}),
    "SDE reading": ("ddpm", {"num_steps": 24, "num_ode_steps": 24}),
    "decoder": ("vae", {}),
    "generator": ("energy", {}),
}
"""The entry of the zoo that stands for each family, with its options."""
WIDTH, LAYERS = 32, 4
MANY, CLUSTERS = 8, 24
"""Indices of an index leaf and clusters of a mixture base: numbers that know nothing of the target."""


@functools.cache
def family(name: str) -> Entry:
    """Return the entry of a family, the same one at each call, so that it is compiled once."""
    entry, options = FAMILIES[name]
    return zoo.build(entry, (2,), width=24, **options)


def _flow(base: Base, width: int = WIDTH, layers: int = LAYERS) -> Entry:
    net = functools.partial(nets.mlp, width=width, depth=2, zero_last=True)
    model = Model(base, transforms.alternating(transforms.rational_quadratic(8, 5.0), net, layers))
    return Entry(model, maximum_likelihood(model), adam(3e-3))


def _mixture(name: str) -> Entry:
    """Start the mixture base from data: one component for each labelled mode, with its share, mean and standard deviations."""
    x = target(name).draw(1_000, 4_000)
    return _flow(_fitted(x, target(name).label(x)))


def _clustered(name: str) -> Entry:
    """Start a mixture base from the clusters that k-means finds, so that no labels are needed and nested modes are cut into pieces."""
    x = target(name).draw(1_000, 4_000)
    _, labels = kmeans2(np.asarray(x, np.float64), CLUSTERS, minit="++", rng=np.random.default_rng(0))
    return _flow(_fitted(x, labels))


def _fitted(x: np.ndarray, labels: np.ndarray) -> Base:
    groups = [x[labels == k] for k in range(int(labels.max()) + 1)]
    return bases.gaussian_mixture([len(g) for g in groups], [g.mean(0) for g in groups], np.stack([g.std(0) for g in groups]))


def _indexed(name: str) -> Entry:
    base = bases.normal((2,))
    inner = transforms.alternating(transforms.rational_quadratic(8, 5.0), functools.partial(nets.mlp, width=WIDTH, depth=2), LAYERS)
    model = Model(bases.joint({"event": base, "index": bases.uniform(())}), transforms.indexed(base, inner, MANY))
    return Entry(model, maximum_likelihood(model), adam(3e-3))


REMEDIES: dict[str, Callable[[str], Entry]] = {
    "one Gaussian": lambda name: _flow(bases.normal((2,))),
    "mixture base": _mixture,
    "clustered base": _clustered,
    "index leaf": _indexed,
    "four times as wide": lambda name: _flow(bases.normal((2,)), width=4 * WIDTH),
    "twice as deep": lambda name: _flow(bases.normal((2,)), layers=2 * LAYERS),
}
"""The control, the remedies that the bound allows, and two that it does not, by name of the target."""


@functools.cache
def remedy(model: str, name: str) -> Entry:
    """Return the entry of a remedy for a target, the same one at each call.

    Args:
        model: The name of the remedy, a key of `REMEDIES`.
        name: The name of the target.
    """
    return REMEDIES[model](name)
