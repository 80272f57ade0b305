"""Likelihoods of images: the test set in nats or bits per dimension beside the goal, with training time, steps a second and memory.

`vae` is what two CPU cores reach in ten minutes, on the fixed binarisation of MNIST; the others want an accelerator and are skipped without
one, as is an entry that the zoo does not have. Nats are means over the whole test set: exact, or the bound of 50 draws. Bits per dimension
are of Fashion-MNIST's bytes, dequantised, beside what PNG and WebP (lossless) make of the same images, each image alone or a hundred to a
sheet, whichever is smaller. CPU seconds count all threads. `--only` runs some of the cases, `--data-dir` names the folder of the data's files.
"""

import io
import resource
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import options, report, row


class Case(NamedTuple):
    """An entry, its options, its data, and the figure to reach; `accelerator`: whether a CPU is not asked to."""

    entry: str
    data: str
    goal: float
    unit: str
    steps: int
    batch_size: int
    options: dict[str, Any]
    accelerator: bool = True


NATS, BITS = "nats", "bits per dimension"
CASES = {
    "vae": Case("vae", "binarised_mnist", 100.0, NATS, 5_000, 256, {}, False),
    "ladder_vae": Case("ladder_vae", "binarised_mnist", 83.0, NATS, 40_000, 256, {}),
    "image_transformer": Case("image_transformer", "binarised_mnist", 80.5, NATS, 20_000, 128, {}),
    "glow": Case("glow", "fashion_mnist", 0.0, BITS, 20_000, 128, {}),
    "tarflow": Case("tarflow", "fashion_mnist", 0.0, BITS, 20_000, 128, {}),
}
DRAWS, TIME_GOAL = 50, 600.0


def measure(case: Case, quick: bool, data_dir: str | None) -> dict[str, float]:
    """The figure, seconds of training (wall and CPU), steps a second and the process's peak memory."""
    import jax

    import jaxgen

    # The likelihood entries of images are all of whole-numbered pixels.
    data = jaxgen.data.load(case.data, pixels="discrete", **({} if data_dir is None else {"data_dir": data_dir}))
    entry = jaxgen.zoo.build(case.entry, data.event_shape, **case.options)
    steps = 200 if quick else case.steps
    start, cpu = time.perf_counter(), time.process_time()
    fitted = jaxgen.fit(jax.random.key(0), entry, data.train, steps, batch_size=case.batch_size, progress=True)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    # Some test sets are sorted by class.
    order = np.random.default_rng(0).permutation(len(data.test))[: 500 if quick else len(data.test)]
    found = jaxgen.log_prob(entry.model, fitted.params, data.test[order], key=jax.random.key(1), num_draws=DRAWS)
    nats = -float(np.mean(found.value))
    bits = jaxgen.evaluation.bits_per_dim(found, data.event_shape, discrete=True).value
    on_device = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0) / 2**30
    peak = on_device or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{case.entry}: {nats:.2f} nats ({found.density}), {bits:.4f} bits per dimension, {wall:.0f} s, {cpu:.0f} CPU s", flush=True)
    rate = steps / fitted.history["train_seconds"]
    return {NATS: nats, BITS: bits, "seconds": wall, "cpu": cpu, "rate": rate, "peak": peak}


def compressed(data: str, data_dir: str | None) -> dict[str, float]:
    """Bits per dimension of PNG and WebP on the test images."""
    import jaxgen

    x = jaxgen.data.load(data, pixels="discrete", **({} if data_dir is None else {"data_dir": data_dir})).test.astype(np.uint8)[..., 0]
    n, h, w = x.shape
    sheets = x[: n - n % 100].reshape(-1, 10, 10, h, w).transpose(0, 1, 3, 2, 4).reshape(-1, 10 * h, 10 * w)
    found = {}
    for name, how in (("PNG", {"format": "png", "optimize": True}), ("WebP", {"format": "webp", "lossless": True, "quality": 100})):
        sizes = [sum(len(_encoded(a, how)) for a in images) * 8 / images.size for images in (x[:1_000], sheets)]
        found[name] = min(sizes)
    return found


def _encoded(image: np.ndarray, how: dict[str, Any]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, **how)
    return buffer.getvalue()


def transformer_rows(data_dir: str | None) -> list[dict[str, Any]]:
    """The image transformer at the size of a GPU, trained for as long as the goal allows."""
    from tasks.images_autoregressive import TARGET, image_transformer

    found, name = image_transformer(data_dir=None if data_dir is None else Path(data_dir)), "image_transformer"
    rows = [row(name, "test NLL", NATS, found["nats"], "goal", TARGET)]
    rows.append(row(name, "training and evaluation, wall", "minutes", found["minutes"], "goal", TIME_GOAL / 60))
    rows.append(row(name, "model FLOP utilisation", "", found["mfu"], "peak", 1.0, more_is_better=True))
    rows.append(row(name, "peak memory", "GiB", found["peak GiB"], "one GPU", 78.0))
    return rows


def rows_of(name: str, case: Case, quick: bool, data_dir: str | None) -> list[dict[str, Any]]:
    if name == "image_transformer" and not quick:
        return transformer_rows(data_dir)
    figures = measure(case, quick, data_dir)
    if case.unit == NATS:
        peers = {"goal": case.goal}
        metric = f"test NLL, {DRAWS} draws where it is a bound"
    else:
        peers = compressed(case.data, data_dir)
        metric = "test"
    rows = [row(name, metric, case.unit, figures[case.unit], peer, theirs) for peer, theirs in peers.items()]
    rows.append(row(name, "training, wall", "s", figures["seconds"], "goal", TIME_GOAL))
    rows.append(row(name, "training, CPU of all threads", "s", figures["cpu"], "goal: ten minutes of two cores", 2 * TIME_GOAL))
    rows.append(row(name, "training", "steps/s", figures["rate"], "enough for the goal", case.steps / TIME_GOAL, more_is_better=True))
    rows.append(row(name, "peak memory, of the device where it has its own", "GiB", figures["peak"], "one GPU", 78.0))
    return rows


def main() -> None:
    args = options(__doc__, only=list(CASES), data_dir=None)
    from jaxgen.cli.main import set_up_jax

    set_up_jax()
    import jax

    import jaxgen

    rows: list[dict[str, Any]] = []
    for name in args.only or CASES:
        case = CASES[name]
        if case.entry not in jaxgen.zoo.IMAGES:
            print(f"skipped: {name} is not in the zoo", flush=True)
        elif case.accelerator and jax.default_backend() == "cpu" and not args.quick:
            print(f"skipped: {name} wants an accelerator; not measured", flush=True)
        else:
            rows += rows_of(name, case, args.quick, args.data_dir)
            report(rows, args.out)


if __name__ == "__main__":
    main()
