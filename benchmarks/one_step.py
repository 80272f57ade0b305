"""One-step generators against published figures: sliced W2 and MMD of samples that cost one evaluation of a network, beside their floors.

A network of 4 x 256 units, 6,000 steps of batch 512, all rounds of a method counted; 8,192 samples against as many fresh points of the data,
sliced W2 over 256 projections, 5 seeds (`--seeds` runs some). The figure of a seed is the mean over 8 pairs of such sets, as one pair alone
is mostly chance: the share of each mode is. "equal" is the same against points of which each Gaussian has an equal share, as each moon has in
any case; what chance does to the model's own samples remains. The floor is the same mean for fresh sets of the data, which no model beats but
by chance. "excess" is the root of what the square has above the floor's: the model's own error. MMD is squared. Data: eight Gaussians of
standard deviation 0.25 around a circle of radius 4, two moons with noise 0.05, a checkerboard of 8 cells of width 2, none of them scaled.

Published: reflow in one step (0.117 and 0.032, where 128 steps of a variance-preserving diffusion give 0.110 and 0.032). `mean_flow.py` has
MeanFlow's own table.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from common import options, report, row

WIDTH, DEPTH, BATCH, NUM_STEPS, POINTS, PAIRS, SEEDS, TABLE = 256, 4, 512, 6_000, 8_192, 8, 5, 400_000
REFLOW = {"8gaussians": 0.117, "moons": 0.032}
GOALS = {"8gaussians": 0.115, "moons": 0.032}
FIFTY = "cfm, 50 steps"
MODELS = ("rectified_flow", "meanflow", "meanflow_independent", "consistency", "imm", "drifting", "distilled", "cfm")


def eight_gaussians(num: int, rng: np.random.Generator, equal: bool = False) -> np.ndarray:
    angle = 2 * np.pi * (np.arange(num) % 8 if equal else rng.integers(0, 8, num)) / 8
    return 4 * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.25 * rng.standard_normal((num, 2))


def moons(num: int, rng: np.random.Generator) -> np.ndarray:
    from sklearn.datasets import make_moons

    return make_moons(num, noise=0.05, random_state=int(rng.integers(2**31)))[0]


def checkerboard(num: int, rng: np.random.Generator) -> np.ndarray:
    column, row_ = rng.integers(0, 4, num), rng.integers(0, 2, num)
    return 2 * np.stack([column - 2 + rng.random(num), 2 * row_ + column % 2 - 2 + rng.random(num)], 1)


DRAW: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "8gaussians": eight_gaussians,
    "moons": moons,
    "checkerboard": checkerboard,
}


def measure(name: str, data: str, seed: int, num_steps: int) -> dict[str, dict[str, float]]:
    """Train the entry and compare its samples with fresh points: figures by reading, and the floor's under "floor"."""
    import jax

    import jaxgen
    from jaxgen import nets
    from jaxgen.evaluation import straightness
    from jaxgen.transforms import flow_map
    from jaxgen.zoo.velocity import init_in_time

    pairs = {"coupling": "independent"} if name == "meanflow_independent" else {}
    entry = jaxgen.zoo.build(name.removesuffix("_independent"), (2,), width=WIDTH, depth=DEPTH, **pairs)
    readings = {f"{name}, {reading.replace('_', ' ')}": model for reading, model in entry.readings.items() if reading != "ode"}
    if name == "cfm":
        net = nets.time_mlp(2, width=WIDTH, depth=DEPTH)
        step = flow_map(init_in_time(net), lambda params, x, t, s, cond=None: net.apply(params, x, t, cond), 50)
        readings = {FIFTY: jaxgen.Model(entry.model.base, step)}
    rows = DRAW[data](TABLE, np.random.default_rng(seed)).astype(np.float32)
    fitted = jaxgen.fit(jax.random.key(seed), entry, rows, num_steps, batch_size=BATCH, progress=False)
    seconds = fitted.history["compile_seconds"] + fitted.history["train_seconds"]
    sets = {"floor": lambda rng, key: DRAW[data](POINTS, rng)}
    for reading, model in readings.items():
        sets[reading] = lambda rng, key, model=model: np.asarray(jaxgen.sample(key, model, fitted.params, POINTS))
    figures = {reading: {**compared(draw, data, seed), "seconds": seconds} for reading, draw in sets.items()}
    if name in ("cfm", "rectified_flow"):
        bent = straightness(jax.random.key(seed), entry.readings["ode" if name == "rectified_flow" else "default"], fitted.params, POINTS)
        figures[next(iter(readings))]["straightness"] = bent[0]
    return figures


