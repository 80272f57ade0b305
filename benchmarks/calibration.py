"""The level and the power of the checks of calibration: how often each rejects a perfect posterior, and posteriors with the standard faults.

The posterior is that of a linear Gaussian, in closed form. A perfect posterior should be rejected at 5 % in 3 to 7 of 100 repetitions.

    python benchmarks/calibration.py            # 1,000 repetitions of the perfect posterior, 100 of each fault
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from common import options

NOISE, NUM, DRAWS, DIM = 0.5, 200, 99, 3
SHARE = 1 / (1 + NOISE**2)
FAULTS = {"perfect": (1.0, 0.0), "too narrow (0.8)": (0.8, 0.0), "shifted (0.2)": (1.0, 0.2), "the prior": None}


def main() -> None:
    args = options(__doc__, repetitions=None)
    rng, num = np.random.default_rng(2), 20 if args.quick else int(args.repetitions or 1_000)
    rows: list[dict[str, Any]] = []
    for name, fault in FAULTS.items():
        runs = [p_values(rng, fault) for _ in range(num if name == "perfect" else max(10, num // 10))]
        shares = {check: np.mean([run[check] <= 0.05 for run in runs]) for check in runs[0]}
        print(f"{name}, {len(runs)} repetitions of {NUM} simulations: " + ", ".join(f"{k} {v:.1%}" for k, v in shares.items()), flush=True)
        rows.append({"posterior": name, "repetitions": len(runs), **{check: float(share) for check, share in shares.items()}})
    if args.out:
        Path(args.out).write_text(json.dumps(rows))


def p_values(rng: np.random.Generator, fault: tuple[float, float] | None) -> dict[str, float]:
    from jaxgen.evaluation.calibration import (
        expected_coverage,
        local_c2st,
        probability_integral_transform,
        simulation_based_calibration,
        tarp,
    )

    theta = rng.standard_normal((NUM, DIM))
    x = theta + NOISE * rng.standard_normal((NUM, DIM))
    mean, deviation = (0 * x, 1.0) if fault is None else (SHARE * x + fault[1], fault[0] * (1 - SHARE) ** 0.5)
    draws = mean[:, None] + deviation * rng.standard_normal((NUM, DRAWS, DIM))
    log_q = [-0.5 * np.sum((t - m) ** 2, -1) / deviation**2 for t, m in ((draws, mean[:, None]), (theta, mean))]
    return {
        "ranks": simulation_based_calibration(draws, theta).p_values[0],
        "coverage": expected_coverage(*log_q).p_value,
        "TARP": tarp(draws, theta, x).p_value,
        "local C2ST": local_c2st(draws, theta, x).p_value,
        "PIT": probability_integral_transform(draws[..., 0], theta[:, 0]).p_value,
    }


if __name__ == "__main__":
    main()
