"""`jaxgen study beta`: what the weight of the rate does to a variational autoencoder, from none to ten times the bound's."""

import functools
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import data as datasets
from jaxgen import viz
from jaxgen.cli import arguments
from jaxgen.cli.run_folder import clear, earlier_rows, open_folder
from jaxgen.cli.study_beta_page import line, strip, write_page
from jaxgen.evaluation import (
    active_units,
    aggregate_mismatch,
    collapsed_units,
    gradient_magnitude,
    laplacian_variance,
    posteriors,
    rate_and_distortion,
)
from jaxgen.model import log_prob
from jaxgen.training import Entry, TrainingDiverged, fit
from jaxgen.viz.beta import draw_strip
from jaxgen.zoo import build
from jaxgen.zoo.store import write_json

BETAS = (0.0, 0.1, 0.5, 1.0, 2.0, 4.0, 10.0)
DRAWS = 50


class Budget(NamedTuple):
    """Steps of training, and test images that are evaluated; images that sharpness is measured on."""

    steps: int
    events: int
    images: int


FULL, QUICK = Budget(3_000, 2_000, 1_000), Budget(600, 500, 500)


class Images(NamedTuple):
    """Black and white images `(n, height, width, channels)` of zeros and ones, and the classes `(n,)` of the test images or None."""

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
    """Train a VAE at several weights of its rate; write results.json and report.html: rate and distortion, images, the latent, collapse.

    Args:
        data: a named set of images (see `jaxgen list`) or a file or folder of them; grey levels are cut at half to black and white.
        betas: weights of the rate in the objective; 1 is the bound itself.
        seeds: one run at each beta for each seed.
        steps: training steps of each run.
        latent_dim: units of the latent.
        width: units of a hidden layer.
        batch_size: images of a step.
        out: the run folder; a non-empty one is refused without --resume or --overwrite.
        data_dir: the folder that has the data's files, where they are not found by themselves.
        quick: shorter runs, evaluated on fewer images: three minutes on one core for all 21. Without, twelve.
        resume: keep the runs that are done and do the others.
        overwrite: start again in a folder that holds an earlier study.
    """
    _check(betas, seeds, steps, latent_dim, width, batch_size)
    budget = QUICK if quick else FULL
    budget = budget._replace(steps=steps or budget.steps)
    images = black_and_white(data, data_dir)
    out = open_folder(out, resume, overwrite)
    settings = {"study": "beta", "data": data, "latent_dim": latent_dim, "width": width, "batch_size": batch_size, **budget._asdict()}
    rows = earlier_rows(out, settings) if resume else []
    if overwrite:
        clear(out)
    start = time.perf_counter()
    entries = {b: build("beta_vae", images.train.shape[1:], beta=b, latent_dim=latent_dim, width=width) for b in dict.fromkeys(betas)}
    study = _Study(entries, images, budget, batch_size, out, settings)
    try:
        _run_all(study, [(b, seed) for seed in dict.fromkeys(seeds) for b in entries], rows, start)
    except KeyboardInterrupt:
        print("interrupted; what is done is kept. Go on with --resume.", file=sys.stderr)
        return 130
    write_page(out, rows, settings, len(images.train))
    print(f"{len(rows)} runs in {time.perf_counter() - start:.0f} s; the page is {out / 'report.html'}")
    return int(any(r["status"] != "ok" for r in rows))


class _Study(NamedTuple):
    """What all runs share; `entries` by beta."""

    entries: dict[float, Entry]
    images: Images
    budget: Budget
    batch_size: int
    out: Path
    settings: dict[str, Any]


def _run_all(study: _Study, todo: list[tuple[float, int]], rows: list[dict[str, Any]], start: float) -> None:
    """The runs that `rows` lacks, each written when it is done."""
    done = {(r["beta"], r["seed"]) for r in rows if r["status"] == "ok"}
    for i, (b, seed) in enumerate(todo, 1):
        if (b, seed) in done:
            continue
        rows[:] = [r for r in rows if (r["beta"], r["seed"]) != (b, seed)]
        row = _one(study, b, seed)
        rows.append({**row, "settings": study.settings})
        write_json(study.out / "results.json", rows)
        print(f"[{i}/{len(todo)}] {line(row)}; {time.perf_counter() - start:.0f} s so far", flush=True)


