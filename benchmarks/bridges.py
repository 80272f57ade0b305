"""Schrodinger bridges against the published figures of [SF]2M (arXiv 2307.03672) and DSBM (arXiv 2303.16852): in the plane, and for Gaussians.

The plane: columns and protocol of `transport.py` (W2 between 10,000 transported and 10,000 fresh points by POT's exact solver, beside it the
floor between two fresh sets, 5 seeds, `--seeds` runs some), but 8,000 steps of batch 512; one network of 3 x 64 SELU units for both outputs,
where the papers have two. [SF]2M pairs by exact transport with bridges of scale 0.1; DSBM-IMF starts from the same pairs (what is published is
IMF+) and has ten rounds at scale 0.5. "sde" is the diffusion in 100 steps, "ode" the flow of its velocity in 100 Euler steps.

Gaussians: from N(-0.1, I) to N(0.1, I) in 50 dimensions with sigma = 1, 2 x 256 units, 5,000 steps on 10,000 rows of either, independent pairs
in the first of ten rounds. The figure is the KL divergence of the diffusion's marginals from the closed form's, as products of normals with the
mean and variance of each coordinate over 10,000 paths from fresh rows, averaged over 21 of its steps, x 1,000; its floor the same for paths of the
exact drift. "cov" is the covariance of a coordinate's two ends, whose truth is (sqrt(5) - 1) / 2 = 0.618. Published: DSBM-IMF.
"""

from typing import Any, NamedTuple

import numpy as np
from common import report, row
from tasks.plane import DRAW, POINTS, TABLE, arguments, base_of, euler, measured, squared_w2

WIDTH, DEPTH, BATCH, NUM_STEPS, ROUNDS, SDE = 64, 3, 512, 8_000, 10, 100
DIM, WIDE, ROWS, SHIFT, TIMES, GAUSSIAN_STEPS = 50, 256, 10_000, 0.1, 21, 5_000
SIGMA = {"sf2m": 0.1, "dsbm": 0.5}


class Column(NamedTuple):
    """`method`: a name of the zoo; `source` and `target`: sets of `tasks.plane`, or "gaussian"; `published`: W2 or KL x 1e-3 there."""

    method: str
    source: str
    target: str
    published: float


COLUMNS = {
    "sf2m-moons-8gaussians": Column("sf2m", "moons", "8gaussians", 0.726),
    "sf2m-normal-moons": Column("sf2m", "normal", "moons", 0.124),
    "sf2m-normal-scurve": Column("sf2m", "normal", "scurve", 0.128),
    "dsbm-moons-8gaussians": Column("dsbm", "moons", "8gaussians", 0.802),
    "dsbm-normal-moons": Column("dsbm", "normal", "moons", 0.123),
    "dsbm-normal-scurve": Column("dsbm", "normal", "scurve", 0.130),
    "dsbm-gaussian": Column("dsbm", "gaussian", "gaussian", 8.75),
}


def built(method: str, base: Any, dim: int, sigma: float, rounds: int, start: str, **sizes: Any) -> Any:
    """The zoo's entry `method` on another base: readings, objective and optimiser."""
    import jaxgen
    from jaxgen import nets, objectives, paths
    from jaxgen.training import adam
    from jaxgen.zoo import bridges

    net = nets.time_mlp(2 * dim, **sizes)
    readings = bridges.bridge(net, base, dim, sigma, SDE)
    if method == "sf2m":
        between = paths.interpolant(variance=paths.brownian_variance(sigma**2))
        objective = objectives.interpolant_matching(readings["ode"], between, coupling=start)
    else:
        objective = objectives.bridge_matching(readings["ode"], sigma, rounds, coupling=start)
    return jaxgen.zoo.build(method, (dim,))._replace(model=readings["sde"], readings=readings, objective=objective, optimizer=adam(3e-3))


def in_the_plane(column: Column, seed: int, num_steps: int, points: int) -> dict[str, float]:
    """Train on the column and compare `points` transported points with fresh ones: W2 of both readings, and its floor."""
    import jax

    import jaxgen

    rng = np.random.default_rng(seed)
    source, target = DRAW[column.source], DRAW[column.target]
    entry = built(
        column.method, base_of(column.source, rng), 2, SIGMA[column.method], ROUNDS, "optimal_transport",
        width=WIDTH, depth=DEPTH, activation="selu",
    )  # fmt: skip
    fitted = jaxgen.fit(jax.random.key(seed), entry, target(TABLE, rng).astype(np.float32), num_steps, batch_size=BATCH, progress=False)
    start, real, other = (draw(points, rng) for draw in (source, target, target))
    noise = {"x0": start.astype(np.float32), "increments": rng.standard_normal((points, SDE, 2)).astype(np.float32)}
    end = jax.jit(jax.vmap(lambda z: entry.model.transform.forward(fitted.params, z)))(noise)
    flowed, _ = euler(entry.readings["ode"].transform.parts["velocity"].field(), fitted.params, noise["x0"])
    return {
        "sde": squared_w2(np.asarray(end), real) ** 0.5,
        "ode": squared_w2(flowed, real) ** 0.5,
        "floor": squared_w2(other, real) ** 0.5,
        "seconds": fitted.history["compile_seconds"] + fitted.history["train_seconds"],
    }


