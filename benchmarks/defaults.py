"""How well the default generalises: held-out NLL of `jaxgen.Estimator()` beside what simple densities and other libraries' defaults reach.

Tables of 100 to 600 rows are judged beside a mixture of Gaussians chosen by BIC and a kernel density whose width is cross-validated, both of
scikit-learn; tables of about 2,000 rows and more also beside a flow of zuko and of flowjax at their defaults, where these are installed. Every table
is split into four fifths and one fifth, and standardised by the former. Tables come in two halves (`tasks/tables.py`): a default is developed on
one and judged on the other. `--random N` takes N tables of each size that nobody chose instead (`tasks/random_tables.py`), whose seeds begin at 0 for
development and at 1,000 for judgement. Figures are nats a row, smaller is better; a row prints ours minus the peer's.

    python benchmarks/defaults.py --half judge --seeds 2
    python benchmarks/defaults.py --half judge --random 24 --sizes few
"""

import argparse
import importlib.util
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tasks.random_tables import random_table
from tasks.tables import FEW, MANY, Table, split

Fit = Callable[[np.ndarray, np.ndarray, int], float]
WIDTHS = np.logspace(-2, 0.5, 20)
FIRST_SEED = {"develop": 0, "judge": 1_000}
ROWS = {"few": (120, 600), "many": (2_000, 6_000)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=sorted(FEW), default="develop")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--random", type=int, metavar="N", help="N tables of each size that nobody chose, one split of each")
    parser.add_argument("--first", type=int, default=0, help="how many of these to leave out before")
    parser.add_argument("--sizes", nargs="+", choices=sorted(ROWS), default=sorted(ROWS))
    parser.add_argument("--only", nargs="+", help="names of tables")
    parser.add_argument("--quick", action="store_true", help="one seed and two tables, to see that it runs")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    rows = []
    for size in args.sizes:
        tables = {"few": FEW, "many": MANY}[size][args.half] if args.random is None else drawn(args.half, size, args.first, args.random)
        names = [name for name in tables if not args.only or name in args.only][: 1 if args.quick else None]
        for name in names:
            for seed in range(1 if args.quick or args.random is not None else args.seeds):
                rows.append({"table": name, "seed": seed, "many": size == "many", **judged(tables[name], seed, size == "many")})
                print(shown(rows[-1]), flush=True)
    summary(rows)
    if args.out is not None:
        args.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def drawn(half: str, size: str, first: int, num: int) -> dict[str, Table]:
    """Return tables that nobody chose, by the seeds that draw them."""
    seeds = range(FIRST_SEED[half] + first, FIRST_SEED[half] + num)
    return {f"random {seed}": lambda _, seed=seed: random_table(seed, ROWS[size]) for seed in seeds}


def judged(table: Table, seed: int, many: bool) -> dict[str, float]:
    """Held-out NLL of every contender on one split of a table, and the seconds that ours took."""
    fit, test = split(table, seed)
    started = time.perf_counter()
    result = {"rows": len(fit), "columns": fit.shape[1], "ours": ours(fit, test, seed), "seconds": time.perf_counter() - started}
    peers: dict[str, Fit] = {"mixture": mixture, "kernels": kernels}
    if many:
        peers |= {name: f for name, f in (("zuko", zuko_flow), ("flowjax", flowjax_flow)) if importlib.util.find_spec(name)}
    return result | {name: peer(fit, test, seed) for name, peer in peers.items()}


def ours(x: np.ndarray, test: np.ndarray, seed: int) -> float:
    import jaxgen

    return -jaxgen.Estimator(random_state=seed).fit(x).score(test)


