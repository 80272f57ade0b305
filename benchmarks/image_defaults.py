"""What the default of each image entry makes in a few minutes on the cores that there are: a page of samples, each with its Frechet ratio.

Every entry is trained as `jaxgen train --model NAME --data SET` does: default sizes, batch, steps and early stopping, and `--minutes` of training
at most (compilation comes on top, and is printed). The Frechet ratio compares samples with test images in the features of a small
classifier, over what other test images have: 1 is what real images reach. One run measures the entries of `--only` that the file `--out` does
not hold yet, and adds a row for each to it. An interrupted training is saved and gone on with, so runs can be shared out. `--page` writes the
page of that file alone, pictures included. CPU seconds count all threads and the compilation, and say what a training costs on a machine that
does other work too.

    python benchmarks/image_defaults.py --out runs/images.json --page runs/images.html --minutes 5 --only cfm vae
"""

import argparse
import base64
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

ENTRIES = (
    "gan", "wgan_gp", "r3gan", "vae", "beta_vae", "iwae", "vq_vae", "ladder_vae", "pixelcnn", "image_transformer", "ddpm", "edm", "vdm",
    "masked_diffusion", "uniform_diffusion", "discrete_cfm", "meanflow", "drifting", "cfm", "glow", "tarflow", "latent_cfm",
)  # fmt: skip
SHOWN, MOST_TEST = 64, 1_000
COLUMNS = {
    "entry": "Its name in the zoo.",
    "Frechet ratio": "Frechet distance to test images on a classifier's features, over that of other test images: 1 is what real images reach.",
    "parameters": "Parameters of the model, and of what sampling drops.",
    "steps": "Training steps, of those that are planned.",
    "s a step": "Seconds of training by steps, validation included.",
    "training": "Seconds of training.",
    "CPU": "CPU seconds of training with its compilation, all threads; of the last part of a training that was interrupted.",
    "compilation": "Seconds of tracing and compiling the training step.",
    "sampling": "Seconds until the samples are there, compilation included.",
    "size": "The size of the defaults, and the events of a step.",
    "validation": "What the validation losses say.",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits_8x8", help="a named set or a file of images with labels")
    parser.add_argument("--data-dir", help="the folder of a named set's files")
    parser.add_argument("--only", nargs="+", choices=ENTRIES, default=ENTRIES, metavar="ENTRY")
    parser.add_argument("--minutes", type=float, default=5.0, help="the most minutes of training of an entry")
    parser.add_argument("--steps", type=int, help="a number of steps in place of the default and of --minutes")
    parser.add_argument("--size", help="small, base or published; by default that of the device")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one second of training each, to see that it runs")
    parser.add_argument("--out", type=Path, metavar="FILE.json", default=Path("runs/image_defaults.json"))
    parser.add_argument("--page", type=Path, metavar="PAGE.html", help="write the page of the rows in the file")
    parser.add_argument("--picture", type=Path, metavar="PAGE.png", help="draw the samples of the rows in the file as one picture")
    args = parser.parse_args()
    minutes = 1 / 60 if args.quick else args.minutes
    done = {(row["data"], row["entry"], row["seed"]) for row in rows_of(args.out)}
    todo = [name for name in args.only if (args.data, name, args.seed) not in done]
    for name in todo:
        row = measured(args, name, minutes)
        if row is None:
            raise SystemExit(f"{name}: interrupted; the same command goes on")
        # Read again: another run may have added its own.
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps([*rows_of(args.out), row], indent=1) + "\n", encoding="utf-8")
        print(" | ".join(cells(row)), flush=True)
    if args.page is not None:
        write_page(args.page, in_order(rows_of(args.out)))
    if args.picture is not None:
        draw_page(args.picture, in_order(rows_of(args.out)))


