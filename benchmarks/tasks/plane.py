"""Transport between sets in the plane (arXiv 2302.00482): the sets, the distance, and the loop over a table's columns and seeds."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from common import options

POINTS, SEEDS, TABLE, EULER = 10_000, 5, 400_000, 100


def eight_gaussians(num: int, rng: np.random.Generator) -> np.ndarray:
    """Standard deviation 0.1^(1/4) around a circle of radius 5, as in that paper's code."""
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


def base_of(source: str, rng: np.random.Generator) -> Any:
    """The source as a base: the Gaussian itself, or a set of TABLE of its points."""
    from jaxgen import bases

    return bases.normal((2,)) if source == "normal" else bases.data_set(DRAW[source](TABLE, rng).astype(np.float32))


def squared_w2(x: np.ndarray, y: np.ndarray) -> float:
    """The exact squared Wasserstein distance between two sets of points, by POT."""
    import ot

    return float(ot.emd2([], [], ot.dist(x.astype(np.float64), y.astype(np.float64)), numItermax=10_000_000))


def euler(velocity: Any, params: Any, x: np.ndarray) -> tuple[np.ndarray, float]:
    """The points after EULER steps from t = 0 to 1, and the integral of their mean squared speed."""
    import jax
    import jax.numpy as jnp

    def step(x: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        v = jax.vmap(lambda x: velocity(params, x, t, None))(x)
        return x + v / EULER, jnp.mean(jnp.sum(v**2, 1))

    end, energies = jax.jit(lambda x: jax.lax.scan(step, x, jnp.arange(EULER, dtype=x.dtype) / EULER))(x)
    return np.asarray(end), float(jnp.mean(energies))


class Column(NamedTuple):
    """One column of a table after its seeds: `mean` of every figure, `shown` the same as text with its deviation."""

    name: str
    mean: dict[str, float]
    shown: dict[str, str]
    num: int


def arguments(description: str | None, columns: Mapping[str, Any]) -> argparse.Namespace:
    """The options of such a script, `--only` and `--seeds` among them; JAX is set up after they are read."""
    args = options(description, only=list(columns), seeds=[str(seed) for seed in range(SEEDS)])
    from jaxgen.cli.main import set_up_jax

    set_up_jax()
    return args


def measured(args: argparse.Namespace, columns: Mapping[str, Any], measure: Callable[[Any, int], dict[str, float]]) -> Iterator[Column]:
    """Every column that is asked for, by `measure(column, seed) -> figures` over the seeds that are; each seed's figures are printed."""
    seeds = [int(seed) for seed in args.seeds or range(1 if args.quick else SEEDS)]
    for name in args.only or columns:
        runs: list[dict[str, float]] = []
        for seed in seeds:
            runs.append(measure(columns[name], seed))
            print(f"  {name}, seed {seed}: {', '.join(f'{k} {v:.4g}' for k, v in runs[-1].items())}", flush=True)
        mean, sd = ({k: float(f([r[k] for r in runs])) for k in runs[0]} for f in (np.mean, np.std))
        yield Column(name, mean, {k: f"{mean[k]:.3f} +- {sd[k]:.3f}" for k in mean}, len(runs))