def told(name: str, data: str, seed: int, num_steps: int) -> dict[str, dict[str, float]]:
    """`measure`, whose figures are printed as they come: a run of hours that is stopped has said what it found."""
    figures = measure(name, data, seed, num_steps)
    found = "; ".join(f"{r}: {f['sliced W2']:.4f}, equal {f['equal']:.4f}, MMD {f['MMD']:.5f}" for r, f in figures.items())
    print(f"  {data}, seed {seed} | {found}", flush=True)
    return figures


def compared(draw: Callable[[np.random.Generator, Any], np.ndarray], data: str, seed: int) -> dict[str, float]:
    """Mean sliced W2 and squared MMD of PAIRS sets against fresh points; the points are the same whatever is drawn."""
    import jax

    from jaxgen.evaluation import mmd, sliced_w2

    found = []
    for i in range(PAIRS):
        fresh, other, equal = (np.random.default_rng([seed, i, which]) for which in (1, 2, 3))
        real, ours = DRAW[data](POINTS, fresh), draw(other, jax.random.key(PAIRS * seed + i))
        shares = eight_gaussians(POINTS, equal, True) if data == "8gaussians" else real
        found.append((sliced_w2(ours, real, seed=i), sliced_w2(ours, shares, seed=i), mmd(ours, real, seed=i)))
    return dict(zip(("sliced W2", "equal", "MMD"), np.mean(found, 0).tolist(), strict=True))


def main() -> None:
    args = options(__doc__, only=list(DRAW), models=list(MODELS), seeds=[str(seed) for seed in range(SEEDS)])
    from jaxgen.cli.main import set_up_jax

    set_up_jax()
    seeds = [int(seed) for seed in args.seeds or range(1 if args.quick else SEEDS)]
    num_steps = 60 if args.quick else NUM_STEPS
    rows: list[dict[str, Any]] = []
    print("data | reading | sliced W2 | equal | excess | floor | equal | MMD | seconds a fit | seeds", flush=True)
    for data in args.only or DRAW:
        found: dict[str, dict[str, float]] = {}
        for name in args.models or MODELS:
            runs = [told(name, data, seed, num_steps) for seed in seeds]
            for reading in runs[0]:
                found[reading] = {k: float(np.mean([run[reading][k] for run in runs])) for k in runs[0][reading]}
            for reading in [r for r in runs[0] if r != "floor"]:
                show(data, reading, found, [run[reading]["sliced W2"] for run in runs])
        rows += compared_rows(data, found)
    report(rows, args.out)


def show(data: str, reading: str, found: dict[str, dict[str, float]], seeds: list[float]) -> None:
    """Print one line of the table."""
    ours, floor = found[reading], found["floor"]
    excess = max(ours["sliced W2"] ** 2 - floor["sliced W2"] ** 2, 0.0) ** 0.5
    print(
        f"{data} | {reading} | {ours['sliced W2']:.4f} +- {np.std(seeds):.4f} | {ours['equal']:.4f} | {excess:.4f} | "
        f"{floor['sliced W2']:.4f} | {floor['equal']:.4f} | {ours['MMD']:.5f} | {ours['seconds']:.0f} | {len(seeds)}",
        flush=True,
    )


def compared_rows(data: str, found: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    readings = {reading: figures for reading, figures in found.items() if reading != "floor"}
    one_step = [reading for reading in readings if "steps" not in reading]
    rows = []
    for figure in ("sliced W2", "equal"):
        floor, name = found["floor"][figure], "sliced W2" + ", equal shares" * (figure == "equal")
        rows += [
            row(data, f"{name}, {reading}", "1", ours[figure], "floor: real against real", floor) for reading, ours in readings.items()
        ]
        if data in REFLOW and one_step:
            best = min(one_step, key=lambda reading: readings[reading][figure])
            for peer, theirs in (("published reflow", REFLOW[data]), ("goal", GOALS[data])):
                rows.append(row(data, f"{name}, best in one step: {best}", "1", readings[best][figure], peer, theirs))
    flow = "rectified_flow, one step"
    if FIFTY in readings and flow in readings:
        bent = (readings[name]["straightness"] for name in (flow, FIFTY))
        rows.append(row(data, "straightness of a rectified flow (0: straight)", "1", next(bent), "cfm's", next(bent)))
    return rows


if __name__ == "__main__":
    main()
