"""The picture of discrete events: one panel a stage, one cell a site, and the mask in grey."""

import jax
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from jaxgen import init, zoo
from jaxgen.cli.sites import sites_png
from jaxgen.viz.sites import MASKED, SitesPicture, draw_sites

STAGES = np.array([[[2, 2], [2, 2]], [[0, 2], [2, 1]], [[0, 1], [1, 1]]])
PICTURE = SitesPicture("masked_diffusion", ("noise", "t = 0.50", "output"), STAGES, STAGES[-1], 2)


def test_masks_are_grey_until_a_site_has_its_colour():
    figure = draw_sites(PICTURE)
    assert [axes.get_title() for axes in figure.axes] == ["noise", "t = 0.50", "output", "target"]
    images = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    grey = [np.isclose(image, to_rgb(MASKED)).all(-1) for image in images]
    assert [g.sum() for g in grey] == [4, 2, 0, 0] and (grey[1] == (STAGES[1] == 2)).all()
    assert not np.allclose(images[2][0, 0], images[2][0, 1]) and np.allclose(images[2][1, 0], images[2][1, 1])


def test_an_entry_is_followed_from_noise_to_data():
    entry = zoo.build("masked_diffusion", (5,), **zoo.small("masked_diffusion", (5,)))
    params = init(jax.random.key(0), entry.model)
    assert sites_png(jax.random.key(1), entry, params, np.zeros((3, 5)), 2).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("noise",)}, r"stages of shape \(3, 2, 2\) with 1 labels"),
        ({"target": np.zeros((2, 3))}, r"target of shape \(2, 3\); accepted: \(m, 2\)"),
        ({"target": np.full((2, 2), 3)}, "masked_diffusion has a state that is no code; accepted: 0 to 2"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        draw_sites(PICTURE._replace(**change))
