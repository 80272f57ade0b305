"""The study `bridge`: its targets are the densities they say, its cells are enough, and its judges can say no."""

import jax
import numpy as np
import pytest

from jaxgen.studies import STUDIES
from jaxgen.studies.bridge.study import REMEDY_TARGETS
from jaxgen.studies.bridge.targets import TARGETS, TWO_MODES, target

STUDY = STUDIES["bridge"]


@pytest.mark.parametrize("name", ["two_gaussians_8", "bananas"])
def test_target_densities_integrate_to_one_and_draws_follow_them(name):
    this, side = target(name), np.linspace(-4, 4, 401)
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
    density = np.exp(np.asarray(jax.jit(jax.vmap(this.log_prob))(grid), np.float64)) * (side[1] - side[0]) ** 2
    assert density.sum() == pytest.approx(1, abs=2e-3)
    x = this.draw(0, 20_000)
    assert x.mean(0) == pytest.approx(density @ grid, abs=0.03)
    assert (x**2).mean(0) == pytest.approx(density @ grid**2, rel=0.05)


@pytest.mark.parametrize("name", TARGETS)
def test_sets_are_apart_and_hold_data(name):
    this = target(name)
    x = this.draw(0, 4_000)
    assert this.sets.gaps().min() > 0
    assert this.sets.num == len(set(this.label(x)) - {-1})
    assert this.sets.shares(x)[:-1].sum() > 0.35


def test_the_full_form_has_two_hundred_runs_of_every_family_and_target():
    cells = [cell for cell in STUDY.cells(False, range(5)) if cell["part"] == "bounds"]
    assert len(cells) >= 200
    assert {cell["target"] for cell in cells} == set(TARGETS)
    assert len({cell["model"] for cell in cells}) == 8


def bounds_row(z=0.0, ratio=1.0, kl_z=1.0):
    return {"part": "bounds", "target": TWO_MODES[0], "local_z": z, "path_z": None, "path_ratio": ratio, "kl_z": kl_z, "tested": 1}


def remedy_rows(excess, worse):
    for index, where in enumerate(REMEDY_TARGETS):
        for model, bridge, nll in (("one Gaussian", 0.1, 1.0), ("mixture base", 0.1 * excess, 1.0 + worse)):
            yield {"part": "remedies", "target": where, "model": model, "seed": index, "bridge": bridge, "real_bridge": 0.0, "nll": nll}


def verdicts(rows):
    rows = list(rows)
    return [prediction.judge(rows).holds for prediction in STUDY.predictions]


def test_judges_hold_refute_and_wait():
    assert verdicts([]) == [None] * 7
    assert verdicts([bounds_row()] * 5)[:3] == [True, True, True]
    assert verdicts([bounds_row(z=-9.0), bounds_row()])[0] is False
    assert verdicts([bounds_row(kl_z=-9.0)])[1] is False
    assert verdicts([bounds_row(ratio=1.3)])[2] is False
    assert verdicts(remedy_rows(0.4, 0.0))[3] is True
    assert verdicts(remedy_rows(0.6, 0.0))[3] is False
    assert verdicts(remedy_rows(0.4, 0.02))[3] is False
