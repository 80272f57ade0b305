"""Transport in the plane by flow matching against the published figures of arXiv 2302.00482: W2 of samples, and how straight the flow is.

Per column a source and a target; 20,000 steps of batch 512, a network of 3 x 64 SELU units, 100 Euler steps, W2 between 10,000 flowed and
10,000 fresh points by POT's exact solver, 5 seeds (`--seeds` runs some). Beside it the floor: W2 between two fresh sets of the target,
which no model beats but by chance. NPE is the normalised path energy `|integral E |v|^2 dt - W2^2(source, target)| / W2^2(source, target)`.
The eight Gaussians have standard deviation 0.1^(1/4) around a circle of radius 5, as in that paper's code.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from common import options, report, row

WIDTH, DEPTH, BATCH, NUM_STEPS, EULER, POINTS, SEEDS, TABLE = 64, 3, 512, 20_000, 100, 10_000, 5, 400_000


class Column(NamedTuple):
    """`w2`: the best published; `npe`: OT-CFM's."""

    source: str
    target: str
    w2: float
    npe: float


COLUMNS = {
    "normal-8gaussians": Column("normal", "8gaussians", 0.275, 0.031),
    "moons-8gaussians": Column("moons", "8gaussians", 0.601, 0.015),
    "normal-moons": Column("normal", "moons", 0.111, 0.083),
    "normal-scurve": Column("normal", "scurve", 0.102, 0.027),
}


def eight_gaussians(num: int, rng: np.random.Generator) -> np.ndarray:
    angle = 2 * np.pi * rng.integers(0, 8, num) / 8
    return 5 * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.1**0.25 * rng.standard_normal((num, 2))


def moons(num: int, rng: np.random.Generator) -> np.ndarray:
    from sklearn.datasets import make_moons

    return 2 * make_moons(num, noise=0.05, random_state=int(rng.integers(2**31)))[0] - 1


def s_curve(num: int, rng: np.random.Generator) -> np.ndarray:
    from sklearn.datasets import make_s_curve

    return 1.5 * make_s_curve(num, noise=0.05, random_state=int(rng.integers(2**31)))[0][:, [0, 2]]


DRAW: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "normal": lambda num, rng: rng.standard_normal((num, 2)),
    "8gaussians": eight_gaussians,
    "moons": moons,
    "scurve": s_curve,
}


def squared_w2(x: np.ndarray, y: np.ndarray) -> float:
    """The exact squared Wasserstein distance between two sets of points, by POT."""
    import ot

    return float(ot.emd2([], [], ot.dist(x.astype(np.float64), y.astype(np.float64)), numItermax=10_000_000))


def measure(column: Column, seed: int, num_steps: int, points: int) -> dict[str, float]:
    """Train OT-CFM on the column and compare `points` flowed ones with fresh ones: W2, NPE and the floor of W2."""
    import jax

    import jaxgen
    from jaxgen import bases, nets
    from jaxgen.objectives import flow_matching
    from jaxgen.training import adam
    from jaxgen.zoo.velocity import velocity_flow

    rng = np.random.default_rng(seed)
    source, target = DRAW[column.source], DRAW[column.target]
    base = bases.normal((2,)) if column.source == "normal" else bases.data_set(source(TABLE, rng).astype(np.float32))
    net = nets.time_mlp(2, width=WIDTH, depth=DEPTH, activation="selu")
    model = jaxgen.Model(base, velocity_flow(net, 2))
    entry = jaxgen.zoo.build("ot_cfm", (2,))._replace(
        model=model,
        readings={"default": model},
        objective=flow_matching(model, coupling="optimal_transport"),
        optimizer=adam(3e-3),
    )
    fitted = jaxgen.fit(jax.random.key(seed), entry, target(TABLE, rng).astype(np.float32), num_steps, batch_size=BATCH, progress=False)
    start, real, other = (draw(points, rng) for draw in (source, target, target))
    end, energy = euler(net.apply, fitted.params, start.astype(np.float32))
    straight = squared_w2(start, real)
    return {
        "w2": squared_w2(end, real) ** 0.5,
        "npe": abs(energy - straight) / straight,
        "floor": squared_w2(other, real) ** 0.5,
        "seconds": fitted.history["compile_seconds"] + fitted.history["train_seconds"],
    }


def euler(velocity: Any, params: Any, x: np.ndarray) -> tuple[np.ndarray, float]:
    """The points after EULER steps from t = 0 to 1, and the integral of their mean squared speed."""
    import jax
    import jax.numpy as jnp

    def step(x: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        v = jax.vmap(lambda x: velocity(params, x, t, None))(x)
        return x + v / EULER, jnp.mean(jnp.sum(v**2, 1))

    end, energies = jax.jit(lambda x: jax.lax.scan(step, x, jnp.arange(EULER, dtype=x.dtype) / EULER))(x)
    return np.asarray(end), float(jnp.mean(energies))


def main() -> None:
    args = options(__doc__, only=list(COLUMNS), seeds=[str(seed) for seed in range(SEEDS)])
    from jaxgen.cli.main import set_up_jax

    set_up_jax()
    num_steps, points = (100, 500) if args.quick else (NUM_STEPS, POINTS)
    seeds = [int(seed) for seed in args.seeds or range(1 if args.quick else SEEDS)]
    rows: list[dict[str, Any]] = []
    print("column | W2 | published best | floor | NPE | published OT-CFM | seconds a fit | seeds", flush=True)
    for name in args.only or COLUMNS:
        column = COLUMNS[name]
        runs = []
        for seed in seeds:
            runs.append(measure(column, seed, num_steps, points))
            print(f"  {name}, seed {seed}: {', '.join(f'{k} {v:.4g}' for k, v in runs[-1].items())}", flush=True)
        mean, sd = ({k: float(f([r[k] for r in runs])) for k in runs[0]} for f in (np.mean, np.std))
        w2, floor, npe = (f"{mean[k]:.3f} +- {sd[k]:.3f}" for k in ("w2", "floor", "npe"))
        print(f"{name} | {w2} | {column.w2} | {floor} | {npe} | {column.npe} | {mean['seconds']:.0f} | {len(runs)}", flush=True)
        rows.append(row(name, "W2", "1", mean["w2"], "published best", column.w2))
        rows.append(row(name, "W2", "1", mean["w2"], "floor: real against real", mean["floor"]))
        rows.append(row(name, "normalised path energy", "1", mean["npe"], "published OT-CFM", column.npe))
    report(rows, args.out)


if __name__ == "__main__":
    main()
