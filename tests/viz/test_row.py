"""A row has the columns it declares, one pair of axes for its data columns, and one colour per point all the way."""

import io

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.image import imread

from jaxgen.viz import Dropped, Stage, draw_row, figure_png
from jaxgen.viz.palette import base_colours


def _axes(figure, role):
    return [axes for axes in figure.axes if axes.get_label() == role]


def _points(axes):
    return next(child for child in axes.collections if isinstance(child, PathCollection))


def _limits(axes):
    return (*axes.get_xlim(), *axes.get_ylim())


def test_the_columns_stand_in_order(picture):
    figure = draw_row(picture)
    assert [axes.get_label() for axes in figure.axes] == ["base", "stage", "output", "target", "density", "paths", "dropped", "dropped"]
    assert [axes.get_title() for axes in figure.axes] == [
        "base noise", "after layer 1", "output", "target", "learned density", "trajectories", "codes", "critic",
    ]  # fmt: skip
    lefts = [axes.get_position().x0 for axes in figure.axes]
    assert lefts == sorted(lefts) and figure.axes[-1].get_position().x1 < 1


def test_an_implicit_model_says_that_it_has_no_density(picture):
    figure = draw_row(picture._replace(density=None, paths=None, dropped=()))
    assert [axes.get_label() for axes in figure.axes] == ["base", "stage", "output", "target", "none"]
    assert "no density" in figure.axes[-1].texts[0].get_text()


def test_data_columns_share_their_limits(picture):
    for scale in (1.0, 40.0):
        stages = (picture.stages[0]._replace(points=scale * picture.stages[0].points), *picture.stages[1:])
        figure = draw_row(picture._replace(stages=stages))
        shared = {_limits(axes) for role in ("stage", "output", "target", "density") for axes in _axes(figure, role)}
        assert len(shared) == 1
        (base,) = _axes(figure, "base")
        if scale == 1.0:
            assert {_limits(base)} == shared and not base.texts
        else:
            assert base.get_xlim()[1] > 60 and "own axes" in base.texts[0].get_text()


def test_a_stage_far_outside_is_shown_whole_and_says_so(picture):
    far = Stage("σ = 40", 40.0 * picture.stages[0].points)
    figure = draw_row(picture._replace(stages=(picture.stages[0], far, picture.stages[2])))
    (stage,) = _axes(figure, "stage")
    assert stage.get_xlim()[1] > 60 and "own axes" in stage.texts[0].get_text()
    assert _limits(*_axes(figure, "output")) == _limits(*_axes(figure, "target"))


def test_a_point_keeps_the_colour_of_where_it_started(picture):
    figure = draw_row(picture)
    expected = base_colours(picture.colour, "gaussian")
    for stage, axes in zip(picture.stages, figure.axes, strict=False):
        np.testing.assert_allclose(_points(axes).get_facecolors()[:, :3], expected)
        np.testing.assert_allclose(_points(axes).get_offsets(), stage.points)
    (paths,) = _axes(figure, "paths")
    lines = next(child for child in paths.collections if isinstance(child, LineCollection))
    np.testing.assert_allclose(lines.get_colors()[:, :3], expected[:20])


def test_the_base_grid_is_drawn_over_every_stage_that_has_one(picture):
    figure = draw_row(picture)
    for stage, axes in zip(picture.stages, figure.axes, strict=False):
        (lines,) = (child for child in axes.collections if isinstance(child, LineCollection))
        np.testing.assert_allclose(lines.get_segments(), stage.grid)
    bare = draw_row(picture._replace(stages=tuple(stage._replace(grid=None) for stage in picture.stages)))
    assert not any(isinstance(child, LineCollection) for axes in bare.axes[:3] for child in axes.collections)


def test_what_sampling_drops_is_grey(picture):
    figure = draw_row(picture._replace(dropped=(Dropped("codes", "points", picture.colour), picture.dropped[1])))
    codes, critic = _axes(figure, "dropped")
    (rgb,) = np.unique(_points(codes).get_facecolors()[:, :3], axis=0)
    assert np.ptp(rgb) < 0.02
    assert np.ptp(critic.get_images()[0].get_array()[..., :3], axis=-1).max() < 0.02
    traced = draw_row(picture)
    spread = [np.ptp(_points(axes).get_facecolors()[:, :3], axis=-1).mean() for axes in (traced.axes[0], _axes(traced, "dropped")[0])]
    assert spread[1] < 0.4 * spread[0]


def test_the_density_is_darkest_where_it_is_highest(picture):
    xs, ys = np.linspace(-3, 3, 40), np.linspace(-3, 3, 30)
    log_density = -50 * ((xs[None, :] - 1.5) ** 2 + (ys[:, None] + 1.5) ** 2)
    log_density[0, 0], log_density[0, 1] = -np.inf, np.nan
    (axes,) = _axes(draw_row(picture._replace(density=(xs, ys, log_density))), "density")
    image = axes.get_images()[0]
    row, column = np.unravel_index(image.get_array()[..., 3].argmax(), (30, 40))
    assert abs(xs[column] - 1.5) < 0.3 and abs(ys[row] + 1.5) < 0.3
    left, right, bottom, top = image.get_extent()
    assert left < -3 < 3 < right and bottom < -3 < 3 < top and image.origin == "lower"


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_a_model_that_diverged_is_drawn_all_the_same(picture, hole):
    points = np.full_like(picture.stages[2].points, hole)
    figure = draw_row(
        picture._replace(stages=(*picture.stages[:2], Stage("output", points, np.full((2, 5, 2), hole))), colour=picture.colour)
    )
    assert figure_png(figure).startswith(b"\x89PNG")


def test_png_is_transparent_and_repeatable(picture):
    png = figure_png(draw_row(picture), dpi=60)
    assert png == figure_png(draw_row(picture), dpi=60)
    image = imread(io.BytesIO(png))
    assert image.shape[2] == 4 and image[0, 0, 3] == 0
