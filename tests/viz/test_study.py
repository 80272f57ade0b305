"""The page of a study stands alone, and shows its runs, remarks and figures."""

import re

import numpy as np
import pytest

from jaxgen.evaluation import LatentView
from jaxgen.viz import Run, Section, figure_png, write_study
from jaxgen.viz.beta import draw_strip, draw_trade_off

FIELDS = (
    "rate", "distortion", "active_units", "collapsed_units", "sharpness_means", "sharpness_reconstructions", "aggregate_sliced_w2",
    "aggregate_sliced_w2_floor",
)  # fmt: skip


def page(tmp_path, runs, sections=()):
    write_study(
        tmp_path / "report.html", "a study", ["Why."], {"beta": "the weight", "rate": "nats"}, runs, sections, {"steps": 3}, ["A note."]
    )
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_nothing_points_outside_and_nothing_is_markup(tmp_path):
    text = page(tmp_path, [Run(["1", "<b>"]), Run(["2", "3"], "<script>gone</script>")], [Section("Images", "Below.", [b"\x89PNG"])])
    assert not re.search(r"https?:|url\(|@import|href=", re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    assert text.count("<script>") == 1 and "&lt;script&gt;gone" in text and "&lt;b&gt;" in text
    assert text.count("<tbody") == 2 and text.count('class="failed"') == 1
    assert text.count('src="data:image/png;base64,iVBORw==') == 1
    assert {"the weight", "Why.", "A note.", "Below."} <= set(re.findall(r">([^<>]+)<", text))


def test_a_run_without_a_cell_for_each_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"runs\[0\] has 1 cells; accepted: 2"):
        page(tmp_path, [Run(["1"])])


def test_figures_have_a_point_a_run_and_a_tile_an_image():
    rows = [{"beta": b, **{field: 1.0 + i + b for i, field in enumerate(FIELDS)}} for b in (0.0, 1.0, 1.0)]
    figure = draw_trade_off(rows)
    assert len(figure.axes) == 4
    assert len(figure.axes[0].collections[0].get_offsets()) == 3
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xdata(), [1, 2])
    rng = np.random.default_rng(0)
    images = lambda *shape: rng.random((*shape, 5, 4, 1))
    strip = LatentView(images(6), images(6), images(6), images(6), rng.standard_normal((9, 2)), np.arange(9), images(3, 3), 1.6)
    drawn = draw_strip(strip)
    shown = [axes.images[0].get_array() for axes in drawn.axes if axes.images]
    assert [a.shape for a in shown] == [(4 * 5, 6 * 4), (3 * 5, 3 * 4)]
    np.testing.assert_allclose(shown[0][5:10, 4:8], strip.reconstructions[1, ..., 0])
    # The second unit grows upwards.
    np.testing.assert_allclose(shown[1][:5, :4], strip.plane[2, 0, ..., 0])
    assert figure_png(draw_strip(strip._replace(labels=None)), dpi=20).startswith(b"\x89PNG")
