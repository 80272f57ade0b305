"""Static pictures and reports: arrays and plain dicts in, figures and one self-contained HTML file out.

`show`, `density`, `corner`, `grid` and `training` draw what `fit` and `sample` return; a notebook shows the figures.
"""

from jaxgen.viz import atlas
from jaxgen.viz.corner import corner
from jaxgen.viz.density import density
from jaxgen.viz.figure import figure_png
from jaxgen.viz.images import grid, grid_png
from jaxgen.viz.picture import Dropped, Picture, Stage
from jaxgen.viz.report import write_report
from jaxgen.viz.row import draw_row
from jaxgen.viz.show import show
from jaxgen.viz.study import Run, Section, write_study
from jaxgen.viz.training import training

__all__ = [
    "Dropped", "Picture", "Run", "Section", "Stage", "atlas", "corner", "density", "draw_row", "figure_png", "grid", "grid_png", "show", "training",
    "write_report", "write_study",
]  # fmt: skip
