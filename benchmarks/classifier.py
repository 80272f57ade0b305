"""The classifier in whose features images are compared: trained on the data itself, its accuracy, and the floors of the figures.

Trained by `jaxgen.evaluation.train_classifier` on the training images of each set, with its accuracy on the test images, which it never
saw. The floors are the figures between two random halves of the test images. With --out FILE.json each classifier is kept in FILE-NAME/, for
`jaxgen.evaluation.load_classifier`. Sets that are not found are left out, with the reason.
"""

import json
import time
from pathlib import Path
from typing import Any

from common import options

SETS = ("digits_8x8", "mnist", "fashion_mnist")
STEPS, QUICK_STEPS = {"digits_8x8": 1_500}, 60


def main() -> None:
    args = options(__doc__, only=SETS)
    rows = []
    for name in args.only or SETS:
        folder = None if args.out is None else args.out.with_name(f"{args.out.stem}-{name}")
        found = measure(name, args.quick, folder)
        if found is not None:
            rows.append(found)
            shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()}
            print(f"{name}: " + ", ".join(f"{k} {v}" for k, v in shown.items() if k != "data"), flush=True)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measure(name: str, quick: bool, folder: Path | None) -> dict[str, Any] | None:
    """Accuracy, its standard error, seconds of training with compilation, and the floors; None where the set is not found."""
    import jax

    from jaxgen import data, evaluation

    try:
        dataset = data.load(name, labels=True, pixels="discrete")
    except data.DataError as error:
        print(f"left out: {error}", flush=True)
        return None
    start = time.perf_counter()
    trained = evaluation.train_classifier(jax.random.key(0), dataset, num_steps=QUICK_STEPS if quick else STEPS.get(name, 800))
    seconds = time.perf_counter() - start
    if folder is not None:
        evaluation.save_classifier(folder, trained)
    real, again = evaluation.random_halves(trained.features(evaluation.pixels_of(dataset, "test")))
    figures = evaluation.image_figures(again, real, again)
    p, n = trained.accuracy, trained.num_test
    row = {"data": name, "source": dataset.source, "train": len(dataset.train), "test": n, "seconds": seconds, "accuracy": p}
    return {**row, "accuracy_stderr": (p * (1 - p) / n) ** 0.5, **{k: v for k, v in figures.items() if k.endswith("_floor")}}


if __name__ == "__main__":
    main()
