"""What `jaxgen study beta` shows: a line and a strip of images for each run, and the page of all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from jaxgen import viz
from jaxgen.evaluation import posteriors
from jaxgen.viz.beta import Strip, draw_trade_off

SHOWN, PLANE, CODES = 10, 10, 1_000
INTRODUCTION = (
    "A variational autoencoder is trained to pay for two things: distortion, what a reconstruction misses, and rate, what the latent says.",
    "beta is the price of the rate. One model, one data set, several prices: everything below differs by that number alone.",
)
COLUMNS = {
    "beta": "Weight of the rate in the objective; 1 is the bound itself.",
    "seed": "Of initialisation, batches and noise.",
    "rate": "KL(q(z | x) || p(z)) on test images, nats.",
    "distortion": "-log p(x | z) at z drawn from q(z | x), nats.",
    "bound": "Rate and distortion added: an upper bound of the negative log likelihood, nats.",
    "bound, 50 draws": "The importance-weighted bound (arXiv 1509.00519), nats.",
    "active": "Units whose posterior mean varies over images by a variance of more than 0.01.",
    "collapsed": "Units that say nothing: inactive, and within 0.02 nats of the prior.",
    "mismatch": "Sliced W2 of the aggregate posterior to the prior, over that of two draws of the prior: 1 is a perfect match.",
    "sharp means": "Mean gradient magnitude of the means of samples, over the data's.",
    "sharp samples": "The same of the samples, whose pixels are drawn one by one.",
    "sharp rec.": "The same of reconstructions of test images.",
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
    """One run in a line."""
    name = f"beta {row['beta']:g}, seed {row['seed']}"
    if row["status"] != "ok":
        return f"{name}: {row['status']}"
    collapse = ", posterior collapse" if row["collapsed"] else ""
    return (
        f"{name}: rate {row['rate']:.1f}, distortion {row['distortion']:.1f}, bound {row['nll_bound']:.1f} nats, "
        f"{row['active_units']} of {row['units']} units active{collapse}, trained in {row['train_seconds']:.0f} s"
    )


def remark(row: dict[str, Any]) -> str:
    """What is to be said in red: a run that failed, or whose latent says nothing at all."""
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
    """The page of the runs so far, by rising beta."""
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


def strip(key: jax.Array, model: Any, params: Any, images: Any) -> Strip:
    """What one run shows; `images` have `test` `(n, height, width, channels)` and their `labels`."""
    found = posteriors(model, params, images.test[:CODES])
    order = np.argsort(-found.mean.std(0), kind="stable")[:2]
    reach = float(scipy.stats.norm.ppf(1 - 0.5 / PLANE))
    quantiles = scipy.stats.norm.ppf((np.arange(PLANE) + 0.5) / PLANE)
    grid = np.zeros((PLANE, PLANE, found.mean.shape[1]), np.float32)
    grid[..., order[0]], grid[..., order[1]] = quantiles[None], quantiles[:, None]
    noise = jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, SHOWN))
    stages = jax.jit(jax.vmap(lambda z: model.transform.parts["stages"](params, z)))
    shown = jnp.concatenate([jnp.asarray(found.mean[:SHOWN], jnp.float32), noise["latent"], jnp.asarray(grid.reshape(-1, grid.shape[-1]))])
    uniforms = jnp.tile(noise["noise"], (2 + PLANE * PLANE // SHOWN, 1, 1, 1))
    mean, drawn = np.moveaxis(np.asarray(stages({"latent": shown, "noise": uniforms})), 1, 0)
    return Strip(
        images.test[:SHOWN],
        mean[:SHOWN],
        mean[SHOWN : 2 * SHOWN],
        drawn[SHOWN : 2 * SHOWN],
        found.mean[:, order],
        None if images.labels is None else images.labels[:CODES],
        mean[2 * SHOWN :].reshape(PLANE, PLANE, *mean.shape[1:]),
        reach,
    )