def mixture(x: np.ndarray, test: np.ndarray, seed: int) -> float:
    """Up to ten components, all four kinds of covariances, the smallest BIC."""
    from sklearn.mixture import GaussianMixture

    tried = [
        GaussianMixture(k, covariance_type=form, random_state=seed).fit(x)
        for form in ("full", "tied", "diag", "spherical")
        for k in range(1, min(11, len(x) // 4))
    ]
    return -float(min(tried, key=lambda m: m.bic(x)).score(test))


def kernels(x: np.ndarray, test: np.ndarray, seed: int) -> float:
    from sklearn.model_selection import GridSearchCV, KFold
    from sklearn.neighbors import KernelDensity

    found = GridSearchCV(KernelDensity(), {"bandwidth": WIDTHS}, cv=KFold(5, shuffle=True, random_state=seed)).fit(x)
    return -float(found.best_estimator_.score(test)) / len(test)


def zuko_flow(x: np.ndarray, test: np.ndarray, seed: int) -> float:
    """`zuko.flows.NSF` at its defaults, by Adam at 1e-3 in batches of 256, with the best of 200 epochs on a tenth of the rows."""
    import torch
    import zuko

    torch.manual_seed(seed)
    flow = zuko.flows.NSF(x.shape[1])
    optimizer = torch.optim.Adam(flow.parameters(), 1e-3)
    valid, train = torch.split(torch.as_tensor(x, dtype=torch.float32), [len(x) // 10, len(x) - len(x) // 10])
    best, state, since = np.inf, flow.state_dict(), 0
    for _ in range(200):
        for batch in train[torch.randperm(len(train))].split(256):
            optimizer.zero_grad()
            (-flow().log_prob(batch).mean()).backward()
            optimizer.step()
        with torch.no_grad():
            loss = float(-flow().log_prob(valid).mean())
        since = 0 if loss < best else since + 1
        if loss < best:
            best, state = loss, {k: v.clone() for k, v in flow.state_dict().items()}
        if since > 10:
            break
    flow.load_state_dict(state)
    with torch.no_grad():
        return float(-flow().log_prob(torch.as_tensor(test, dtype=torch.float32)).mean())


def flowjax_flow(x: np.ndarray, test: np.ndarray, seed: int) -> float:
    """`flowjax.flows.masked_autoregressive_flow` and `fit_to_data` at their defaults."""
    import jax
    import jax.numpy as jnp
    from flowjax.distributions import Normal
    from flowjax.flows import masked_autoregressive_flow
    from flowjax.train import fit_to_data

    key_flow, key_fit = jax.random.split(jax.random.key(seed))
    flow = masked_autoregressive_flow(key_flow, base_dist=Normal(jnp.zeros(x.shape[1])))
    flow, _ = fit_to_data(key_fit, flow, jnp.asarray(x, jnp.float32), show_progress=False)
    return -float(flow.log_prob(jnp.asarray(test, jnp.float32)).mean())


def shown(row: dict) -> str:
    peers = "  ".join(f"{name} {row[name]:.3f}" for name in ("mixture", "kernels", "zuko", "flowjax") if name in row)
    return (
        f"{row['table']:16s} seed {row['seed']}: {row['rows']} x {row['columns']}  ours {row['ours']:.3f} [{row['seconds']:.1f} s]  {peers}"
    )


def summary(rows: list[dict]) -> None:
    """The median and the worst of ours minus the best simple density, and minus each library, over tables; seeds of a table are averaged."""
    for many in (False, True):
        here = [r for r in rows if r["many"] == many]
        gaps: dict[str, dict[str, list[float]]] = {}
        for r in here:
            against = {"best of mixture and kernels": min(r["mixture"], r["kernels"]), **{p: r[p] for p in ("zuko", "flowjax") if p in r}}
            for peer, theirs in against.items():
                gaps.setdefault(peer, {}).setdefault(r["table"], []).append(r["ours"] - theirs)
        for peer, tables in gaps.items():
            means = {name: float(np.mean(g)) for name, g in tables.items()}
            worst = max(means, key=lambda name: means[name])
            size = "about 2,000 rows and more" if many else "100 to 600 rows"
            ahead = sum(gap < 0 for gap in means.values())
            print(
                f"{size}: ours minus {peer}: median {np.median(list(means.values())):+.3f}, worst {means[worst]:+.3f} nats a row ({worst}), "
                f"ahead on {ahead} of {len(means)}"
            )


if __name__ == "__main__":
    main()
