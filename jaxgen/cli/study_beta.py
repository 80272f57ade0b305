"""`jaxgen study beta`: what the weight beta of the rate does to a variational autoencoder, from 0 to 10."""

import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen import data as datasets
from jaxgen import viz
from jaxgen.atomic import write_json
from jaxgen.cli import arguments
from jaxgen.cli.run_folder import discard_aside, earlier_rows, open_folder, set_aside
from jaxgen.cli.signals import Kept
from jaxgen.cli.study_beta_page import line, write_page
from jaxgen.evaluation import autoencoder_figures, latent_view
from jaxgen.training import Entry, TrainingDiverged, fit
from jaxgen.viz.beta import draw_strip
from jaxgen.zoo import build

BETAS = (0.0, 0.1, 0.5, 1.0, 2.0, 4.0, 10.0)


class Budget(NamedTuple):
    """Numbers of training steps, of test images that are evaluated, and of images whose sharpness is measured."""

    steps: int
    events: int
    images: int


FULL, QUICK = Budget(3_000, 2_000, 1_000), Budget(600, 500, 500)


class Images(NamedTuple):
    """Black and white images `(n, height, width, channels)` of zeros and ones, and the classes `(n,)` of the test images, or None."""

    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray | None


def beta(
    *,
    data: str = "mnist",
    betas: tuple[float, ...] = BETAS,
    seeds: tuple[int, ...] = (0, 1, 2),
    steps: int | None = None,
    latent_dim: int = 16,
    width: int = 256,
    batch_size: int = 128,
    out: Path = Path("runs/study-beta"),
    data_dir: Path | None = None,
    quick: bool = False,
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Train a variational autoencoder (VAE) at several weights of its rate, and write results.json and report.html.

    The page shows rate and distortion, images, the latent, and which runs collapsed.

    Args:
        data: Images to train on: the name of a set (see `jaxgen list`), or a file or folder of images. Grey levels become black or white.
        betas: Weights of the rate in the objective; 1 is the evidence bound itself.
        seeds: Seeds; one run at each beta for each of them.
        steps: Number of training steps of each run.
        latent_dim: Number of units of the latent.
        width: Number of units in a hidden layer.
        batch_size: Number of images in a training step.
        out: Run folder to write. A folder that is not empty is refused unless you give --resume or --overwrite.
        data_dir: Folder with the files of a named image set, if they are not found by themselves.
        quick: Train shorter and evaluate on fewer images: all 21 runs take three minutes on one core instead of twelve.
        resume: Keep the runs that are done and do the others.
        overwrite: Start again in a folder that holds an earlier study, which is removed when this one is done.
    """
    _check(betas, seeds, steps, latent_dim, width, batch_size)
    budget = QUICK if quick else FULL
    budget = budget._replace(steps=steps or budget.steps)
    images = black_and_white(data, data_dir)
    out = open_folder(out, resume, overwrite)
    settings = {"study": "beta", "data": data, "latent_dim": latent_dim, "width": width, "batch_size": batch_size, **budget._asdict()}
    rows = earlier_rows(out, settings) if resume else []
    if overwrite:
        set_aside(out)
    start = time.perf_counter()
    entries = {
        b: build("beta_vae", images.train.shape[1:], size="published", beta=b, latent_dim=latent_dim, width=width)
        for b in dict.fromkeys(betas)
    }
    study = _Study(entries, images, budget, batch_size, out, settings)
    try:
        _run_all(study, [(b, seed) for seed in dict.fromkeys(seeds) for b in entries], rows, start)
    except KeyboardInterrupt:
        print(f"jaxgen: interrupted; {Kept.text}", file=sys.stderr)
        return 130
    write_page(out, rows, settings, len(images.train))
    discard_aside(out)
    print(f"{len(rows)} runs in {time.perf_counter() - start:.0f} s; the page is {out / 'report.html'}")
    return int(any(r["status"] != "ok" for r in rows))


class _Study(NamedTuple):
    """What all runs of the study share; `entries` holds an entry for each beta."""

    entries: dict[float, Entry]
    images: Images
    budget: Budget
    batch_size: int
    out: Path
    settings: dict[str, Any]


def _run_all(study: _Study, todo: list[tuple[float, int]], rows: list[dict[str, Any]], start: float) -> None:
    """Do the runs that `rows` lacks; each is written when it is done."""
    done = {(r["beta"], r["seed"]) for r in rows if r["status"] == "ok"}
    for i, (b, seed) in enumerate(todo, 1):
        if (b, seed) in done:
            continue
        rows[:] = [r for r in rows if (r["beta"], r["seed"]) != (b, seed)]
        row = _one(study, b, seed)
        rows.append({**row, "settings": study.settings})
        write_json(study.out / "results.json", rows)
        Kept.text = f"the {len(rows)} runs that are done are kept in {study.out}. Go on with --resume."
        print(f"[{i}/{len(todo)}] {line(row)}; {time.perf_counter() - start:.0f} s so far", flush=True)


def black_and_white(data: str, data_dir: Path | None) -> Images:
    """Load images and turn them black and white: a pixel of at least half of the levels becomes 1.

    Args:
        data: Name of an image set, or a file or folder of images.
        data_dir: Folder with the files of a named set, or None.

    Returns:
        The images, with the test images in random order, and their classes if they are known.

    Raises:
        ValueError: The data are no images.
    """
    options: dict[str, Any] = {"pixels": "discrete"} | ({} if data_dir is None else {"data_dir": data_dir})
    dataset = datasets.load(data, **options)
    if len(dataset.event_shape) != 3:
        raise ValueError(f"--data {data}: its events have shape {dataset.event_shape}; accepted: images, (height, width, channels).")
    half = (dataset.levels or 2) / 2
    train, test = ((a >= half).astype(np.float32) for a in (dataset.train, dataset.test))
    # Some test sets are sorted by class, and only the first images are evaluated.
    order = np.random.default_rng(0).permutation(len(test))
    try:
        labels = datasets.load(data, **{**options, "labels": True}).test_cond
    except ValueError:
        labels = None
    return Images(train, test[order], None if labels is None else np.asarray(labels).argmax(1)[order])


def _one(study: _Study, b: float, seed: int) -> dict[str, Any]:
    """Train and measure one run. A loss that is not finite becomes the status of this run and does not stop the others."""
    images, budget = study.images, study.budget
    row: dict[str, Any] = {"model": "beta_vae", "beta": b, "seed": seed, "status": "ok", "num_steps": budget.steps}
    key, batch_size = jax.random.key(seed), min(study.batch_size, len(images.train))
    try:
        fitted = fit(key, study.entries[b], images.train, budget.steps, batch_size=batch_size, ema=0.99)
    except TrainingDiverged as error:
        return {**row, "status": f"failed: {error}"}
    if fitted.status == "interrupted":
        raise KeyboardInterrupt
    row["train_seconds"] = fitted.history["train_seconds"]
    # Only the objective depends on beta, so one model serves all runs and is compiled once.
    model, params = next(iter(study.entries.values())).model, fitted.params
    row |= autoencoder_figures(jax.random.fold_in(key, 1), model, params, images.test[: budget.events], budget.images, seed)
    view = latent_view(jax.random.fold_in(key, 2), model, params, images.test, images.labels)
    pictures = study.out / "pictures"
    pictures.mkdir(exist_ok=True)
    (pictures / f"beta-{b:g}-{seed}.png").write_bytes(viz.figure_png(draw_strip(view)))
    return row


def _check(betas: tuple[float, ...], seeds: tuple[int, ...], steps: int | None, latent_dim: int, width: int, batch_size: int) -> None:
    if not betas or not all(np.isfinite(b) and b >= 0 for b in betas):
        raise ValueError(f"--betas {' '.join(map(str, betas))}: accepted: at least one finite number, none negative.")
    arguments.seeds(seeds)
    for option, value, least in (
        ("--steps", steps, 1), ("--latent-dim", latent_dim, 2), ("--width", width, 1), ("--batch-size", batch_size, 1)
    ):  # fmt: skip
        arguments.count(option, value, least)
