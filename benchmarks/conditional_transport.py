"""Transport under conditions, eight Gaussians to moons, against the published figures of arXiv 2503.10636, figure 1 (its adaptive solver).

Squared W2 by POT's exact solver between 10,000 flowed and 10,000 fresh points, dopri5 at a tolerance of 1e-4, 20,000 steps, 5 seeds (`--seeds`
runs some); beside it the floor, squared W2 between two fresh sets of the target. The condition is a moon's label (class) or the target's first
coordinate (continuous); a flowed point has the condition of a fresh one. Moons have noise 0.2 and are scaled by 3, less 1; the eight Gaussians
are those of `transport.py`. The paper trains on batches of 256 out of plans over 1,024 points; here each batch of 256 has a plan of its own.
"""

from typing import Any, NamedTuple

import numpy as np
from common import report, row
from tasks.plane import POINTS, TABLE, arguments, eight_gaussians, measured, squared_w2

WIDTH, DEPTH, BATCH, NUM_STEPS, TOLERANCE = 256, 3, 256, 20_000, 1e-4


class Column(NamedTuple):
    """`condition` "none", "class" or "continuous"; `published`: the mean squared W2 there."""

    condition: str
    coupling: str
    published: float


COLUMNS = {
    "fm": Column("none", "independent", 0.120),
    "ot": Column("none", "optimal_transport", 0.050),
    "class-fm": Column("class", "independent", 0.059),
    "class-c2ot": Column("class", "conditional_optimal_transport", 0.018),
    "continuous-fm": Column("continuous", "independent", 0.028),
    "continuous-c2ot": Column("continuous", "conditional_optimal_transport", 0.013),
}


def moons(num: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points `(num, 2)` and their labels -1 or 1 `(num, 1)`."""
    from sklearn.datasets import make_moons

    x, label = make_moons(num, noise=0.2, random_state=int(rng.integers(2**31)))
    return (3 * x - 1).astype(np.float32), (2.0 * label[:, None] - 1).astype(np.float32)


def conditions(column: Column, x: np.ndarray, label: np.ndarray) -> np.ndarray | None:
    return {"none": None, "class": label, "continuous": x[:, :1]}[column.condition]


def measure(column: Column, seed: int, num_steps: int, points: int) -> dict[str, float]:
    """Train on the column and compare `points` flowed points with fresh ones: squared W2 and its floor."""
    import jax
    import jax.numpy as jnp

    import jaxgen
    from jaxgen import bases, nets, numerics
    from jaxgen.objectives import couplings, flow_matching
    from jaxgen.training import adam
    from jaxgen.zoo.velocity import velocity_flow

    rng = np.random.default_rng(seed)
    x, label = moons(TABLE, rng)
    net = nets.time_mlp(2, width=WIDTH, depth=DEPTH)
    model = jaxgen.Model(
        bases.data_set(eight_gaussians(TABLE, rng).astype(np.float32)),
        velocity_flow(net, 2, numerics.adaptive(TOLERANCE, TOLERANCE, "dopri5")),
    )
    ratio = 0.05 if column.condition == "continuous" else None
    transport = couplings.conditional_optimal_transport(ratio) if column.coupling.startswith("conditional") else column.coupling
    cond = conditions(column, x, label)
    entry = jaxgen.zoo.build("ot_cfm", (2,), cond_shape=None if cond is None else (1,))._replace(
        model=model, readings={"default": model}, objective=flow_matching(model, coupling=transport), optimizer=adam(2e-3)
    )
    fitted = jaxgen.fit(jax.random.key(seed), entry, x, num_steps, cond=cond, batch_size=BATCH, progress=False)
    start = eight_gaussians(points, rng).astype(np.float32)
    (real, label), (other, _) = moons(points, rng), moons(points, rng)
    cond = conditions(column, real, label)
    flowed = jax.jit(jax.vmap(lambda z, c: model.transform.forward(fitted.params, z, c)))(
        start, None if cond is None else jnp.asarray(cond)
    )
    return {
        "w2": squared_w2(np.asarray(flowed), real),
        "floor": squared_w2(other, real),
        "seconds": fitted.history["compile_seconds"] + fitted.history["train_seconds"],
    }


def main() -> None:
    args = arguments(__doc__, COLUMNS)
    num_steps, points = (100, 500) if args.quick else (NUM_STEPS, POINTS)
    rows: list[dict[str, Any]] = []
    print("column | squared W2 | published | floor | seconds a fit | seeds", flush=True)
    for name, mean, shown, num in measured(args, COLUMNS, lambda column, seed: measure(column, seed, num_steps, points)):
        column = COLUMNS[name]
        print(f"{name} | {shown['w2']} | {column.published} | {shown['floor']} | {mean['seconds']:.0f} | {num}", flush=True)
        rows.append(row(name, "squared W2", "1", mean["w2"], "published", column.published))
        rows.append(row(name, "squared W2", "1", mean["w2"], "floor: real against real", mean["floor"]))
    report(rows, args.out)


if __name__ == "__main__":
    main()
