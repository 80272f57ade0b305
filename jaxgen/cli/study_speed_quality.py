"""`jaxgen study speed-quality`: a GAN, a one-step model and a diffusion model of equal size, by quality against samples a second."""

import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgen import data as datasets
from jaxgen import viz
from jaxgen.cli import arguments
from jaxgen.cli.run_folder import clear, open_folder
from jaxgen.cli.speed_quality import QUICK, Distance, Settings, front, speed_quality
from jaxgen.evaluation import frechet_of, own_pixels, train_classifier
from jaxgen.viz.speed_quality import draw_speed_quality
from jaxgen.zoo.store import write_json

SPLITS = 8
INTRODUCTION = (
    "Three ways from noise to images, with generators of equal parameter count on the same images: a game, a map learned for one step, and a "
    "denoiser that is followed step by step.",
    "More evaluations of a network cost time and may buy quality; what nothing beats in both is the front.",
)
COLUMNS = {
    "model": "What the generator is trained as.",
    "entry": "Its name in the zoo.",
    "parameters": "That sampling uses.",
    "evaluations": "Of the network, for one sample.",
    "samples/s": "Of a block after the first.",
    "Frechet ratio": "Frechet distance to test images on a classifier's features, over that of other test images: 1 is what real images reach.",
    "front": "Whether no other is as fast and as good, and better in one of the two.",
}


def study_speed_quality(
    *,
    data: str = "digits_8x8",
    num_params: int | None = None,
    steps: int | None = None,
    out: Path = Path("runs/study-speed-quality"),
    data_dir: Path | None = None,
    seed: int = 0,
    quick: bool = False,
    overwrite: bool = False,
) -> int:
    """Train three generators of equal size; write results.json and report.html: Frechet ratio against samples/s, and the Pareto front.

    Args:
        data: a named set of images with labels (see `jaxgen list`) or a folder of them; a classifier of these labels gives the features.
        num_params: parameters of each generator.
        steps: training steps of each.
        out: the run folder; a non-empty one is refused without --overwrite.
        data_dir: the folder that has the data's files, where they are not found by themselves.
        seed: of training and samples.
        quick: small generators and short training: six minutes on one core for digits_8x8. Without, 22. Larger
            images take as many times longer as they have pixels: with --data mnist it is work for an accelerator.
        overwrite: start again in a folder that holds an earlier study.
    """
    for option, value in (("--num-params", num_params), ("--steps", steps)):
        arguments.count(option, value)
    arguments.seed(seed)
    settings = QUICK if quick else Settings()
    settings = settings._replace(num_params=num_params or settings.num_params, steps=steps or settings.steps, seed=seed)
    options: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    dataset = datasets.load(data, labels=True, **({"pixels": "continuous"} if datasets.is_images(data) else {}), **options)
    if len(dataset.event_shape) != 3:
        raise ValueError(f"--data {data}: its events have shape {dataset.event_shape}; accepted: images, (height, width, channels).")
    out = open_folder(out, False, overwrite)
    if overwrite:
        clear(out)
    start = time.perf_counter()
    distance, accuracy = frechet_ratio(dataset, settings)
    print(f"classifier of the features: accuracy {accuracy:.4f} on test images; {time.perf_counter() - start:.0f} s so far", flush=True)
    rows: list[dict[str, Any]] = []
    try:
        for row in speed_quality(dataset.train, distance, settings):
            rows.append({**row, "seed": seed})
            write_json(out / "results.json", rows)
            write_page(out, rows, data, settings, accuracy)
            print(f"{line(row)}; {time.perf_counter() - start:.0f} s so far", flush=True)
    except KeyboardInterrupt:
        print("interrupted; what is done is kept.", file=sys.stderr)
        return 130
    print(f"{len(rows)} rows in {time.perf_counter() - start:.0f} s; the page is {out / 'report.html'}")
    return int(any(r["status"] != "ok" for r in rows))


def frechet_ratio(dataset: Any, settings: Settings) -> tuple[Distance, float]:
    """The distance of samples in (-1, 1) over that of as many real ones, both to other test images, and the classifier's accuracy.

    Means over `SPLITS` halvings of the test images. Not by training images: the classifier has learnt those by heart, and in some sets they
    are of other writers.
    """
    trained = train_classifier(jax.random.key(settings.seed), dataset)
    real, rng = trained.features(own_pixels(dataset, "test")), np.random.default_rng(settings.seed)
    n = min(len(real) // 2, settings.num_samples)
    halves = [np.split(rng.permutation(real)[: 2 * n], 2) for _ in range(SPLITS)]
    floor = np.mean([frechet_of(*pair) for pair in halves])

    def distance(x: np.ndarray) -> float:
        own, rng = trained.features(dataset.units.restore(x)), np.random.default_rng(settings.seed)
        return float(np.mean([frechet_of(rng.permutation(own)[:n], half) for half, _ in halves]) / floor)

    return distance, trained.accuracy


def line(row: dict[str, Any]) -> str:
    """One row in a line."""
    if row["status"] != "ok":
        return f"{row['model']}: {row['status']}"
    return (
        f"{row['model']} ({row['entry']}), {row['evaluations']} evaluations: {row['samples_per_second']:.4g} samples/s, "
        f"Frechet ratio {row['quality']:.3g}"
    )


def write_page(out: Path, rows: list[dict[str, Any]], data: str, settings: Settings, accuracy: float) -> None:
    """The page of the rows so far."""
    on_front = front(rows)
    good = [(r, on) for r, on in zip(rows, on_front, strict=True) if r["status"] == "ok"]
    figures = [draw_speed_quality([r for r, _ in good], [on for _, on in good], "Frechet ratio to real images")] if good else []
    runs = [viz.Run(_cells(r, on), "" if r["status"] == "ok" else r["status"]) for r, on in zip(rows, on_front, strict=True)]
    section = viz.Section("Quality against speed", "Evaluations are written beside the points; those on the front are filled.", figures)
    notes = [f"Features of a classifier trained on the same images; its accuracy on test images is {accuracy:.4f}."]
    shown = {"data": data, **settings._asdict()}
    viz.write_study(out / "report.html", f"jaxgen study speed-quality: {data}", INTRODUCTION, COLUMNS, runs, [section], shown, notes)


def _cells(row: dict[str, Any], on_front: bool) -> list[str]:
    head = [row["model"], row["entry"], f"{row['num_params']:,}"]
    if row["status"] != "ok":
        return head + ["-"] * (len(COLUMNS) - len(head))
    return [*head, str(row["evaluations"]), f"{row['samples_per_second']:.4g}", f"{row['quality']:.3g}", "yes" if on_front else ""]
