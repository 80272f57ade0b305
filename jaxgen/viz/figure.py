"""Figures that need no pyplot: a notebook shows them as they are returned, and nothing is left open."""

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from jaxgen.viz.palette import INK


class Drawing(Figure):
    """A figure with a transparent background, which a notebook shows as a picture."""

    def __init__(self, figsize: tuple[float, float], **options: Any):
        super().__init__(figsize=figsize, facecolor="none", **options)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        return figure_png(self)


def figure_png(figure: Figure, dpi: int = 125) -> bytes:
    """Return the figure as PNG bytes with a transparent background; the same figure gives the same bytes.

    Args:
        figure: The figure.
        dpi: Pixels per inch.
    """
    buffer = io.BytesIO()
    # A low compression level costs a tenth more bytes and saves half of the encoding time.
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None}, pil_kwargs={"compress_level": 4})
    return buffer.getvalue()


def webp(png: bytes, quality: int) -> bytes:
    """Return a PNG file as a WebP file, which loses what the eye does not miss and takes half of the bytes or less.

    Args:
        png: The bytes of the PNG file.
        quality: From 0 to 100.
    """
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).save(buffer, format="webp", quality=quality, alpha_quality=quality, method=1)
    return buffer.getvalue()


def plain_axes(axes: Axes, title: str, xlabel: str = "", ylabel: str = "") -> None:
    """Give axes a title, labels, and colours that can be read on a light and on a dark page.

    Args:
        axes: The axes.
        title: Their title.
        xlabel: The label of the horizontal axis.
        ylabel: The label of the vertical axis.
    """
    axes.set_facecolor("none")
    axes.set_title(title, fontsize=9, color=INK)
    axes.set_xlabel(xlabel, fontsize=8, color=INK)
    axes.set_ylabel(ylabel, fontsize=8, color=INK)
    axes.tick_params(which="both", colors=INK, labelsize=7)
    for spine in axes.spines.values():
        spine.set_color(INK)
        spine.set_linewidth(0.6)
