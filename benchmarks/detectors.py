"""False alarms and power of the detectors of jaxgen.evaluation.detectors, on healthy and broken runs of several families.

Every detector sees runs of seeds that played no part in choosing its thresholds (those were 100 to 109; these are 0 to 19). Broken means broken:
  lost coverage     a flow, a diffusion and a generator that never saw three of the eight modes, against eight modes;
  memorisation      a sampler of its 500 training events with little noise, a kernel density of small width, a mixture fitted to each event;
  posterior collapse  VAEs whose decoder ignores the latent, and whose rate weighs 50, on three data sets;
  latent mismatch   autoencoders whose rate weighs 1e-4, on three data sets;
  training          learning rates 100 times too large (a flow, a diffusion, a VAE);
  strong critic     games without a penalty whose critic has a hundred times the generator's learning rate.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from common import options


def main() -> None:
    args = options(__doc__, seeds=None, only=["coverage", "latent", "training", "memory"], folder=None)
    from tasks.failing_runs import PARTS

    first, last = (int(n) for n in (args.seeds or ("0-2" if args.quick else "0-19")).split("-"))
    folder = Path(args.folder or "runs/detectors")
    folder.mkdir(parents=True, exist_ok=True)
    for part in args.only or list(PARTS):
        for seed in range(first, last + 1):
            path = folder / f"{part}-{seed}.json"
            if not path.is_file():
                path.write_text(json.dumps(PARTS[part](seed)))
    rows = [row for path in sorted(folder.glob("*.json")) for row in json.loads(path.read_text())]
    report(rows)
    if args.out:
        args.out.write_text(json.dumps(rows))


def report(rows: list[dict[str, Any]]) -> None:
    for detector in sorted({row["detector"] for row in rows}):
        for family in sorted({row["family"] for row in rows if row["detector"] == detector}):
            chosen = [row for row in rows if row["detector"] == detector and row["family"] == family]
            texts = []
            for broken in (False, True):
                these = [row for row in chosen if row["broken"] is broken]
                if these:
                    effects = np.quantile([row["effect"] for row in these], [0, 0.5, 1])
                    alarms = sum(row["alarm"] for row in these)
                    state = "broken" if broken else "healthy"
                    texts.append(
                        f"{state}: {alarms} alarms of {len(these)}, effects {effects[0]:.3g} / {effects[1]:.3g} / {effects[2]:.3g}"
                    )
            print(f"{detector:20s} {family:14s} {';  '.join(texts)}")


if __name__ == "__main__":
    main()
