"""A small synthetic picture, complete with a density, trajectories and both kinds of dropped part."""

import numpy as np
import pytest

from jaxgen.viz import Dropped, Picture, Stage


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    base = rng.standard_normal((300, 2))
    turn = np.array([[0.0, -0.8], [0.8, 0.0]])
    line = np.linspace(-2, 2, 30)
    grid = np.stack([np.stack([np.full(30, value), line], axis=-1) for value in (-1.0, 0.0, 1.0)])
    axis = np.linspace(-3, 3, 40)
    log_density = -(axis[None, :] ** 2 + axis[:, None] ** 2)
    stages = tuple(
        Stage(label, (1 - t) * base + t * base @ turn, (1 - t) * grid + t * grid @ turn)
        for label, t in (("base noise", 0.0), ("after layer 1", 0.5), ("output", 1.0))
    )
    return Picture(
        name="demo", family="normalizing flow", objective="maximum likelihood", reading="", colour=base, base_kind="gaussian",
        stages=stages, target=rng.standard_normal((250, 2)) @ turn, density=(axis, axis, log_density), density_label="exact",
        paths=np.stack([stages[0].points[:20], stages[1].points[:20], stages[2].points[:20]], axis=1),
        dropped=(Dropped("codes", "points", base, None, True), Dropped("critic", "field", None, (axis, axis, log_density), False)),
    )  # fmt: skip
