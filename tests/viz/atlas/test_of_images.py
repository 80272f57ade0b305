"""Panels of image models, on models whose images are known from their noise."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxgen
from jaxgen import bases, objectives
from jaxgen import transforms as T
from jaxgen.training import Fitted
from jaxgen.transform import Hooks, Maps, Transform, no_params
from jaxgen.viz.atlas import images_panel, of_images
from jaxgen.viz.atlas.of_images import COLUMNS, LINES, NUM, SIDE

EVENT = (3, 4, 1)
KEY = jax.random.key(0)


def entry_of(base, transform):
    model = jaxgen.Model(base, transform)
    return jaxgen.Entry(model, objectives.maximum_likelihood(jaxgen.Model(bases.normal((1,)), T.affine(0.0, 1.0))))


def shown(base, transform, levels=2):
    return images_panel(KEY, entry_of(base, transform), Fitted((), (), {}, "finished", None), "name", levels)


def test_lines_and_planes_keep_the_law_of_the_noise():
    panel = shown(bases.normal(EVENT), T.affine(0.0, 1.0))
    assert panel.lines.shape == (LINES, COLUMNS, *EVENT) and panel.plane.shape == (SIDE, SIDE, *EVENT)
    # The identity shows the noise itself: great circles between two draws.
    for j, angle in enumerate(np.linspace(0, np.pi / 2, COLUMNS)):
        expected = np.cos(angle) * panel.lines[:, 0] + np.sin(angle) * panel.lines[:, -1]
        np.testing.assert_allclose(panel.lines[:, j], expected, atol=1e-5)
    corners = panel.plane[0, 0], panel.plane[0, -1], panel.plane[-1, 0], panel.plane[-1, -1]
    np.testing.assert_allclose(corners[0] + corners[3], corners[1] + corners[2], atol=1e-5)
    numbers = np.concatenate([panel.lines.ravel(), panel.plane[::7, ::7].ravel()])
    assert 0.7 < numbers.std() < 1.3
    # Through the quantiles, uniform noise stays uniform noise.
    uniform = shown(bases.uniform(EVENT), T.affine(0.0, 1.0)).lines
    assert uniform.min() > 0 and uniform.max() < 1 and 0.2 < uniform.std() < 0.37


def test_the_order_of_pixels_is_that_in_which_they_leave_the_noise(monkeypatch):
    """Pixels become their final value one after another, the last first."""
    size = int(np.prod(EVENT))
    set_at = np.arange(size)[::-1].reshape(EVENT)

    def forward(params, z, cond=None):
        return (z > 0.5).astype(jnp.float32)

    def stages(params, z, cond=None):
        step = jnp.arange(size).reshape(-1, 1, 1, 1)
        return jnp.where(set_at[None] <= step, forward(params, z)[None], z[None])

    monkeypatch.setattr(of_images, "MAX_STAGES", 5)
    panel = shown(bases.uniform(EVENT), Transform(no_params, Maps(forward), hooks=Hooks(stages)))
    np.testing.assert_allclose(panel.order, set_at[..., 0] / size)
    assert panel.stages.shape == (6, NUM, *EVENT) and (panel.steps[0], panel.steps[-1]) == (1, size)
    for step, images in zip(panel.steps, panel.stages[1:], strict=True):
        # What is set has a level, and all else shows the noise as before.
        assert np.isin(images[:, set_at < step], [0, 1]).all()
        np.testing.assert_array_equal(images[:, set_at >= step], panel.stages[0][:, set_at >= step])


def test_a_model_of_one_step_has_its_noise_and_its_output():
    panel = shown(bases.normal(EVENT), T.affine(1.0, 2.0), levels=5)
    assert panel.line and panel.order is None and len(panel.stages) == 2
    # Noise is shown by its ranks, whatever the base; the output by its levels.
    order = np.argsort(panel.stages[0][0], axis=None)
    assert np.all(np.diff(panel.stages[1][0].ravel()[order]) > 0)
    assert (panel.stages[0].min(), panel.stages[0].max()) == (0, 1)


def test_a_condition_holds_for_all_images():
    turned = Transform(no_params, Maps(lambda params, z, cond=None: jnp.full(EVENT, cond[1])))
    panel = images_panel(
        KEY, entry_of(bases.normal(EVENT), turned), Fitted((), (), {}, "finished", None), levels=2, cond=jnp.asarray([0.0, 1.0])
    )
    assert np.all(panel.stages[-1] == 1) and np.all(panel.lines == 1) and np.all(panel.plane == 1)


def test_a_latent_noise_is_shown_as_a_texture():
    latent = Transform(no_params, Maps(lambda params, z, cond=None: jnp.full(EVENT, z[0])))
    panel = shown(bases.normal((2,)), latent)
    assert panel.stages[0].shape == panel.stages[1].shape == (NUM, *EVENT)


def test_beside_a_latent_other_noise_is_held_at_its_centre():
    decoder = Transform(no_params, Maps(lambda params, z, cond=None: jnp.full(EVENT, z["latent"][0]) + 10 * z["noise"]))
    base = bases.joint({"latent": bases.normal((2,)), "noise": bases.uniform(EVENT)})
    panel = shown(base, decoder)
    # Half of ten is left of the noise, in every pixel; the samples keep all of it.
    np.testing.assert_allclose(np.ptp(panel.plane - 5, axis=(2, 3, 4)), 0, atol=1e-5)
    assert np.ptp(panel.plane) > 0.5 and np.abs(panel.plane - 5).max() < 5 and np.ptp(panel.stages[-1][0]) > 3
