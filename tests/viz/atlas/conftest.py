"""Small panels made by formulas, and a page of them."""

import numpy as np
import pytest
from scipy.stats import norm

from jaxgen.evaluation.tracks import shared_uniforms
from jaxgen.viz import Dropped
from jaxgen.viz.atlas import Panel, Tiles
from jaxgen.viz.atlas.panel import Label, Way

NUM, ROWS, SIDE = 200, 60, 9


def turned(points, angle):
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


@pytest.fixture
def uniforms():
    return shared_uniforms(NUM)


@pytest.fixture
def make_panel(uniforms):
    """`make_panel(name, angle)`: a model that turns the plane by an angle in four stages and stretches it by two along the first axis."""

    def make(name="turn", angle=1.0, stages=4, **changes):
        real = np.random.default_rng(1).normal(size=(ROWS, 2)) * [2, 1]
        line = np.linspace(-2, 2, SIDE)
        lattice = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)

        def way(noise, log_density=None):
            places = [turned(noise * [1 + t, 1], angle * t) for t in np.linspace(0, 1, stages + 1)]
            return Way(np.stack(places), log_density)

        axis = np.linspace(-4, 4, 24)
        noise = norm.ppf(uniforms)
        fields = {
            "label": Label(name, "turns", "none", "", "#3b82e0", "It turns.", {"density": "exact"}),
            "samples": way(noise, norm.logpdf(noise).sum(1) - np.log(2)),
            "rows": way(turned(real, -angle) / [2, 1]),
            "lattice": way(lattice),
            "real": real,
            "steps": tuple(range(1, stages + 1)),
            "found": "its inverse",
            "kind": "exact",
            "density": (axis, axis, -0.5 * (axis[None] ** 2 / 4 + axis[:, None] ** 2)),
            "dropped": (Dropped("codes", "points", real / 2), Dropped("critic", "field", None, (axis, axis, np.add.outer(axis, axis)))),
        }
        return Panel(**(fields | changes))

    return make


@pytest.fixture
def make_tiles():
    def make(name="pixels"):
        rng = np.random.default_rng(2)
        images = lambda *shape: rng.uniform(size=(*shape, 5, 5, 1))
        return Tiles(Label(name), images(3, 4), images(2, 3), images(3, 3), np.arange(25).reshape(5, 5) / 25, "t = {time}")

    return make
