"""Every question of one fit: densities and samples of an entry trained with `any_subset=True` beside exact conditionals.

A Gaussian of six coordinates has 62 conditionals, all subsets but none and all; of a mixture of three Gaussians in five coordinates 20 random
subsets are asked. Each conditional is known in closed form from NumPy. Printed for each number of given coordinates: the mean over subsets and the
worst of them of the difference of log densities (nats, mean over draws of the truth: the Kullback-Leibler divergence), of its absolute value, and of
the accuracy of the best possible classifier between model and truth, which no C2ST exceeds in expectation. `--classify N` measures C2ST itself, by
the protocol of `tasks/sbibm.py`, on N of the subsets: a minute each.

    python benchmarks/any_subset.py --model tabular --steps 12000
"""

import argparse
import itertools
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import report, row
from scipy.special import logsumexp
from tasks.sbibm import best_accuracy, c2st

SIZES: dict[str, dict[str, Any]] = {
    "cfm": {"width": 128, "depth": 3, "learning_rate": 3e-3},
    "edm": {"width": 128, "depth": 3, "learning_rate": 3e-3},
    "tabular": {"width": 256, "depth": 2, "num_components": 4, "learning_rate": 3e-3},
}
TOLERATED = {"accuracy": 0.52, "nats": 0.03}


