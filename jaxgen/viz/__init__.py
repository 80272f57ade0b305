"""Static pictures and reports: arrays and plain dicts in, figures and one self-contained HTML file out."""

from jaxgen.viz.picture import Dropped, Picture, Stage
from jaxgen.viz.report import write_report
from jaxgen.viz.row import draw_row, figure_png
from jaxgen.viz.study import Run, Section, write_study

__all__ = ["Dropped", "Picture", "Run", "Section", "Stage", "draw_row", "figure_png", "write_report", "write_study"]
