"""The computation of `jaxgen study speed-quality`: generators of equal size, trained on the same images, measured for quality against speed."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen.model import Model, sample
from jaxgen.training import Entry, TrainingDiverged, fit
from jaxgen.transforms import flow_map
from jaxgen.zoo import build, num_sampling_params

MODELS = {"gan": "r3gan", "one step": "meanflow", "diffusion": "edm"}
"""What each kind of generator is trained as."""

BUDGETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
Distance = Callable[[np.ndarray], float]


class Settings(NamedTuple):
    """num_params: of each generator. steps, batch_size: of each training. num_samples: that a quality is measured on. block: drawn at once."""

    num_params: int = 100_000
    steps: int = 5_000
    batch_size: int = 64
    num_samples: int = 500
    block: int = 250
    seed: int = 0


QUICK = Settings(num_params=40_000, steps=600, batch_size=32, num_samples=500, block=100)


def speed_quality(
    images: np.ndarray,
    distance: Distance,
    settings: Settings = QUICK,
    *,
    models: Sequence[str] = tuple(MODELS),
    budgets: Sequence[int] = BUDGETS,
) -> Iterator[dict[str, Any]]:
    """Rows `{model, entry, evaluations, samples_per_second, quality, num_params, train_seconds, status}`, each as soon as it is measured.

    images: `(n, height, width, channels)` in (-1, 1). distance: of samples, likewise, a number of which less is better, such as the Frechet
    distance on a classifier's features over that of fresh real images. budgets: the most evaluations of a network that one sample may take;
    a GAN takes one, MeanFlow any number, and Heun's method every odd one, the nearest below. A model whose training diverges is one row with
    that as its status. Speed is that of a block after the first, the median, so that nothing is compiled in it.
    """
    for kind in models:
        entry = build(MODELS[kind], images.shape[1:], num_params=settings.num_params)
        row = {"model": kind, "entry": entry.name, "num_params": num_sampling_params(entry.model), "status": "ok"}
        try:
            fitted = fit(
                jax.random.key(settings.seed), entry, images, settings.steps, batch_size=settings.batch_size, ema=0.995, progress=False
            )
        except TrainingDiverged as error:
            yield {**row, "status": f"failed: {error}"}
            continue
        row["train_seconds"] = fitted.history["train_seconds"]
        for evaluations, model in samplers(entry, budgets).items():
            drawn, speed = draws(model, fitted.params, settings)
            yield {**row, "evaluations": evaluations, "samples_per_second": speed, "quality": distance(drawn)}


def samplers(entry: Entry, budgets: Sequence[int]) -> dict[int, Model]:
    """Models of the entry's params by how many evaluations of the network one sample costs, none above its budget."""
    transform, options = entry.model.transform, entry.config["options"]
    found: dict[int, Model] = {}
    for budget in sorted(set(budgets)):
        if "mean_velocity" in transform.parts:
            found[budget] = entry.model._replace(transform=flow_map(transform.init, transform.parts["mean_velocity"], budget))
        elif "denoiser" in transform.parts:
            num_steps = (budget + 1) // 2
            again = build(entry.name, tuple(entry.config["event_shape"]), **{**options, "num_steps": num_steps})
            found.setdefault(2 * num_steps - 1, again.model)
        else:
            found = {1: entry.model}
    return found


def draws(model: Model, params: Any, settings: Settings) -> tuple[np.ndarray, float]:
    """`num_samples` samples, cut to [-1, 1], and how many come in a second."""
    parts: list[np.ndarray] = []
    seconds: list[float] = []
    for key in jax.random.split(jax.random.key(settings.seed + 1), max(2, -(-settings.num_samples // settings.block))):
        start = time.perf_counter()
        parts.append(np.asarray(sample(key, model, params, settings.block)))
        seconds.append(time.perf_counter() - start)
    return np.clip(np.concatenate(parts)[: settings.num_samples], -1, 1), settings.block / float(np.median(seconds[1:]))


def front(rows: Sequence[dict[str, Any]]) -> list[bool]:
    """For each row whether it is on the Pareto front: no other is as fast and as good, and better in one of the two."""

    def beats(a: dict[str, Any], b: dict[str, Any]) -> bool:
        faster, better = a["samples_per_second"] - b["samples_per_second"], b["quality"] - a["quality"]
        return faster >= 0 and better >= 0 and (faster > 0 or better > 0)

    measured = [r for r in rows if r["status"] == "ok"]
    return [r["status"] == "ok" and not any(beats(other, r) for other in measured) for r in rows]
