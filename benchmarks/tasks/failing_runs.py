"""Healthy and broken runs of several families, on which benchmarks/detectors.py counts false alarms and missed failures."""

from typing import Any

import jax
import numpy as np

import jaxgen
from jaxgen import zoo
from jaxgen.evaluation import Reference, detectors, failures
from jaxgen.training import adam, players

EIGHT = "eight_gaussians"
KEPT = (0, 1, 2, 3, 4)

_ENTRIES: dict[str, jaxgen.Entry] = {}


def entry(name: str, key: str | None = None, learning_rate: float | None = None, **named) -> jaxgen.Entry:
    key = key or name
    if key not in _ENTRIES:
        made = zoo.build(name, (2,), width=32, **named)
        _ENTRIES[key] = made if learning_rate is None else made._replace(optimizer=adam(learning_rate))
    return _ENTRIES[key]


def row(family: str, broken: bool, finding: detectors.Finding) -> dict[str, Any]:
    effect = float(np.clip(finding.effect, -1e9, 1e9))
    return {"family": family, "broken": broken, "detector": finding.name, "alarm": finding.alarm, "p": finding.p, "effect": effect}


def coverage(seed: int) -> list[dict[str, Any]]:
    rows, real = [], jaxgen.data.draw(EIGHT, 10_000 + seed, 6_000)
    mode = jaxgen.data.load(EIGHT, num_train=2, num_valid=2, num_test=2).mode
    for family, name, steps in (("flow", "nsf", 1_500), ("diffusion", "edm", 1_500), ("generator", "energy", 4_000)):
        for broken in (False, True):
            train = jaxgen.data.draw(EIGHT, seed, 20_000)
            train = train[np.isin(mode(train), KEPT)] if broken else train
            this = entry(name)
            fitted = jaxgen.fit(jax.random.key(seed), this, train, steps, ema=0.99, progress=False)
            x = np.asarray(jaxgen.sample(jax.random.key(seed), this.model, fitted.params, 2_000))
            rows.append(row(family, broken, detectors.lost_coverage(x, real, seed=seed)))
            rows.append(row(family, broken, detectors.lost_modes(mode(x), np.full(8, 1 / 8))))
    return rows


def memory(seed: int) -> list[dict[str, Any]]:
    rows = []
    for family, name in (("eight", EIGHT), ("moons", "two_moons"), ("rings", "rings")):
        rng = np.random.default_rng(seed)
        train, held_out, fresh = (jaxgen.data.draw(name, 3 * seed + i, 500) for i in range(3))
        for broken, x in ((False, fresh), (True, train[rng.integers(500, size=1_000)] + 0.02 * rng.standard_normal((1_000, 2)))):
            rows.append(row(family, broken, detectors.memorised(x, train, held_out, seed=seed)))
    return rows


def latent(seed: int) -> list[dict[str, Any]]:
    rows = []
    for name in (EIGHT, "two_moons", "gaussian_mixture"):
        for state, beta, detector in (("healthy", 1.0, None), ("collapse", 50.0, "posterior collapse"), ("loose", 1e-4, "latent mismatch")):
            this = entry("beta_vae", f"vae-{beta}", beta=beta)
            fitted = jaxgen.fit(jax.random.key(seed), this, jaxgen.data.draw(name, seed, 20_000), 1_500, ema=0.99, progress=False)
            found = failures(
                this.model, fitted.params, np.zeros((1, 2)), Reference(jaxgen.data.draw(name, 10_000 + seed, 2_000)), seed=seed
            )
            rows += [row(name, state != "healthy", f) for f in found if f.name in ("posterior collapse", "latent mismatch")
                     and (detector is None or f.name == detector)]  # fmt: skip
    return rows


def training(seed: int) -> list[dict[str, Any]]:
    rows = []
    for family, name in (("flow", "nsf"), ("diffusion", "edm"), ("VAE", "vae")):
        for broken in (False, True):
            this = entry(name, f"{name}-fast", 0.3) if broken else entry(name)
            try:
                history = jaxgen.fit(jax.random.key(seed), this, jaxgen.data.draw(EIGHT, seed, 20_000), 1_000, progress=False).history
                found = detectors.unstable_training(history)
            except jaxgen.TrainingDiverged:
                found = [detectors.Finding("oscillating loss", True, None, float("inf"), "diverged")]
            alarm = any(f.alarm for f in found)
            rows.append(row(family, broken, detectors.Finding("any of training", alarm, None, max(f.effect for f in found), "")))
            rows += [row(family, broken, f) for f in found]
    for family, name in (("non-saturating", "gan"), ("relativistic", "rpgan"), ("Wasserstein", "wgan_gp")):
        for broken in (False, True):
            weak = {"gan": {"r1": 0.0}, "rpgan": {"r1": 0.0, "r2": 0.0}, "wgan_gp": {"gradient_penalty": 0.0}}[name]
            this = entry(name, f"{name}-{broken}", **(weak if broken else {}))
            if broken:
                this = _ENTRIES.setdefault(f"{name}-strong", this._replace(optimizer=strong))
            found = detectors.unstable_training(
                jaxgen.fit(jax.random.key(seed), this, jaxgen.data.draw(EIGHT, seed, 20_000), 1_000, progress=False).history
            )
            rows += [row(family, broken, f) for f in found if f.name == "critic too strong"]
    return rows


# The critic's steps are a hundred times the generator's.
strong = players(adam(3e-5, b1=0.0, b2=0.99), adam(3e-3, b1=0.0, b2=0.99))


PARTS = {"coverage": coverage, "memory": memory, "latent": latent, "training": training}
