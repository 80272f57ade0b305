"""What a notebook shows: the picture of a model, its density, pair plots, image grids and the curves of a fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jaxgen
from jaxgen import viz
from jaxgen.evaluation.tracks import as_followed, track
from jaxgen.viz.corner import level_of_mass
from jaxgen.viz.of_entry import picture

GAUSSIAN = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(jnp.asarray([1.0, -1.0]), jnp.asarray([2.0, 0.5])))
ENTRY = jaxgen.Entry(GAUSSIAN, jaxgen.objectives.maximum_likelihood(GAUSSIAN))
X = np.asarray(jaxgen.sample(jax.random.key(0), GAUSSIAN, (), 400))


def fitted_of(params, **history):
    steps = np.arange(1.0, 401.0)
    return jaxgen.Fitted(params, (), {"loss": 1 / steps, "gradient_norm": 1 / steps, "num_steps": 400, **history})


def test_show_draws_the_density_that_the_model_has():
    entry = jaxgen.Entry(GAUSSIAN, jaxgen.objectives.maximum_likelihood(GAUSSIAN))
    figure = viz.show(entry, fitted_of(()), X, size=9)
    assert {axes.get_label() for axes in figure.axes} >= {"base", "output", "target", "density"}
    shaded = next(axes for axes in figure.axes if axes.get_label() == "density").images[0].get_array()
    # The opacity is the root of the density up to the cap at its highest percentile.
    _, _, points = jaxgen.evaluation.density_grid(X, 9)
    logs, seen = scipy.stats.norm.logpdf(points, [1, -1], [2, 0.5]).sum(1), 2 * np.log(shaded[..., 3].ravel())
    below = seen < 0
    assert below.sum() > 70
    np.testing.assert_allclose(np.diff(seen[below]), np.diff(logs[below]), rtol=1e-4, atol=1e-4)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_density_integrates_to_one_on_a_wide_window_and_follows_the_condition():
    wide = np.concatenate([X, [[-9.0, -4.0], [11.0, 3.0]]])
    mesh = viz.density(GAUSSIAN, (), wide, size=120).axes[0].collections[0]
    corners = mesh.get_coordinates()
    area = np.diff(corners[0, :, 0]).mean() * np.diff(corners[:, 0, 1]).mean()
    assert float(mesh.get_array().sum() * area) == pytest.approx(1, abs=0.01)
    shift = jaxgen.bijection(
        lambda key, z, cond=None: (),
        lambda params, z, cond=None: (z + cond, jnp.zeros(())),
        lambda params, x, cond=None, key=None: jaxgen.Preimage(x - cond, jnp.zeros(())),
    )
    shifted = jaxgen.Model(jaxgen.bases.normal((2,)), shift)
    points = jaxgen.evaluation.density_grid(X, 5)[2]
    values = viz.density(shifted, (), X, cond=np.array([3.0, -1.0]), size=5).axes[0].collections[0].get_array()
    np.testing.assert_allclose(values.ravel(), scipy.stats.norm.pdf(points, [3, -1]).prod(1), rtol=1e-4)


def test_a_level_encloses_the_stated_mass():
    counts = np.random.default_rng(0).random((20, 20))
    for mass in (0.1, 0.5, 0.95):
        level = level_of_mass(counts, mass)
        inside = counts[counts >= level].sum() / counts.sum()
        assert mass <= inside < mass + counts.max() / counts.sum()


def test_a_corner_has_a_panel_a_pair_and_the_names():
    figure = viz.corner({"data": X, "model": X + 1}, ["height", "weight"])
    assert len(figure.axes) == 3
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "height", "weight"] and figure.axes[1].get_ylabel() == "weight"
    low, high = figure.axes[1].get_ylim()
    assert low < np.percentile(X[:, 1], 1) and high > np.percentile(X[:, 1] + 1, 99)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: viz.corner({}), "accepted: 1 to 4 by name"),
        (lambda: viz.corner(X), "corner: samples=<ndarray>; accepted: samples by what they are"),
        (lambda: viz.corner({"a": X, "b": X[:, :1]}), r"samples\['b'\] of shape"),
        (lambda: viz.corner({"a": X}, ["one"]), "accepted: 2 names"),
        (lambda: viz.corner({"a": np.full((3, 2), np.nan)}), "6 numbers not finite"),
        (lambda: viz.corner({"a": X}, masses=(1.5,)), "corner: masses=1.5"),
        (lambda: viz.grid(np.zeros((2, 3))), "grid: images of shape"),
        (lambda: viz.grid(np.full((2, 3, 3), np.inf)), "18 numbers that are not finite"),
        (lambda: viz.density(GAUSSIAN, (), X[:, :1]), r"accepted: \(m, 2\)"),
        (
            lambda: viz.show(jaxgen.Entry(GAUSSIAN, jaxgen.objectives.maximum_likelihood(GAUSSIAN)), fitted_of(()), X[0]),
            "show: data of shape",
        ),
        (lambda: viz.show(ENTRY, fitted_of(()), np.full((3, 2), np.nan)), "show: data with 6 numbers that are not finite"),
        (lambda: viz.show(ENTRY, fitted_of(()), np.ones((3, 5))), r"show: x has shape \(3, 5\); accepted: \(n, 2\)"),
        (lambda: viz.show(ENTRY, fitted_of(()), [["a", "b"]]), "show: data=<list> that holds no numbers"),
        (lambda: viz.show(ENTRY, fitted_of(()), X, cond=X), "show: entry=one of vectors with conditions"),
        (lambda: viz.show(ENTRY, (), X), "show: fitted=<tuple>; accepted: what jaxgen.fit returned"),
        (lambda: viz.show(GAUSSIAN, fitted_of(()), X), "show: entry=<Model>; accepted: the jaxgen.Entry"),
        (
            lambda: viz.show(ENTRY, fitted_of((), loss=np.ones((5, 400))), X),
            r"show: fitted=one of 5 seeds; accepted: .*one_seed\(fitted, 0\)",
        ),
        (lambda: viz.training(fitted_of((), loss=np.ones((5, 400)))), "training: fitted=one of 5 seeds"),
    ],
)
def test_what_cannot_be_drawn_is_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_a_grid_places_images_row_by_row():
    images = np.arange(5)[:, None, None, None] * np.ones((5, 2, 3, 1))
    page = viz.grid(images, columns=3).axes[0].images[0].get_array()
    assert page.shape == (5, 11)
    np.testing.assert_allclose([page[0, 0], page[0, 4], page[0, 8], page[3, 0], page[3, 4]], np.arange(5) / 4)
    assert page[0, 3] == page[2, 0] == page[3, 8] == 0.5
    assert viz.grid(np.repeat(images, 3, -1)).axes[0].images[0].get_array().shape == (8, 7, 3)


def test_the_curve_keeps_the_range_of_every_step_and_rings_the_best():
    figure = viz.training(fitted_of((), valid_step=np.array([10, 20, 30]), valid_loss=np.array([3.0, 1.0, 2.0])))
    above, below = figure.axes
    band = above.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(1.0) and band.min() == pytest.approx(1 / 400)
    ring = above.lines[-1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (20, 1.0)
    assert below.get_yscale() == "log" and "400 steps" in above.get_title()


def test_noise_of_one_coordinate_is_drawn_without_a_grid():
    line = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(1.0, 2.0))
    entry = jaxgen.Entry(line, jaxgen.objectives.maximum_likelihood(line))
    x = np.asarray(jaxgen.sample(0, line, (), 50))
    drawn = picture(entry, fitted_of(()), as_followed(track(jax.random.key(0), line, (), x)), x, None, "")
    assert [stage.grid for stage in drawn.stages] == [None, None]
    assert {axes.get_label() for axes in viz.draw_row(drawn).axes} >= {"base", "output"}
