"""Neural posterior estimation with one conditional `nsf`: C2ST on the tasks of the simulation-based-inference benchmark (arXiv 2101.04653).

`python benchmarks/npe.py --data-dir DIR` (or JAXGEN_DATA); DIR holds `sbibm/TASK/OBSERVATION/`. The density of theta given x is trained on
simulations only; a tenth of them (5,000 at most) is held out, and training stops by their loss. Both are standardised on the training share:
x by mean and deviation, theta by its least-squares regression on x and the principal axes of what that leaves, so that the flow starts at
the linear Gaussian posterior. Samples outside the prior's support are rejected. The peer of each row is the benchmark's published figure, a
mean over its ten observations. The C2ST is most of the work: minutes for each observation of gaussian_linear. Its classifier can stop on a
plateau; as these posteriors are known, what the best possible classifier would reach is printed beside it.

With `--defaults` nothing is chosen for these tasks: theta and x are standardised column by column, and `nsf` trains with its own sizes, length and
learning rate, as `jaxgen train --model nsf --cond-columns ...` does.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import report, row, timed
from tasks.sbibm import NUM_REFERENCE, OBSERVATIONS, PUBLISHED, TASKS, Task, best_accuracy, c2st, observation

HELD_OUT, MOST_HELD_OUT = 0.1, 5_000
NSF = {"num_layers": 6, "num_bins": 8}
LEARNING_RATE, WARMUP = 2e-3, 0.1
"""A long warm-up, so that the first evaluation still sees the linear Gaussian start: where that is the truth, nothing better follows."""

MAX_STEPS, EVAL_EVERY, PATIENCE = 8_000, 25, 60
BATCH, LARGE, LARGE_BATCH = 256, 50_000, 512


def main() -> None:
    args = arguments()
    from jaxgen.cli.main import set_up_jax

    set_up_jax()
    rows: list[dict[str, Any]] = []
    for name in args.tasks:
        for num_simulations in args.simulations:
            with timed() as seconds:
                posterior = train(TASKS[name], num_simulations, args.seed, 400 if args.quick else MAX_STEPS, args.defaults)
            print(f"{name}, {num_simulations} simulations: {posterior.note}, {seconds():.0f} s", flush=True)
            rows += compare(posterior, TASKS[name], num_simulations, args)
    report(rows, args.out)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 simulations, 400 steps, one observation, to see that it runs")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the rows there as a JSON list")
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("JAXGEN_DATA"), metavar="DIR", help="default: JAXGEN_DATA")
    parser.add_argument("--tasks", nargs="+", choices=tuple(TASKS), default=tuple(TASKS))
    parser.add_argument("--simulations", nargs="+", type=int, default=(10_000, 100_000))
    parser.add_argument("--observations", nargs="+", type=int, choices=OBSERVATIONS, default=OBSERVATIONS)
    parser.add_argument("--no-classifier", action="store_true", help="only the best possible accuracy, from the densities: seconds")
    parser.add_argument("--defaults", action="store_true", help="train nsf with its own sizes and length, on plainly standardised columns")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.data_dir is None:
        parser.error("--data-dir or JAXGEN_DATA: the folder that holds sbibm/; the reference posteriors are not part of this library")
    args.data_dir = Path(args.data_dir) / "sbibm"
    if not args.data_dir.is_dir():
        parser.error(f"{args.data_dir}: no such folder")
    if args.quick:
        args.simulations, args.observations = (1_000,), args.observations[:1]
    return args


class Linear(NamedTuple):
    """`theta = intercept + slope x + axes u`: theta's regression on x, and the scaled principal axes of its residuals. u is standard at best.

    intercept: (d,). slope: (d, c). axes: (d, d).
    """

    intercept: np.ndarray
    slope: np.ndarray
    axes: np.ndarray

    def standardise(self, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self.axes, (theta - self.intercept - x @ self.slope.T).T).T.astype(np.float32)

    def restore(self, u: np.ndarray, x: np.ndarray) -> np.ndarray:
        return self.intercept + x @ self.slope.T + np.asarray(u, np.float64) @ self.axes.T


def linear(theta: np.ndarray, x: np.ndarray) -> Linear:
    """The least-squares fit to `theta` (n, d) and `x` (n, c)."""
    design = np.column_stack([np.ones(len(x)), x])
    coefficients = np.linalg.lstsq(design, theta, rcond=None)[0]
    variances, axes = np.linalg.eigh(np.cov((theta - design @ coefficients).T))
    return Linear(coefficients[0], coefficients[1:].T, axes * np.sqrt(variances))


class Posterior(NamedTuple):
    """The flow before it is confined to the prior's support. note: what its training did.

    sample:   `(seed, x (c,), n) -> theta (n, d)`.
    log_prob: `(theta (n, d), x (c,)) -> (n,)`, nats.
    """

    sample: Callable[[int, np.ndarray, int], np.ndarray]
    log_prob: Callable[[np.ndarray, np.ndarray], np.ndarray]
    note: str


def plain(theta: np.ndarray, x: np.ndarray) -> Linear:
    """Column by column, with no regard to `x` (n, c)."""
    return Linear(theta.mean(axis=0), np.zeros((theta.shape[1], x.shape[1])), np.diag(theta.std(axis=0)))


def train(task: Task, num_simulations: int, seed: int, max_steps: int, defaults: bool = False) -> Posterior:
    """The conditional `nsf` with the best loss on held-out simulations."""
    import jax

    import jaxgen

    theta, x = task.simulate(np.random.default_rng([seed, num_simulations]), num_simulations)
    split = num_simulations - min(round(HELD_OUT * num_simulations), MOST_HELD_OUT)
    units, loc, scale = (plain if defaults else linear)(theta[:split], x[:split]), x[:split].mean(axis=0), x[:split].std(axis=0)
    u, c = units.standardise(theta, x), ((x - loc) / scale).astype(np.float32)
    entry = jaxgen.zoo.build("nsf", u.shape[1:], c.shape[1:], **({} if defaults else NSF))
    held_out: dict[str, Any] = {"valid": u[split:], "valid_cond": c[split:], "patience": jaxgen.training.PATIENCE}
    if defaults:
        max_steps, sizes = jaxgen.training.steps_for(entry.card.num_steps, split), {}
    else:
        entry = entry._replace(optimizer=jaxgen.training.adam(LEARNING_RATE, warmup=WARMUP))
        held_out |= {"eval_every": EVAL_EVERY, "patience": PATIENCE}
        sizes = {"batch_size": BATCH if num_simulations < LARGE else LARGE_BATCH, "steps_per_chunk": EVAL_EVERY}
    fitted = jaxgen.fit(jax.random.key(seed), entry, u[:split], max_steps, cond=c[:split], **held_out, **sizes)

    def given(x: np.ndarray, n: int) -> np.ndarray:
        return np.tile(((x - loc) / scale).astype(np.float32), (n, 1))

    def sample(seed: int, x: np.ndarray, n: int) -> np.ndarray:
        return units.restore(np.asarray(jaxgen.sample(jax.random.key(seed), entry.model, fitted.params, n, given(x, n))), x)

    def log_prob(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        value = jaxgen.log_prob(entry.model, fitted.params, units.standardise(theta, x), given(x, len(theta))).value
        return np.asarray(value, np.float64) - np.linalg.slogdet(units.axes)[1]

    steps, losses = fitted.history["valid_step"], fitted.history["valid_loss"]
    best = f"best at step {steps[np.argmin(losses)]} of {fitted.history['num_steps']}"
    return Posterior(sample, log_prob, f"{jaxgen.zoo.count_params(fitted.params)} parameters, {best}")


def accuracy(posterior: Posterior, task: Task, folder: Path, number: int, classify: bool) -> tuple[float, float]:
    """C2ST of the posterior at one observation (NaN unless `classify`) and the best classifier's accuracy.

    Samples are rejected where the prior has no mass, so the flow's density is divided by the share that is kept.
    """
    target = observation(folder, task.name, number)
    kept, drawn = np.empty((0, target.reference.shape[1])), 0
    while len(kept) < NUM_REFERENCE:
        theta = posterior.sample(drawn, target.x, NUM_REFERENCE)
        kept, drawn = np.concatenate([kept, theta[task.in_support(theta)]]), drawn + len(theta)
        if drawn > 100 * NUM_REFERENCE:
            raise RuntimeError(f"{task.name}, observation {number}: of {drawn} samples only {len(kept)} are where the prior has mass.")
    log_q = posterior.log_prob(target.reference, target.x) - np.log(len(kept) / drawn)
    best = best_accuracy(task.log_posterior(target.reference, target.x), log_q)
    found = c2st(kept[:NUM_REFERENCE], target.reference) if classify else float("nan")
    print(f"  observation {number}: C2ST {found:.4f}, best possible {best:.4f}, {1 - len(kept) / drawn:.2%} outside the prior", flush=True)
    return found, best


def compare(posterior: Posterior, task: Task, num_simulations: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Both accuracies over the observations, printed, and the C2ST as a row where the benchmark published one."""
    both = np.array([accuracy(posterior, task, args.data_dir, i, not args.no_classifier) for i in args.observations])
    found, best = both.mean(axis=0)
    case = f"{task.name}, {num_simulations} simulations"
    print(f"{case}: mean C2ST {found:.4f}, mean of the best possible {best:.4f}", flush=True)
    peer = PUBLISHED.get((task.name, num_simulations))
    if peer is None or args.no_classifier:
        return []
    return [row(case, f"C2ST, mean over {len(both)} observations", "accuracy", found, "published NPE (NSF)", peer)]


if __name__ == "__main__":
    main()
