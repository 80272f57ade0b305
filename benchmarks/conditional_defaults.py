"""How well the default of a conditional density generalises: held-out NLL of `nsf` as it is, on simulators and a regression nobody tunes to.

Each task draws parameters and observations (`tasks/simulators.py`); the density of the parameters given the observation is trained on nine tenths of
them, as `jaxgen train --model nsf --cond-columns ...` does: standardised column by column, with the entry's own sizes and the length that fits the
number of rows, and with the last tenth (5,000 at most) for validation. Printed beside it, in nats an event on 4,000 fresh simulations: a linear
Gaussian regression, the conditional of a joint mixture of Gaussians chosen by BIC, and, where the posterior is known, the truth and the accuracy of
the best possible classifier between both. Smaller is better.

    python benchmarks/conditional_defaults.py --tasks slcp rings --simulations 10000
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp
from tasks.sbibm import TASKS, best_accuracy
from tasks.simulators import SIMULATORS

HELD_OUT, MOST_HELD_OUT, NUM_TEST, NUM_EXACT = 0.1, 5_000, 4_000, 1_000
MOST_ROWS = 20_000
"""Rows of the joint mixture."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=tuple(SIMULATORS), default=tuple(SIMULATORS))
    parser.add_argument("--simulations", nargs="+", type=int, default=(1_000, 10_000))
    parser.add_argument("--model", default="nsf")
    parser.add_argument("--steps", type=int, help="instead of what the number of rows asks for")
    parser.add_argument("--raw", action="store_true", help="do not standardise: what a caller gets who passes the simulator's own units")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="500 simulations of two tasks, to see that it runs")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    if args.quick:
        args.tasks, args.simulations = args.tasks[:2], (500,)
    from jaxgen.cli.main import set_up_jax

    set_up_jax()
    rows = []
    for name in args.tasks:
        for num in args.simulations:
            rows.append(measured(name, num, args))
            print(", ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    if args.out is not None:
        args.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measured(name: str, num: int, args: argparse.Namespace) -> dict[str, Any]:
    """The figures of one task at one number of simulations."""
    theta, x = SIMULATORS[name](np.random.default_rng([args.seed, num]), num)
    new, seen = SIMULATORS[name](np.random.default_rng([99, args.seed]), NUM_TEST)
    split = num - min(round(HELD_OUT * num), MOST_HELD_OUT)
    units = tuple((np.zeros(a.shape[1]), np.ones(a.shape[1])) if args.raw else (a[:split].mean(0), a[:split].std(0)) for a in (theta, x))
    (u, v), (c, d) = (((a - loc) / scale, (b - loc) / scale) for (loc, scale), a, b in zip(units, (theta, x), (new, seen), strict=True))
    volume = np.log(units[0][1]).sum()
    started = time.perf_counter()
    logs, note = ours(u[:split], c[:split], u[split:], c[split:], v, d, args)
    logs = logs - volume
    found: dict[str, Any] = {"task": name, "simulations": num, "nll": -float(logs.mean())}
    found |= {**note, "seconds": round(time.perf_counter() - started)}
    if not args.no_peers:
        found |= {"linear": -float(joint_mixture(u, c, v, d, 1).mean() - volume), "mixture": -float(joint_mixture(u, c, v, d).mean() - volume)}
    if name in TASKS:
        exact = np.array([TASKS[name].log_posterior(t[None], s)[0] for t, s in zip(new[:NUM_EXACT], seen[:NUM_EXACT], strict=True)])
        found |= {"truth": -float(exact.mean()), "best accuracy": best_accuracy(exact, logs[:NUM_EXACT])}
    return found


def ours(
    train: np.ndarray, cond: np.ndarray, valid: np.ndarray, valid_cond: np.ndarray, new: np.ndarray, seen: np.ndarray, args: argparse.Namespace
) -> tuple[np.ndarray, dict[str, Any]]:
    """Log densities of new events by the entry as it is."""
    import jax

    import jaxgen

    arrays = [a.astype(np.float32) for a in (train, cond, valid, valid_cond, new, seen)]
    entry = jaxgen.zoo.build(args.model, arrays[0].shape[1:], arrays[1].shape[1:])
    steps = args.steps or jaxgen.training.steps_for(entry.card.num_steps, len(train))
    held_out: dict[str, Any] = {"valid": arrays[2], "valid_cond": arrays[3], "patience": jaxgen.training.PATIENCE}
    fitted = jaxgen.fit(jax.random.key(args.seed), entry, arrays[0], steps, cond=arrays[1], progress=False, **held_out)
    logs = jaxgen.log_prob(entry.model, fitted.params, arrays[4], arrays[5], key=0).value
    best = int(fitted.history["valid_step"][np.argmin(fitted.history["valid_loss"])])
    return np.asarray(logs, np.float64), {"best step": best, "steps": fitted.history["num_steps"], "planned": steps}


def joint_mixture(u: np.ndarray, c: np.ndarray, new: np.ndarray, seen: np.ndarray, num: int | None = None) -> np.ndarray:
    """Log densities of new events given what was seen, by a mixture of full Gaussians of both; None chooses how many by BIC, up to 20."""
    from sklearn.mixture import GaussianMixture

    rows, d = np.column_stack([u, c])[:MOST_ROWS], u.shape[1]
    counts = (1, 2, 5, 10, 20) if num is None else (num,)
    tried = [GaussianMixture(k, random_state=0, reg_covar=1e-5).fit(rows) for k in counts]
    best = min(tried, key=lambda m: m.bic(rows))

    def logs(a: np.ndarray, columns: slice) -> np.ndarray:
        roots = np.linalg.cholesky(best.covariances_[:, columns, columns])
        z = np.linalg.solve(roots[None], (a[:, None] - best.means_[:, columns])[..., None])[..., 0]
        log_det = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(1)
        return np.asarray(logsumexp(np.log(best.weights_) - log_det - 0.5 * (z**2).sum(-1) - 0.5 * a.shape[1] * np.log(2 * np.pi), axis=1))

    return logs(np.column_stack([new, seen]), slice(None)) - logs(seen, slice(d, None))


if __name__ == "__main__":
    main()
