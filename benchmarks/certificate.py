"""Coverage and width of certified log densities on models whose truth is known: Gaussians and mixtures pushed through known maps.

Each case is one event: `jaxgen.certify(model, params, x, atol)` returns a value and the half width of an interval around it. Printed are the share
of cases whose interval covers the truth (float64, by numpy, without the library's own maps), and the median width, twice the half width, over
the median error of the value. Params are drawn anew for each batch, and the tolerance takes turns. There is no peer: the rows compare with
what is asked of a certificate, coverage 0.95 and a width of at most 5 errors.
"""

import json
from typing import Any

from common import alone, options, report, row

ATOLS = (1e-1, 1e-3, 1e-5)
# An estimate's tolerance is of another size: here one that the first draws meet, and one that they do not.
ESTIMATED_ATOLS = (3.0, 0.1)
COVERAGE, WIDTH = 0.95, 5.0


def main() -> None:
    args = options(__doc__)
    if args.measure is not None:
        print(json.dumps(measure(**args.measure)))
        return
    figures: dict[str, Any] = alone(__file__, {"num": 220 if args.quick else 1_012})
    rows = []
    for name, (count, covered, width, error, held) in figures.items():
        ratio = width / error
        print(f"{name:46} {count:5} cases, covered {covered:.3f}, median width {width:.2e}, median error {error:.2e}, held {held:.3f}")
        rows.append(row(f"{name}, {count} cases", "coverage", "share", covered, "asked", COVERAGE, more_is_better=True))
        rows.append(row(f"{name}, {count} cases", "median width over median error", "", ratio, "asked", WIDTH))
    report(rows, args.out)


def measure(num: int) -> dict[str, tuple[int, float, float, float, float]]:
    """By family and over all: cases, share covered, median width and median error in nats, share that the tolerance held for."""
    import jax
    import numpy as np

    import jaxgen
    from jaxgen.evaluation.oracles import ORACLES, oracle

    found: dict[str, list[Any]] = {}
    size = 23 if num > 500 else 5
    per_family = -(-num // len(ORACLES))
    for name in ORACLES:
        estimated = "hutchinson" in name or "decoder" in name
        atols = ESTIMATED_ATOLS if estimated else ATOLS
        for seed in range(per_family // size):
            problem = oracle(name, seed, size)
            atol = atols[seed % len(atols)]
            # Draws that suffice and draws that give way to more work have widths of different size: no median over both.
            label = f"{name}, to {atol:g} nats" if estimated else name
            key = jax.random.fold_in(jax.random.key(7), seed)
            c = jaxgen.certify(problem.model, problem.params, problem.x, atol, key=key)
            found.setdefault(label, []).append(np.stack([2 * c.bound, np.abs(c.value - problem.truth), c.holds], 1))
        print(name, "done", flush=True)
    groups = {name: np.concatenate(batches) for name, batches in found.items()}
    groups["all"] = np.concatenate(list(groups.values()))
    return {
        name: (len(g), float(np.mean(2 * g[:, 1] <= g[:, 0])), *(float(v) for v in np.median(g[:, :2], 0)), float(g[:, 2].mean()))
        for name, g in groups.items()
    }


if __name__ == "__main__":
    main()
