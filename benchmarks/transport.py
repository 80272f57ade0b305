"""Transport in the plane by flow matching against the published figures of arXiv 2302.00482: W2 of samples, and how straight the flow is.

Per column a source and a target; 20,000 steps of batch 512, a network of 3 x 64 SELU units, 100 Euler steps, W2 between 10,000 flowed and
10,000 fresh points by POT's exact solver, 5 seeds (`--seeds` runs some). Beside it the floor: W2 between two fresh sets of the target,
which no model beats but by chance. NPE is the normalised path energy `|integral E |v|^2 dt - W2^2(source, target)| / W2^2(source, target)`.
The eight Gaussians have standard deviation 0.1^(1/4) around a circle of radius 5, as in that paper's code.
"""

from typing import Any, NamedTuple

import numpy as np
from common import report, row
from tasks.plane import DRAW, POINTS, TABLE, arguments, base_of, euler, measured, squared_w2

WIDTH, DEPTH, BATCH, NUM_STEPS = 64, 3, 512, 20_000


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


def measure(column: Column, seed: int, num_steps: int, points: int) -> dict[str, float]:
    """Train OT-CFM on the column and compare `points` flowed ones with fresh ones: W2, NPE and the floor of W2."""
    import jax

    import jaxgen
    from jaxgen import nets
    from jaxgen.objectives import flow_matching
    from jaxgen.training import adam
    from jaxgen.zoo.velocity import velocity_flow

    rng = np.random.default_rng(seed)
    source, target = DRAW[column.source], DRAW[column.target]
    base = base_of(column.source, rng)
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


def main() -> None:
    args = arguments(__doc__, COLUMNS)
    num_steps, points = (100, 500) if args.quick else (NUM_STEPS, POINTS)
    rows: list[dict[str, Any]] = []
    print("column | W2 | published best | floor | NPE | published OT-CFM | seconds a fit | seeds", flush=True)
    for name, mean, shown, num in measured(args, COLUMNS, lambda column, seed: measure(column, seed, num_steps, points)):
        column = COLUMNS[name]
        w2, floor, npe = (shown[k] for k in ("w2", "floor", "npe"))
        print(f"{name} | {w2} | {column.w2} | {floor} | {npe} | {column.npe} | {mean['seconds']:.0f} | {num}", flush=True)
        rows.append(row(name, "W2", "1", mean["w2"], "published best", column.w2))
        rows.append(row(name, "W2", "1", mean["w2"], "floor: real against real", mean["floor"]))
        rows.append(row(name, "normalised path energy", "1", mean["npe"], "published OT-CFM", column.npe))
    report(rows, args.out)


if __name__ == "__main__":
    main()