def rows_of(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def measured(args: argparse.Namespace, name: str, minutes: float) -> dict[str, Any] | None:
    """Train one entry by its defaults, draw from it, and compare with test images; None after an interrupt."""
    import jax
    import numpy as np

    import jaxgen
    from jaxgen import evaluation, zoo
    from jaxgen.viz import figure_png, grid

    where = {} if args.data_dir is None else {"data_dir": args.data_dir}
    data = jaxgen.data.load(args.data, pixels=zoo.pixels(name), labels=True, num_test=None, **where)
    assert data.levels is not None
    levels: dict[str, Any] = {"levels": data.levels} if "levels" in zoo.describe(name, data.event_shape) else {}
    entry = zoo.build(name, data.event_shape, size=args.size, **levels)
    card, batch = entry.card, min(entry.card.batch_size, len(data.train))
    steps = args.steps or jaxgen.training.steps_for(card.num_steps, len(data.train), batch)
    how: dict[str, Any] = {"batch_size": batch, "valid": data.valid, "patience": jaxgen.training.PATIENCE}
    folder = args.out.with_suffix("") / f"{Path(args.data).stem}-{name}-{args.seed}"
    how |= {"saving": folder, "start": folder if folder.is_dir() else None, "minutes": None if args.steps else minutes}
    cpu = time.process_time()
    fitted = jaxgen.fit(args.seed, entry, data.train, steps, progress=True, **how)
    cpu = time.process_time() - cpu
    if fitted.status == "interrupted":
        return None
    shutil.rmtree(folder)
    test = evaluation.pixels_of(data, "test")[:MOST_TEST]
    began = time.perf_counter()
    drawn = np.asarray(jaxgen.sample(args.seed + 1, entry.model, fitted.params, max(SHOWN, len(test) // 2)))
    sampling = time.perf_counter() - began
    drawn = np.clip(drawn if data.units is None else data.units.restore(drawn), 0, data.levels - 1e-3)
    classifier = classifier_of(args, data)
    ratio = evaluation.frechet_ratio(classifier.features(test), len(test))
    history = fitted.history
    return {
        "data": args.data, "entry": name, "seed": args.seed, "minutes": minutes, "size": args.size or zoo.default_size(),
        "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}", "cores": len(os.sched_getaffinity(0)),
        "batch_size": batch, "steps": history["num_steps"], "planned_steps": history["planned_steps"], "status": fitted.status,
        "train_seconds": history["train_seconds"], "compile_seconds": history["compile_seconds"], "sample_seconds": sampling, "cpu_seconds": cpu,
        "num_params": zoo.count_params(fitted.params), "num_aux": zoo.count_params(fitted.aux),
        "verdict": str(jaxgen.training.verdict(history) or ""), "frechet_ratio": ratio(classifier.features(drawn)),
        "picture": base64.b64encode(figure_png(grid(np.floor(drawn[:SHOWN]), 16))).decode("ascii"),
        "real": base64.b64encode(figure_png(grid(np.floor(test[:SHOWN]), 16))).decode("ascii"),
        "options": entry.card.config["options"],
    }  # fmt: skip


def classifier_of(args: argparse.Namespace, data: Any) -> Any:
    """The classifier of the data set beside the file of the rows, trained the first time."""
    import jax

    from jaxgen import evaluation

    folder = args.out.with_suffix("") / f"classifier-{Path(args.data).stem}"
    if not (folder / "classifier.json").is_file():
        evaluation.save_classifier(folder, evaluation.train_classifier(jax.random.key(0), data))
    return evaluation.load_classifier(folder)


def cells(row: dict[str, Any]) -> list[str]:
    dropped = f" + {row['num_aux']:,}" if row["num_aux"] else ""
    return [
        row["entry"], f"{row['frechet_ratio']:.2f}", f"{row['num_params']:,}{dropped}", f"{row['steps']:,} of {row['planned_steps']:,}",
        f"{row['train_seconds'] / max(row['steps'], 1):.3f}", f"{row['train_seconds']:.0f}", f"{row['cpu_seconds']:.0f}",
        f"{row['compile_seconds']:.0f}", f"{row['sample_seconds']:.0f}", f"{row['size']}, {row['batch_size']}", row["verdict"],
    ]  # fmt: skip


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["data"], ENTRIES.index(row["entry"]), row["seed"]))


def draw_page(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw the samples of all rows, two rows of the file side by side, real images first."""
    import io
    import math

    import matplotlib.image
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    real = [(f"{row['data']}: real images", row["real"]) for i, row in enumerate(rows) if i == 0 or rows[i - 1]["data"] != row["data"]]
    shown = real + [(f"{row['entry']}, Frechet ratio {row['frechet_ratio']:.2f}", row["picture"]) for row in rows]
    pictures = [(title, matplotlib.image.imread(io.BytesIO(base64.b64decode(png)))) for title, png in shown]
    height, width = pictures[0][1].shape[:2]
    lines = math.ceil(len(pictures) / 2)
    figure = Figure((16, 8.2 * lines * height / width + 0.35 * lines), layout="constrained")
    for axes, (title, picture) in zip(figure.subplots(lines, 2, squeeze=False).ravel(), pictures, strict=False):
        axes.imshow(picture)
        axes.set_title(title, fontsize=8, loc="left")
    for axes in figure.axes:
        axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(drawn, dpi=90)
    # Grey levels by the dozen look the same at this size and take a tenth of the bytes.
    Image.open(drawn).convert("L").quantize(24).save(path, optimize=True)


def write_page(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one page: the table, then the samples of each entry below the real images of their set."""
    from jaxgen import viz

    sections = []
    for i, row in enumerate(rows):
        if i == 0 or rows[i - 1]["data"] != row["data"]:
            sections.append(viz.Section(f"{row['data']}: real images", "Test images.", [base64.b64decode(row["real"])]))
        said = f"Frechet ratio {row['frechet_ratio']:.2f} after {row['steps']:,} steps: {row['cpu_seconds']:.0f} CPU seconds."
        sections.append(viz.Section(f"{row['data']}: {row['entry']}", said, [base64.b64decode(row["picture"])]))
    introduction = ("Samples of each image entry at its defaults: sizes, batch, steps and early stopping as `jaxgen train` takes them.",)
    runs = [viz.Run(cells(row)) for row in rows]
    settings = {key: ", ".join(sorted({str(row[key]) for row in rows})) for key in ("data", "minutes", "cores", "devices")}
    viz.write_study(path, "Defaults of image entries", introduction, COLUMNS, runs, sections, settings)


if __name__ == "__main__":
    main()
