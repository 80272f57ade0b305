"""`corner`: a pair plot of samples of several sources, with the contours of their mass."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from jaxgen import checks
from jaxgen.viz.figure import Drawing, plain_axes

COLOURS = ("#3b6fb6", "#c8752c", "#4f8f5b", "#a14f9b")
_MAX_COORDINATES, _SMOOTHING = 12, 1.0


def corner(
    samples: Mapping[str, ArrayLike], names: Sequence[str] | None = None, *, bins: int | None = None, masses: Sequence[float] = (0.5, 0.9)
) -> Figure:
    """Draw samples coordinate by coordinate: histograms on the diagonal, and below it the contours of each pair.

    A contour encloses the stated share of the mass of a smoothed histogram.

    Args:
        samples: Samples `(n, d)` by what they are, such as `{"data": x, "model": y}`; at most four, of one width d from 1 to 12.
        names: The names of the d coordinates; None numbers them.
        bins: The number of bins along each axis; None takes 10 to 40, by the number of events.
        masses: The shares of mass that the contours enclose.

    Returns:
        A figure, which a notebook shows.

    Raises:
        ValueError: There are no samples, they differ in width, are not finite, or are too many or too wide to be read.

    >>> import numpy as np
    >>> figure = corner({"data": np.random.default_rng(0).normal(size=(500, 3))})
    >>> len(figure.axes)
    6
    """
    arrays = _checked(samples, names)
    if bins is not None:
        checks.count("corner: bins", bins, least=2)
    for mass in masses:
        checks.number("corner: masses", mass, above=0, below=1)
    width = next(iter(arrays.values())).shape[1]
    names = [f"x{i}" for i in range(width)] if names is None else names
    num_bins = bins or int(np.clip(1.5 * min(map(len, arrays.values())) ** 0.4, 10, 40))
    pooled = np.concatenate(list(arrays.values()))
    # The outermost half per cent would squeeze all the rest where tails are heavy.
    low, high = np.percentile(pooled, [0.5, 99.5], axis=0)
    margin = 0.05 * np.maximum(high - low, 1e-9)
    edges = [np.linspace(a - m, b + m, num_bins + 1) for a, b, m in zip(low, high, margin, strict=True)]
    side = max(3.0, min(1.6 * width, 11.0))
    figure = Drawing((side, side), layout="constrained")
    spec = figure.add_gridspec(width, width)
    for i in range(width):
        for j in range(i + 1):
            axes = figure.add_subplot(spec[i, j])
            plain_axes(axes, "", names[j] if i == width - 1 else "", names[i] if j == 0 and i > 0 else "")
            for (label, x), colour in zip(arrays.items(), COLOURS, strict=False):
                if i == j:
                    axes.hist(x[:, i], edges[i], density=True, histtype="step", color=colour, label=label)
                else:
                    _contours(axes, x[:, [j, i]], (edges[j], edges[i]), masses, colour)
            axes.set_xlim(edges[j][0], edges[j][-1])
            if i == j:
                axes.set_yticks([])
    figure.axes[0].legend(fontsize=7, frameon=False, labelcolor="#7b8390")
    return figure


def _contours(axes: Axes, x: np.ndarray, edges: tuple[np.ndarray, np.ndarray], masses: Sequence[float], colour: str) -> None:
    counts, _, _ = np.histogram2d(x[:, 0], x[:, 1], edges)
    smooth = gaussian_filter(counts, _SMOOTHING)
    levels = sorted({level_of_mass(smooth, mass) for mass in masses})
    centres = [0.5 * (e[1:] + e[:-1]) for e in edges]
    if levels and levels[0] < smooth.max():
        axes.contour(centres[0], centres[1], smooth.T, levels=levels, colors=colour, linewidths=0.9)
    axes.set_ylim(edges[1][0], edges[1][-1])


def level_of_mass(histogram: np.ndarray, mass: float) -> float:
    """Return the level of a histogram above which its bins hold the stated share of all counts, or the next larger share.

    Args:
        histogram: Counts, of any shape.
        mass: The share, in (0, 1).

    >>> level_of_mass(np.array([1.0, 2.0, 3.0, 4.0]), 0.7)
    3.0
    """
    falling = np.sort(histogram, axis=None)[::-1]
    return float(falling[np.searchsorted(np.cumsum(falling), mass * falling.sum())])


def _checked(samples: Mapping[str, ArrayLike], names: Sequence[str] | None) -> dict[str, np.ndarray]:
    if not isinstance(samples, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"corner: samples=<{type(samples).__name__}>; accepted: samples by what they are, such as {{'data': x}}.")
    arrays = {label: np.asarray(x, np.float64) for label, x in samples.items()}
    if not 1 <= len(arrays) <= len(COLOURS):
        raise ValueError(f"corner: samples={list(arrays)}; accepted: 1 to {len(COLOURS)} by name.")
    width = next(iter(arrays.values())).shape[-1:]
    for label, x in arrays.items():
        if x.ndim != 2 or x.shape[-1:] != width or not 1 <= x.shape[1] <= _MAX_COORDINATES or not len(x):
            accepted = f"(n, d) of one d from 1 to {_MAX_COORDINATES}"
            raise ValueError(f"corner: samples[{label!r}] of shape {x.shape}; accepted: {accepted}; choose columns of wider samples.")
        if not np.isfinite(x).all():
            raise ValueError(f"corner: samples[{label!r}] with {np.sum(~np.isfinite(x))} numbers not finite; accepted: finite numbers.")
    if names is not None and len(names) != width[0]:
        raise ValueError(f"corner: names={list(names)}; accepted: {width[0]} names, one for each coordinate.")
    return arrays
