"""`jaxgen study speed-quality`: a GAN, a one-step model and a diffusion model of equal size, by quality against samples a second."""

import sys
import time
from pathlib import Path
from typing import Any

import jax

from jaxgen import data as datasets
from jaxgen import viz
from jaxgen.atomic import write_json
from jaxgen.cli import arguments
from jaxgen.cli.run_folder import discard_aside, open_folder, set_aside
from jaxgen.cli.signals import Kept
from jaxgen.data import Dataset
from jaxgen.evaluation import frechet_ratio, pareto_front, pixels_of, speed_quality, train_classifier
from jaxgen.evaluation.speed_quality import QUICK, ImageDistance, Settings
from jaxgen.model import Model
from jaxgen.training import Entry
from jaxgen.viz.speed_quality import draw_speed_quality
from jaxgen.zoo import build, num_sampling_params

MODELS = {"gan": "r3gan", "one step": "meanflow", "diffusion": "edm"}
"""The entry of the zoo that stands for each kind of generator."""
INTRODUCTION = (
    "Three ways from noise to images, with generators of equal parameter count on the same images: a game, a map learned for one step, and a "
    "denoiser that is followed step by step.",
    "More evaluations of a network cost time and may buy quality; what nothing beats in both is the front.",
)
COLUMNS = {
    "model": "What the generator is trained as.",
    "entry": "Its name in the zoo.",
    "parameters": "Number of parameters that sampling uses.",
    "evaluations": "Number of network evaluations for one sample.",
    "samples/s": "Samples per second, the median over all blocks but the first.",
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
    """Train three generators of equal size and write results.json and report.html: quality against samples per second.

    Quality is the Frechet distance of samples to test images over that of other test images. The page marks the Pareto front.

    Args:
        data: Images with labels: the name of a set (see `jaxgen list`), or a folder. A classifier of these labels gives the features.
        num_params: Number of parameters of each generator.
        steps: Number of training steps of each generator.
        out: Run folder to write. A folder that is not empty is refused unless you give --overwrite.
        data_dir: Folder with the files of a named image set, if they are not found by themselves.
        seed: Seed of training and samples.
        quick: Train small generators for a short time: six minutes on one core for digits_8x8 instead of 22. The time grows with the number
            of pixels, so --data mnist needs an accelerator.
        overwrite: Start again in a folder that holds an earlier study, which is removed when this one is done.
    """
    for option, value in (("--num-params", num_params), ("--steps", steps)):
        arguments.count(option, value)
    arguments.seed(seed)
    settings = QUICK if quick else Settings()
    settings = settings._replace(num_params=num_params or settings.num_params, steps=steps or settings.steps, seed=seed)
    dataset = _images(data, data_dir)
    out = open_folder(out, False, overwrite)
    if overwrite:
        set_aside(out)
    start = time.perf_counter()
    distance, accuracy = _distance(dataset, settings)
    print(f"classifier of the features: accuracy {accuracy:.4f} on test images; {time.perf_counter() - start:.0f} s so far", flush=True)
    entries = {kind: build(name, dataset.event_shape, size="published", num_params=settings.num_params) for kind, name in MODELS.items()}
    rows: list[dict[str, Any]] = []
    try:
        for row in speed_quality(entries, dataset.train, distance, settings, _with_steps):
            entry = entries[row["model"]]
            rows.append(
                {
                    **row,
                    "entry": entry.card.name,
                    "accent": entry.card.style.accent,
                    "num_params": num_sampling_params(entry.model),
                    "seed": seed,
                }
            )
            write_json(out / "results.json", rows)
            Kept.text = f"the {len(rows)} rows that are done are kept in {out}."
            write_page(out, rows, data, settings, accuracy)
            print(f"{line(rows[-1])}; {time.perf_counter() - start:.0f} s so far", flush=True)
    except KeyboardInterrupt:
        print(f"jaxgen: interrupted; {Kept.text}", file=sys.stderr)
        return 130
    discard_aside(out)
    print(f"{len(rows)} rows in {time.perf_counter() - start:.0f} s; the page is {out / 'report.html'}")
    return int(any(r["status"] != "ok" for r in rows))


def _images(data: str, data_dir: Path | None) -> Dataset:
    options: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    dataset = datasets.load(data, labels=True, **({"pixels": "continuous"} if datasets.is_images(data) else {}), **options)
    if len(dataset.event_shape) != 3:
        raise ValueError(f"--data {data}: its events have shape {dataset.event_shape}; accepted: images, (height, width, channels).")
    return dataset


def _distance(dataset: Dataset, settings: Settings) -> tuple[ImageDistance, float]:
    """The Frechet ratio of samples in (-1, 1) to test images, in the features of a new classifier, and that classifier's accuracy."""
    classifier, units = train_classifier(jax.random.key(settings.seed), dataset), dataset.units
    assert units is not None
    ratio = frechet_ratio(classifier.features(pixels_of(dataset, "test")), settings.num_samples, seed=settings.seed)
    return lambda images: ratio(classifier.features(units.restore(images))), classifier.accuracy


def _with_steps(entry: Entry, num_steps: int) -> Model:
    """The entry's default model with another number of sampling steps."""
    config = entry.card.config
    return build(config["name"], config["event_shape"], size="published", **{**config["options"], "num_steps": num_steps}).model


def line(row: dict[str, Any]) -> str:
    """Describe one row in a line."""
    if row["status"] != "ok":
        return f"{row['model']}: {row['status']}"
    return (
        f"{row['model']} ({row['entry']}), {row['evaluations']} evaluations: {row['samples_per_second']:.4g} samples/s, "
        f"Frechet ratio {row['quality']:.3g}"
    )


def write_page(out: Path, rows: list[dict[str, Any]], data: str, settings: Settings, accuracy: float) -> None:
    """Write the page of the rows that are measured.

    Args:
        out: Run folder; report.html is written there.
        rows: The rows of results.json.
        data: Name of the data set.
        settings: The settings that the page prints.
        accuracy: Accuracy of the classifier whose features are used.
    """
    on_front = pareto_front(rows)
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