def black_and_white(data: str, data_dir: Path | None) -> Images:
    """The data's discrete images, cut at half of their levels where they have more than two."""
    options: dict[str, Any] = {"pixels": "discrete"} | ({} if data_dir is None else {"data_dir": data_dir})
    dataset = datasets.load(data, **options)
    if len(dataset.event_shape) != 3:
        raise ValueError(f"--data {data}: its events have shape {dataset.event_shape}; accepted: images, (height, width, channels).")
    half = (dataset.levels or 2) / 2
    train, test = ((a >= half).astype(np.float32) for a in (dataset.train, dataset.test))
    # Some test sets are sorted by class, and only the first images are looked at.
    order = np.random.default_rng(0).permutation(len(test))
    try:
        named = datasets.load(data, **{**options, "labels": True}).test_cond
    except ValueError:
        named = None
    return Images(train, test[order], None if named is None else np.asarray(named).argmax(1)[order])


def _one(study: _Study, b: float, seed: int) -> dict[str, Any]:
    """One run from its first step to its picture. A loss that is not finite becomes its status and loses nothing else."""
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
    # One model serves all betas: it is the objective that differs, and what reads the model is compiled once.
    model, params = next(iter(study.entries.values())).model, fitted.params
    row |= measure(jax.random.fold_in(key, 1), model, params, images.test[: budget.events], budget.images, seed)
    picture = strip(jax.random.fold_in(key, 2), model, params, images)
    pictures = study.out / "pictures"
    pictures.mkdir(exist_ok=True)
    (pictures / f"beta-{b:g}-{seed}.png").write_bytes(viz.figure_png(draw_strip(picture)))
    return row


def measure(key: jax.Array, model: Any, params: Any, x: np.ndarray, num_images: int, seed: int) -> dict[str, Any]:
    """All numbers of one run on the test images `x`."""
    rate, distortion = rate_and_distortion(jax.random.fold_in(key, 0), model, params, x)
    bound = log_prob(model, params, x[: len(x) // 2], key=jax.random.fold_in(key, 1), num_draws=DRAWS).value
    found = posteriors(model, params, x)
    active, collapsed = active_units(found), collapsed_units(found)
    mismatch = aggregate_mismatch(seed, found)
    means, samples, again = generated(jax.random.fold_in(key, 2), model, params, x[:num_images])
    sharp = gradient_magnitude(x[:num_images])
    return {
        "rate": rate,
        "distortion": distortion,
        "nll_bound": rate + distortion,
        "nll_50_draws": -float(np.mean(bound)),
        "active_units": int(active.sum()),
        "collapsed_units": int(collapsed.sum()),
        "units": len(active),
        "collapsed": bool(collapsed.all()),
        "rates": found.rates.mean(0).tolist(),
        **{f"aggregate_{name}": value for name, value in mismatch.items()},
        "sharpness_data": 1.0,
        "sharpness_means": gradient_magnitude(means) / sharp,
        "sharpness_samples": gradient_magnitude(samples) / sharp,
        "sharpness_reconstructions": gradient_magnitude(again) / sharp,
        "gradient_of_data": sharp,
        "laplacian_variance_of_data": laplacian_variance(x[:num_images]),
        "laplacian_variance_of_means": laplacian_variance(means),
    }


def generated(key: jax.Array, model: Any, params: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of samples, the samples themselves, and the means of the reconstructions of `x`, as many as `x` has events."""
    keys = jax.random.split(key, len(x))
    return tuple(np.asarray(a) for a in _generated(model, params, jnp.asarray(x), keys))  # pyright: ignore[reportReturnType]


@functools.partial(jax.jit, static_argnums=0)
def _generated(model: Any, params: Any, x: jax.Array, keys: jax.Array) -> Any:
    stages, encode = model.transform.parts["stages"], model.transform.parts["encode"]

    def one(x: jax.Array, key: jax.Array) -> Any:
        z = model.base.sample(seed=key)
        mean, sample = stages(params, z)
        return mean, sample, stages(params, {**z, "latent": encode(params, x)[0]})[0]

    return jax.vmap(one)(x, keys)


def _check(betas: Any, seeds: Any, steps: Any, latent_dim: int, width: int, batch_size: int) -> None:
    if not betas or not all(np.isfinite(b) and b >= 0 for b in betas):
        raise ValueError(f"--betas {' '.join(map(str, betas))}: accepted: at least one finite number, none negative.")
    arguments.seeds(seeds)
    for option, value, least in (
        ("--steps", steps, 1), ("--latent-dim", latent_dim, 2), ("--width", width, 1), ("--batch-size", batch_size, 1)
    ):  # fmt: skip
        arguments.count(option, value, least)
