"""Images at their published levels: the test set in nats or bits per dimension, or samples by class, beside the goal, with time and memory.

`vae` is what two CPU cores reach in ten minutes, on the fixed binarisation of MNIST; the others want an accelerator and are skipped without
one, as is an entry that the zoo does not have. On an accelerator a fit takes as many steps as seven minutes allow, and no more than its
case has. Nats are means over the whole test set: exact, or the bound of 50 draws. Bits per dimension are of Fashion-MNIST's bytes,
dequantised, beside what PNG and WebP (lossless) make of the same images, each image alone or a hundred to a sheet, whichever is smaller.

`edm` is asked for the classes of the test images, one sample each: the Frechet distance of samples to test images on the features of
`jaxgen.evaluation.train_classifier`, over that between halves of the test images, and how often that classifier sees the class that was asked for,
beside its accuracy on the test images less three points.

Model FLOP utilisation is the matrix products and convolutions of a training step, forward and backward, times steps a second, over what
products of two large matrices reach on the same device in the same minute and dtype. CPU seconds count all threads. `--only` runs some of
the cases, `--data-dir` names the folder of the data's files, `--data` a set instead of Fashion-MNIST. `--quick` runs every case small.
"""

import io
import resource
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import matmul_peak, options, report, row


class Case(NamedTuple):
    """An entry, its options, its data, and the figure to reach; `accelerator`: whether a CPU is not asked to; `quick`: other options then."""

    entry: str
    data: str
    goal: float
    unit: str
    steps: int
    batch_size: int
    options: dict[str, Any]
    quick: dict[str, Any]
    accelerator: bool = True


NATS, BITS, RATIO = "nats", "bits per dimension", "Frechet ratio"
FASHION = "fashion_mnist"
CASES = {
    "vae": Case("vae", "binarised_mnist", 100.0, NATS, 5_000, 256, {}, {"width": 64}, False),
    "ladder_vae": Case("ladder_vae", "binarised_mnist", 83.0, NATS, 40_000, 256, {}, {"width": 64, "state_dim": 32}),
    "image_transformer": Case("image_transformer", "binarised_mnist", 80.5, NATS, 20_000, 128, {}, {"width": 8, "depth": 1}),
    "glow": Case("glow", FASHION, 0.0, BITS, 20_000, 128, {}, {"width": 8, "num_layers": 2}),
    "tarflow": Case("tarflow", FASHION, 0.0, BITS, 20_000, 128, {}, {"width": 16, "num_layers": 2, "depth": 1}),
    "edm": Case("edm", FASHION, 3.0, RATIO, 40_000, 256, {"dtype": "bfloat16"}, {"width": 8, "depth": 1, "num_steps": 3}),
}
DRAWS, TIME_GOAL, FIT_SECONDS, POINTS = 50, 600.0, 420.0, 0.03
GPU_MEMORY = 78.0


class Run(NamedTuple):
    """One case under way: `small` as `--quick` asks, `data` in place of Fashion-MNIST, `data_dir` where files are."""

    name: str
    case: Case
    small: bool
    data: str | None
    data_dir: str | None

    def load(self, **how: Any) -> Any:
        import jaxgen

        name = self.data or self.case.data if self.case.data == FASHION else self.case.data
        sizes = {"num_train": 2_000, "num_test": 200} if self.small else {}
        return jaxgen.data.load(name, **how, **sizes, **({} if self.data_dir is None else {"data_dir": self.data_dir}))

    def entry(self, shape: Any, cond_shape: Any = None, **more: Any) -> Any:
        import jaxgen

        chosen = {**self.case.options, **(self.case.quick if self.small else {}), **more}
        return jaxgen.zoo.build(self.case.entry, shape, cond_shape, size="published", **chosen)


def trained(run: Run, entry: Any, x: np.ndarray, cond: np.ndarray | None = None) -> tuple[Any, list[dict[str, Any]]]:
    """The fit, and its rows: seconds of training (wall and CPU), steps a second, FLOP utilisation and the process's peak memory."""
    import jax

    import jaxgen

    case = run.case
    steps, size = (20, 32) if run.small else (case.steps, case.batch_size)
    start, cpu = time.perf_counter(), time.process_time()
    if jax.default_backend() != "cpu" and not run.small:
        # The length of the schedule has to be known beforehand, so a short fit measures a step.
        probe = jaxgen.fit(jax.random.key(0), entry, x, 60, cond=cond, batch_size=size, steps_per_chunk=20, progress=False).history
        left = FIT_SECONDS - (time.perf_counter() - start) - probe["compile_seconds"]
        steps = max(1, min(steps, int(left * 60 / probe["train_seconds"])))
    fitted = jaxgen.fit(jax.random.key(0), entry, x, steps, cond=cond, batch_size=size, progress=True)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    rate = steps / fitted.history["train_seconds"]
    dtype = entry.card.config["options"].get("dtype") or "float32"
    peak = matmul_peak(1.0, dtype, 2048 if jax.default_backend() == "cpu" else 8192)
    flops = step_flops(entry, x, cond, size)
    print(
        f"{run.name}: {steps} steps, {flops / size / 1e9:.3g} GFLOP an event and step, matmul {dtype} {peak / 1e12:.3g} TFLOP/s", flush=True
    )
    memory = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0) / 2**30
    memory = memory or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rows = [row(run.name, "training, wall", "s", wall, "goal", TIME_GOAL)]
    rows.append(row(run.name, "training, CPU of all threads", "s", cpu, "goal: ten minutes of two cores", 2 * TIME_GOAL))
    rows.append(row(run.name, "training", "steps/s", rate, "enough for the goal", case.steps / TIME_GOAL, more_is_better=True))
    rows.append(row(run.name, "model FLOP utilisation", "", rate * flops / peak, f"matmul, {dtype}", 1.0, more_is_better=True))
    rows.append(row(run.name, "peak memory, of the device where it has its own", "GiB", memory, "one GPU", GPU_MEMORY))
    return fitted, rows