def between_gaussians(column: Column, seed: int, num_steps: int, points: int) -> dict[str, float]:
    """Train on rows of two Gaussians; marginals and ends of `points` paths against the closed form, and those of the exact drift."""
    import jax

    import jaxgen
    from jaxgen import bases, paths
    from jaxgen.transforms import bridge_sde

    rng = np.random.default_rng(seed)
    rows = [(sign * SHIFT + rng.standard_normal((ROWS, DIM))).astype(np.float32) for sign in (-1, 1)]
    entry = built(column.method, bases.data_set(rows[0]), DIM, 1.0, ROUNDS, "independent", width=WIDE, depth=2)
    fitted = jaxgen.fit(jax.random.key(seed), entry, rows[1], num_steps, batch_size=BATCH, progress=False)
    shift = SHIFT * np.ones(DIM)
    truth = paths.gaussian_bridge((-shift, np.eye(DIM)), (shift, np.eye(DIM)), 1.0)
    exact = bridge_sde(lambda *_: (), truth.drift, truth.backward_drift, 1.0, SDE)
    noise = {
        "x0": (-SHIFT + rng.standard_normal((points, DIM))).astype(np.float32),
        "increments": rng.standard_normal((points, SDE, DIM)).astype(np.float32),
    }
    found: dict[str, float] = {}
    for name, transform in (("kl", entry.model.transform), ("floor", exact)):
        states = jax.jit(jax.vmap(lambda z, f=transform: f.hooks.stages(fitted.params, z)))(noise)
        found[name], found["cov" if name == "kl" else "exact cov"] = against(truth, noise["x0"], np.asarray(states))
    return {**found, "seconds": fitted.history["compile_seconds"] + fitted.history["train_seconds"]}


def against(truth: Any, start: np.ndarray, states: np.ndarray) -> tuple[float, float]:
    """1,000 times the mean KL divergence of the marginals of paths `states` (n, SDE, d), and the mean covariance of their two ends."""
    divergences = []
    for k in np.linspace(0, SDE, TIMES).round().astype(int):
        t, x = float(np.sin(0.5 * np.pi * k / SDE) ** 2), start if k == 0 else states[:, k - 1]
        mean, variance = truth.mean(t), np.diag(truth.covariance(t))
        ratio = x.var(0) / variance
        divergences.append(0.5 * np.sum(ratio - 1 - np.log(ratio) + (x.mean(0) - mean) ** 2 / variance))
    centred = (a - a.mean(0) for a in (start, states[:, -1]))
    return 1_000 * float(np.mean(divergences)), float(np.mean(np.prod(list(centred), 0)))


def main() -> None:
    args = arguments(__doc__, COLUMNS)
    points = 500 if args.quick else POINTS
    rows: list[dict[str, Any]] = []

    def measure(column: Column, seed: int) -> dict[str, float]:
        if column.source == "gaussian":
            return between_gaussians(column, seed, 100 if args.quick else GAUSSIAN_STEPS, points)
        return in_the_plane(column, seed, 100 if args.quick else NUM_STEPS, points)

    print("column | figures | published | seconds a fit | seeds", flush=True)
    for name, mean, shown, num in measured(args, COLUMNS, measure):
        column = COLUMNS[name]
        figures = ", ".join(f"{k} {v}" for k, v in shown.items() if k != "seconds")
        print(f"{name} | {figures} | {column.published} | {mean['seconds']:.0f} | {num}", flush=True)
        for ours, metric in (("kl", "marginal KL x 1e-3"),) if "kl" in mean else (("sde", "W2 of the SDE"), ("ode", "W2 of the ODE")):
            rows.append(row(name, metric, "1", mean[ours], "published", column.published))
            rows.append(row(name, metric, "1", mean[ours], "floor", mean["floor"]))
    report(rows, args.out)


if __name__ == "__main__":
    main()
