"""What `jaxgen study beta` shows: a line for each run, and the page of all runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from jaxgen import viz
from jaxgen.viz.beta import draw_trade_off

INTRODUCTION = (
    "A variational autoencoder is trained to pay for two things: distortion, what a reconstruction misses, and rate, what the latent says.",
    "beta is the price of the rate. One model, one data set, several prices: everything below differs by that number alone.",
)
COLUMNS = {
    "beta": "Weight of the rate in the objective; 1 is the bound itself.",
    "seed": "Seed of initialisation, batches and noise.",
    "rate": "KL(q(z | x) || p(z)) on test images, nats.",
    "distortion": "-log p(x | z) at z drawn from q(z | x), nats.",
    "bound": "Rate and distortion added: an upper bound of the negative log likelihood, nats.",
    "bound, 50 draws": "The importance-weighted bound (arXiv 1509.00519), nats.",
    "active": "Units whose posterior mean varies over images by a variance of more than 0.01.",
    "collapsed": "Units that carry nothing: they are inactive, and within 0.02 nats of the prior.",
    "mismatch": "Sliced W2 of the aggregate posterior to the prior, over that of two draws of the prior: 1 is a perfect match.",
    "sharp means": "Mean gradient magnitude of the means of samples, over the data's.",
    "sharp samples": "The same for samples, whose pixels are drawn one by one.",
    "sharp rec.": "The same for reconstructions of test images.",
}  # fmt: skip
SECTIONS = (
    ("What beta trades", "Each point is a run; lines go through the means over seeds."),
    (
        "Images and latents",
        "By rising beta, the first seed: test images, their reconstructions, means of samples and samples; the codes of test images in the "
        "two units that vary most, in the colours of their classes where known; and what the decoder makes of those two units, the others at 0.",
    ),
)


def line(row: dict[str, Any]) -> str:
    """Describe one run in a line."""
    name = f"beta {row['beta']:g}, seed {row['seed']}"
    if row["status"] != "ok":
        return f"{name}: {row['status']}"
    collapse = ", posterior collapse" if row["collapsed"] else ""
    return (
        f"{name}: rate {row['rate']:.1f}, distortion {row['distortion']:.1f}, bound {row['nll_bound']:.1f} nats, "
        f"{row['active_units']} of {row['units']} units active{collapse}, trained in {row['train_seconds']:.0f} s"
    )


def remark(row: dict[str, Any]) -> str:
    """Return what the page says in red about a run: why it failed, or that its latent carries nothing; empty if all is well."""
    if row["status"] != "ok":
        return row["status"]
    return (
        "Posterior collapse: every unit's posterior is the prior, and the decoder draws the same images whatever the latent."
        * row["collapsed"]
    )


def _cells(row: dict[str, Any]) -> list[str]:
    head = [f"{row['beta']:g}", str(row["seed"])]
    if row["status"] != "ok":
        return head + ["-"] * (len(COLUMNS) - len(head))
    numbers = [f"{row[name]:.2f}" for name in ("rate", "distortion", "nll_bound", "nll_50_draws")]
    units = [f"{row[name]} of {row['units']}" for name in ("active_units", "collapsed_units")]
    ratios = [row["aggregate_sliced_w2"] / row["aggregate_sliced_w2_floor"]]
    ratios += [row[name] for name in ("sharpness_means", "sharpness_samples", "sharpness_reconstructions")]
    return head + numbers + units + [f"{ratio:.2f}" for ratio in ratios]


def write_page(out: Path, rows: Sequence[dict[str, Any]], settings: dict[str, Any], num_train: int) -> None:
    """Write the page of the runs that are done, by rising beta.

    Args:
        out: Run folder with the pictures; report.html is written there.
        rows: The rows of results.json.
        settings: The settings that the page prints.
        num_train: Number of training images.
    """
    rows = sorted(rows, key=lambda r: (r["beta"], r["seed"]))
    good = [r for r in rows if r["status"] == "ok"]
    first = min((r["seed"] for r in good), default=0)
    strips = [out / "pictures" / f"beta-{r['beta']:g}-{r['seed']}.png" for r in good if r["seed"] == first]
    pictures = [[draw_trade_off(good)] if good else [], [path.read_bytes() for path in strips if path.is_file()]]
    viz.write_study(
        out / "report.html",
        f"jaxgen study beta: {settings['data']}",
        INTRODUCTION,
        COLUMNS,
        [viz.Run(_cells(r), remark(r)) for r in rows],
        [viz.Section(heading, text, images) for (heading, text), images in zip(SECTIONS, pictures, strict=True)],
        {**settings, "training images": num_train, "jax": jax.__version__},
        ["Grey levels are cut at half to black and white.", "All numbers are of test images, which training has not seen."],
    )