class Truth(NamedTuple):
    """A mixture of Gaussians: weights (k,), means (k, d) and covariances (k, d, d)."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def sample(self, rng: np.random.Generator, num: int) -> np.ndarray:
        roots, which = np.linalg.cholesky(self.covariances), rng.choice(len(self.weights), num, p=self.weights)
        return self.means[which] + np.einsum("nij,nj->ni", roots[which], rng.standard_normal((num, self.means.shape[1])))

    def log_prob(self, x: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """The log density of these columns of rows, the others integrated out."""
        away = x[:, None, columns] - self.means[:, columns]
        covariances = self.covariances[:, columns][:, :, columns]
        z = np.linalg.solve(np.linalg.cholesky(covariances)[None], away[..., None])[..., 0]
        logs = -0.5 * (z**2).sum(-1) - 0.5 * np.linalg.slogdet(2 * np.pi * covariances)[1] + np.log(self.weights)
        return np.asarray(logsumexp(logs, axis=1))

    def conditional(self, x: np.ndarray, given: np.ndarray) -> np.ndarray:
        """The log density of the columns that are not given, given those."""
        everything = self.log_prob(x, np.arange(x.shape[1]))
        return everything - (self.log_prob(x, np.flatnonzero(given)) if given.any() else 0.0)


def linear_gaussian(d: int = 6) -> Truth:
    """The coordinates of a random linear map of standard noise, with unit variances."""
    mixing = np.random.default_rng(1).standard_normal((d, d + 2))
    covariance = mixing @ mixing.T
    scale = np.sqrt(np.diag(covariance))
    return Truth(np.ones(1), np.zeros((1, d)), (covariance / np.outer(scale, scale))[None])


def gaussian_mixture(d: int = 5, k: int = 3) -> Truth:
    """Components of unequal weights, about two standard deviations apart, standardised on the whole."""
    rng = np.random.default_rng(2)
    means, mixing = rng.normal(0, 1.2, (k, d)), rng.standard_normal((k, d, d + 2))
    covariances = mixing @ mixing.transpose(0, 2, 1) / (d + 2) * 0.5
    weights = np.arange(1, k + 1) / np.arange(1, k + 1).sum()
    loc = weights @ means
    scale = np.sqrt(weights @ (means**2 + np.diagonal(covariances, axis1=1, axis2=2)) - loc**2)
    return Truth(weights, (means - loc) / scale, covariances / np.outer(scale, scale))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=tuple(SIZES), default="cfm")
    parser.add_argument(
        "--tasks", nargs="+", choices=("linear_gaussian", "gaussian_mixture"), default=("linear_gaussian", "gaussian_mixture")
    )
    parser.add_argument("--rows", type=int, default=200_000, help="training rows")
    parser.add_argument("--draws", type=int, default=500, help="draws of the truth that judge each subset")
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--classify", type=int, default=0, metavar="N", help="measure C2ST on N subsets as well")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few steps, to see that it runs")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    if args.quick:
        args.steps, args.rows, args.draws = 20, 1_000, 50
    from jaxgen.cli.main import set_up_jax

    set_up_jax()
    rows = [found for name in args.tasks for found in measured(name, args)]
    report(rows, args.out)


def measured(name: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Fit one model, ask it about the subsets and print what they show."""

    import jaxgen

    truth = linear_gaussian() if name == "linear_gaussian" else gaussian_mixture()
    d, rng = truth.means.shape[1], np.random.default_rng(args.seed)
    data = truth.sample(rng, args.rows).astype(np.float32)
    sizes = {**SIZES[args.model], "width": 32, "depth": 2} if args.quick else SIZES[args.model]
    entry, began = jaxgen.zoo.build(args.model, (d,), any_subset=True, **sizes), time.perf_counter()
    fitted = jaxgen.fit(args.seed, entry, data, args.steps, batch_size=args.batch_size, progress=False)
    print(f"{name}: {args.model} {sizes}, {args.steps} steps of {args.batch_size}, {time.perf_counter() - began:.0f} s", flush=True)
    model = entry.models.get("ode", entry.model)
    subsets = asked_of(d, name, rng)
    x = truth.sample(rng, args.draws)
    known = np.concatenate([np.where(given, x, np.nan) for given in subsets]).astype(np.float32)
    events = np.tile(x, (len(subsets), 1)).astype(np.float32)
    found = jaxgen.model.log_prob(model, fitted.params, events, known, key=0, batch_size=4_096).value
    logs = np.asarray(found, np.float64).reshape(len(subsets), -1)
    exact = np.stack([truth.conditional(x, given) for given in subsets])
    figures = {
        "nats": np.abs((exact - logs).mean(1)),
        "nats at each draw": np.abs(exact - logs).mean(1),
        "accuracy": np.array([best_accuracy(p, q) for p, q in zip(exact, logs, strict=True)]),
    }
    for size in sorted({int(given.sum()) for given in subsets}):
        of_size = np.array([given.sum() == size for given in subsets])
        shown = ", ".join(f"{key} {v[of_size].mean():.4f} (worst {v[of_size].max():.4f})" for key, v in figures.items())
        print(f"  {size} of {d} given, {of_size.sum()} subsets: {shown}", flush=True)
    for given in subsets[:: max(1, len(subsets) // args.classify)][: args.classify] if args.classify else []:
        seen = np.where(given, truth.sample(rng, 1), np.nan)[0]
        ours = np.asarray(jaxgen.sample(1, model, fitted.params, 10_000, given={j: v for j, v in enumerate(seen) if given[j]}))
        reference = conditional_draws(truth, seen, rng, 10_000)
        print(f"  {np.flatnonzero(given).tolist()} given: C2ST {c2st(ours[:, ~given], reference[:, ~given]):.4f}", flush=True)
    worst = {key: float(values.max()) for key, values in figures.items()}
    return [
        row(f"{name}, one fit of {args.model}", f"worst of {len(subsets)} subsets", key, worst[key], "tolerated", t)
        for key, t in TOLERATED.items()
    ]


def asked_of(d: int, name: str, rng: np.random.Generator) -> list[np.ndarray]:
    """All subsets of the Gaussian's coordinates that leave something given and something asked; 20 random ones of the mixture's."""
    every = [np.array(flags) for flags in itertools.product([False, True], repeat=d) if 0 < sum(flags) < d]
    return every if name == "linear_gaussian" else [every[k] for k in rng.permutation(len(every))[:20]]


def conditional_draws(truth: Truth, seen: np.ndarray, rng: np.random.Generator, num: int) -> np.ndarray:
    """Draws of the columns that are NaN in a row, given the others: each component's regression, weighted by its density of what is seen."""
    given = ~np.isnan(seen)
    logs = np.array(
        [Truth(np.ones(1), m[None], c[None]).log_prob(seen[None], np.flatnonzero(given))[0] for _, m, c in zip(*truth, strict=True)]
    )
    weights = truth.weights * np.exp(logs - logs.max())
    out, which = np.tile(seen, (num, 1)), rng.choice(len(weights), num, p=weights / weights.sum())
    for k, (mean, covariance) in enumerate(zip(truth.means, truth.covariances, strict=True)):
        gain = np.linalg.solve(covariance[given][:, given], covariance[given][:, ~given]).T
        rest = covariance[~given][:, ~given] - gain @ covariance[given][:, ~given]
        root, rows = np.linalg.cholesky(rest), np.flatnonzero(which == k)
        out[np.ix_(rows, ~given)] = mean[~given] + gain @ (seen[given] - mean[given]) + rng.standard_normal((len(rows), len(rest))) @ root.T
    return out


if __name__ == "__main__":
    main()
