"""Figures of the beta study: rate, distortion and other measures over beta, and one strip of images for each beta."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxgen.evaluation import LatentView
from jaxgen.viz.figure import Drawing, plain_axes
from jaxgen.viz.palette import INK

ACCENT = "#d98324"


def draw_trade_off(rows: Sequence[dict[str, Any]]) -> Figure:
    """Draw four panels: the curve of rate and distortion; then active units, sharpness and aggregate mismatch over beta.

    Args:
        rows: One dict for each run, with `beta` and what `jaxgen.evaluation.autoencoder_figures` returned.

    Returns:
        The figure.
    """
    betas = sorted({r["beta"] for r in rows})
    figure = Drawing((13, 3.3), layout="constrained")
    curve, units, sharp, mismatch = figure.subplots(1, 4)
    _curve(curve, rows, betas)
    places = np.arange(len(betas))
    _over_beta(units, rows, betas, "active_units", ACCENT, "active")
    _over_beta(units, rows, betas, "collapsed_units", INK, "collapsed")
    plain_axes(units, "units of the latent", "beta", "")
    for field, label, colour in (("sharpness_means", "means of samples", ACCENT), ("sharpness_reconstructions", "reconstructions", INK)):
        _over_beta(sharp, rows, betas, field, colour, label)
    sharp.axhline(1.0, color=INK, linewidth=0.8, linestyle="--")
    plain_axes(sharp, "sharpness: gradient over the data's", "beta", "")
    _over_beta(mismatch, rows, betas, "aggregate_sliced_w2", ACCENT, "aggregate posterior")
    _over_beta(mismatch, rows, betas, "aggregate_sliced_w2_floor", INK, "floor: prior against prior")
    mismatch.set_yscale("log")
    plain_axes(mismatch, "sliced W2 to the prior", "beta", "")
    for axes in (units, sharp, mismatch):
        axes.set_xticks(places, [f"{b:g}" for b in betas])
        axes.legend(fontsize=7, frameon=False, labelcolor=INK)
    return figure


def draw_strip(view: LatentView) -> Figure:
    """Draw data, reconstructions, means of samples and samples in rows; then the codes of the data and the decoded latent plane.

    Args:
        view: What `jaxgen.evaluation.latent_view` returned.

    Returns:
        The figure.
    """
    rows = [view.data, view.reconstructions, view.means, view.samples]
    figure = Drawing((13, 3.4), layout="constrained")
    tiles, codes, plane = figure.subplots(1, 3, width_ratios=[len(view.data) / 4, 1, 1])
    _show(tiles, np.stack(rows))
    tiles.set_yticks((np.arange(4) + 0.5) * rows[0].shape[1], ["data", "reconstructed", "means", "samples"])
    plain_axes(tiles, "")
    tiles.set_xticks([])
    if view.labels is None:
        codes.scatter(*view.codes.T, s=3, color=ACCENT, linewidths=0)
    else:
        codes.scatter(*view.codes.T, s=3, c=view.labels, cmap="tab10", linewidths=0)
    codes.set_aspect("equal", adjustable="datalim")
    plain_axes(codes, "codes of the data")
    _show(plane, view.plane[::-1])
    plain_axes(plane, f"latent plane, -{view.reach:.1f} to {view.reach:.1f}")
    plane.set_xticks([])
    plane.set_yticks([])
    return figure


def _curve(axes: Axes, rows: Sequence[dict[str, Any]], betas: list[float]) -> None:
    axes.scatter([r["rate"] for r in rows], [r["distortion"] for r in rows], s=14, color=ACCENT, alpha=0.6, linewidths=0)
    middle = [[float(np.mean([r[field] for r in rows if r["beta"] == b])) for field in ("rate", "distortion")] for b in betas]
    axes.plot(*np.transpose(middle), color=ACCENT, linewidth=1)
    for b, at in zip(betas, middle, strict=True):
        axes.annotate(f"{b:g}", (at[0], at[1]), textcoords="offset points", xytext=(4, 3), fontsize=7, color=INK)
    axes.set_xscale("symlog", linthresh=10)
    plain_axes(axes, "rate and distortion, by beta", "rate, nats", "distortion, nats")


def _over_beta(axes: Axes, rows: Sequence[dict[str, Any]], betas: list[float], field: str, colour: str, label: str) -> None:
    """Draw one point for each run, the betas at equal distances, and a line through the means."""
    for place, b in enumerate(betas):
        values = [r[field] for r in rows if r["beta"] == b]
        axes.scatter([place] * len(values), values, s=14, color=colour, alpha=0.6, linewidths=0)
    axes.plot([np.mean([r[field] for r in rows if r["beta"] == b]) for b in betas], color=colour, linewidth=1, label=label)


def _show(axes: Axes, images: np.ndarray) -> None:
    """Draw images `(rows, columns, height, width, c)` side by side: grey ones as dark ink on white, coloured ones as they are."""
    r, k, h, w, c = images.shape
    whole = images.transpose(0, 2, 1, 3, 4).reshape(r * h, k * w, c)
    if c == 3:
        axes.imshow(np.clip(whole, 0, 1), interpolation="nearest")
    else:
        axes.imshow(whole[..., 0], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