def step_flops(entry: Any, x: np.ndarray, cond: np.ndarray | None, size: int) -> float:
    """Of one training step on a batch of `size`: its matrix products and convolutions."""
    import jax

    from jaxgen.evaluation import matmul_flops
    from jaxgen.objective import Batch
    from jaxgen.training import init_state, make_step

    batch = Batch(x[:size], None if cond is None else cond[:size])
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(lambda k, b: init_state(k, entry, b, 100), key, batch)
    return matmul_flops(make_step(entry, 100), state, batch, key)


def likelihood(run: Run) -> list[dict[str, Any]]:
    """The test set's probability, of whole-numbered pixels."""
    import jax

    import jaxgen

    case, data = run.case, run.load(pixels="discrete")
    entry = run.entry(data.event_shape, levels=data.levels)
    fitted, rows = trained(run, entry, data.train)
    # Some test sets are sorted by class.
    order = np.random.default_rng(0).permutation(len(data.test))[: 100 if run.small else len(data.test)]
    draws = 5 if run.small else DRAWS
    found = jaxgen.log_prob(entry.model, fitted.params, data.test[order], key=jax.random.key(1), num_draws=draws)
    figures = {NATS: -float(np.mean(found.value)), BITS: jaxgen.evaluation.bits_per_dim(found, data.event_shape, discrete=True).value}
    print(f"{run.name}: {figures[NATS]:.2f} nats ({found.density}), {figures[BITS]:.4f} bits per dimension", flush=True)
    peers = {"goal": case.goal} if case.unit == NATS else compressed(data.test)
    metric = f"test NLL, {draws} draws where it is a bound" if case.unit == NATS else "test"
    return [row(run.name, metric, case.unit, figures[case.unit], peer, theirs) for peer, theirs in peers.items()] + rows


def compressed(test: np.ndarray) -> dict[str, float]:
    """Bits per dimension of PNG and WebP on grey test images `(n, h, w, 1)`."""
    x = test.astype(np.uint8)[..., 0]
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


def by_class(run: Run) -> list[dict[str, Any]]:
    """Samples for the classes of the test images: their distance to those, and whether the classifier sees the class that was asked for."""
    import jax

    import jaxgen
    from jaxgen import evaluation

    data = run.load(pixels="continuous", labels=True)
    classifier = evaluation.train_classifier(jax.random.key(2), data, num_steps=60 if run.small else 800)
    entry = run.entry(data.event_shape, data.train_cond.shape[1:])
    fitted, rows = trained(run, entry, data.train, data.train_cond)
    asked = data.test_cond
    start = time.perf_counter()
    drawn = jaxgen.sample(jax.random.key(1), entry.model, fitted.params, len(asked), asked, batch_size=min(1_000, len(asked)))
    pixels = data.units.restore(np.clip(np.asarray(drawn), -1, 1))
    print(f"{run.name}: {len(asked) / (time.perf_counter() - start):.4g} samples/s, compilation included", flush=True)
    # At random, as the samples may be sorted by class and are cut to the size of a half.
    shuffled = np.random.default_rng(0).permutation(classifier.features(pixels))
    figures = evaluation.image_figures(shuffled, *evaluation.random_halves(classifier.features(evaluation.pixels_of(data, "test"))))
    agreement = classifier.agreement(pixels, asked)
    print(f"{run.name}: classifier {classifier.accuracy:.4f}, samples {agreement:.4f}; " + _shown(figures), flush=True)
    least = classifier.accuracy - POINTS
    return [
        row(run.name, "Frechet ratio to real images", "", figures["frechet_ratio"], "goal", run.case.goal),
        row(run.name, "class agreement", "", max(agreement, 1e-9), "accuracy on test images less 3 points", least, more_is_better=True),
        *rows,
    ]


def _shown(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if not name.endswith("_floor"))


def transformer_rows(data_dir: str | None) -> list[dict[str, Any]]:
    """The image transformer at the size of a GPU, trained for as long as the goal allows."""
    from tasks.images_autoregressive import TARGET, image_transformer

    peak = matmul_peak(1.0, "bfloat16", 8192)
    found, name = image_transformer(data_dir=None if data_dir is None else Path(data_dir), peak=peak), "image_transformer"
    rows = [row(name, "test NLL", NATS, found["nats"], "goal", TARGET)]
    rows.append(row(name, "training and evaluation, wall", "minutes", found["minutes"], "goal", TIME_GOAL / 60))
    rows.append(
        row(name, "training", "steps/s", found["steps/s"], "enough for 24 passes", 24 * 50_000 / 128 / TIME_GOAL, more_is_better=True)
    )
    rows.append(row(name, "model FLOP utilisation", "", found["mfu"], "matmul, bfloat16", 1.0, more_is_better=True))
    rows.append(row(name, "peak memory", "GiB", found["peak GiB"], "one GPU", GPU_MEMORY))
    return rows


def rows_of(run: Run) -> list[dict[str, Any]]:
    if run.case.unit == RATIO:
        return by_class(run)
    return transformer_rows(run.data_dir) if run.name == "image_transformer" and not run.small else likelihood(run)


def main() -> None:
    args = options(__doc__, only=list(CASES), data=None, data_dir=None)
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
            rows += rows_of(Run(name, case, args.quick, args.data, args.data_dir))
            report(rows, args.out)


if __name__ == "__main__":
    main()
