"""Quality against speed: train generators on the same images, then measure each at several numbers of network evaluations."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen.model import Model, sample
from jaxgen.training import Entry, TrainingDiverged, fit
from jaxgen.transform import Transform
from jaxgen.transforms import flow_map
from jaxgen.transforms.flow_map import MeanVelocity
from jaxgen.types import Params

EVALUATIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""The numbers of network evaluations that one sample may take in the study."""

ImageDistance = Callable[[np.ndarray], float]
"""Distance of images `(n, height, width, channels)` in [-1, 1] to real ones; a smaller number is better."""
WithSteps = Callable[[Entry, int], Model]
"""Return the default model of an entry with another number of sampling steps: `(entry, num_steps) -> model`."""


class Settings(NamedTuple):
    """Settings that all generators of the study share.

    Attributes:
        num_params: Number of sampling parameters of each generator.
        steps: Number of training steps of each generator.
        batch_size: Number of images in a training step.
        num_samples: Number of samples that a quality is measured on.
        block: Number of samples that are drawn at once and timed.
        seed: Seed of training; the samples use the next one.
    """

    num_params: int = 100_000
    steps: int = 5_000
    batch_size: int = 64
    num_samples: int = 500
    block: int = 250
    seed: int = 0


QUICK = Settings(num_params=40_000, steps=600, batch_size=32, num_samples=500, block=100)


def speed_quality(
    entries: Mapping[str, Entry],
    images: np.ndarray,
    distance: ImageDistance,
    settings: Settings,
    with_steps: WithSteps,
    evaluations: Sequence[int] = EVALUATIONS,
) -> Iterator[dict[str, Any]]:
    """Train each entry and yield one row for each number of network evaluations, as soon as it is measured.

    Args:
        entries: The generators by the name that their rows bear.
        images: Training images `(n, height, width, channels)` in (-1, 1).
        distance: Distance of samples to real images, such as `frechet_ratio` of a classifier's features.
        settings: Training length, batch size and sample numbers; `num_params` is not read here.
        with_steps: Returns an entry's model with another number of sampling steps; called for diffusion models only.
        evaluations: The largest numbers of network evaluations that one sample may take (see `samplers`).

    Returns:
        An iterator over dicts with `model`, `status` ("ok"), `train_seconds`, `evaluations`, `samples_per_second` and `quality`. A
        generator whose training diverges yields one dict, with only `model` and a `status` that says "failed" and why.
    """
    for name, entry in entries.items():
        row: dict[str, Any] = {"model": name, "status": "ok"}
        key = jax.random.key(settings.seed)
        try:
            fitted = fit(key, entry, images, settings.steps, batch_size=settings.batch_size, ema=0.995, progress=False)
        except TrainingDiverged as error:
            yield {**row, "status": f"failed: {error}"}
            continue
        row["train_seconds"] = fitted.history["train_seconds"]
        for cost, model in samplers(entry, evaluations, with_steps).items():
            samples, speed = timed_blocks(model, fitted.params, settings)
            yield {**row, "evaluations": cost, "samples_per_second": speed, "quality": distance(samples)}


def samplers(entry: Entry, evaluations: Sequence[int], with_steps: WithSteps) -> dict[int, Model]:
    """Return models of an entry's params by the number of network evaluations that one of their samples takes.

    A mean-flow model takes any number of evaluations. Heun's method with n steps takes `2 n - 1`, so a diffusion model gets the nearest
    number from below. Any other entry takes one evaluation.

    Args:
        entry: The entry whose params all the models share.
        evaluations: The largest numbers of evaluations that are allowed; duplicates are ignored.
        with_steps: Returns the entry's model with another number of sampling steps.

    Returns:
        A dict from the number of evaluations to the model, in rising order.
    """
    transform = entry.model.transform
    models: dict[int, Model] = {}
    for most in sorted(set(evaluations)):
        if "mean_velocity" in transform.parts:
            models[most] = entry.model._replace(transform=flow_map(transform.init, _mean_velocity(transform), most))
        elif "denoiser" in transform.parts:
            num_steps = (most + 1) // 2
            if 2 * num_steps - 1 not in models:
                models[2 * num_steps - 1] = with_steps(entry, num_steps)
        else:
            models = {1: entry.model}
    return models


def _mean_velocity(transform: Transform) -> MeanVelocity:
    part = transform.parts["mean_velocity"]
    return lambda params, x, t, s, cond=None: part(params, x, t, s, cond=cond)


def timed_blocks(model: Model, params: Params, settings: Settings) -> tuple[np.ndarray, float]:
    """Draw `settings.num_samples` images in blocks and time them.

    The first block is not timed, because it contains the compilation.

    Args:
        model: A model of images without conditions.
        params: Its parameters.
        settings: `num_samples`, `block` and `seed` are read.

    Returns:
        The samples `(num_samples, height, width, channels)`, clipped to [-1, 1], and the samples per second of the median block.
    """
    blocks: list[np.ndarray] = []
    seconds: list[float] = []
    for key in jax.random.split(jax.random.key(settings.seed + 1), max(2, -(-settings.num_samples // settings.block))):
        start = time.perf_counter()
        blocks.append(np.asarray(sample(key, model, params, settings.block)))
        seconds.append(time.perf_counter() - start)
    return np.clip(np.concatenate(blocks)[: settings.num_samples], -1, 1), settings.block / float(np.median(seconds[1:]))


def pareto_front(rows: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Say for each row whether it lies on the Pareto front of speed and quality.

    A row lies on the front if no other row is at least as fast and at least as good, and strictly better in one of the two.

    Args:
        rows: Dicts with `status`, and `samples_per_second` (larger is better) and `quality` (smaller is better) where `status` is "ok".

    Returns:
        One bool for each row; False for a row whose status is not "ok".

    >>> rows = [{"status": "ok", "samples_per_second": s, "quality": q} for s, q in ((10, 3.0), (20, 2.0), (5, 1.0))]
    >>> pareto_front(rows)
    [False, True, True]
    """

    def beats(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
        faster, better = a["samples_per_second"] - b["samples_per_second"], b["quality"] - a["quality"]
        return faster >= 0 and better >= 0 and (faster > 0 or better > 0)

    measured = [r for r in rows if r["status"] == "ok"]
    return [r["status"] == "ok" and not any(beats(other, r) for other in measured) for r in rows]
