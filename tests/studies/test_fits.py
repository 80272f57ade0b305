"""Both protocols: arms share initialisation and batches, and the second stage starts where the plain arm ended."""

import numpy as np
import pytest

import jaxgen
from jaxgen import bases, nets, objectives
from jaxgen import transforms as T
from jaxgen.studies.fits import EQUAL_STEPS, SAME_STAGE, Arm, Training, two_protocols
from jaxgen.training import adam

MODEL = jaxgen.Model(bases.normal((1,)), T.diagonal_affine())
X = np.random.default_rng(0).normal(3.0, 2.0, (256, 1)).astype(np.float32)


def likelihood(learning_rate):
    return jaxgen.Entry(MODEL, objectives.maximum_likelihood(MODEL), adam(learning_rate))


def judge(entry, params):
    return {"loc": float(params["loc"][0]), "scale": float(np.exp(params["log_scale"][0]))}


def values(rows):
    return {(row["protocol"], row["arm"], row["figure"]): row["value"] for row in rows}


def test_arms_differ_by_the_change_alone_and_go_on_from_the_plain_arm():
    plain, still = Arm("plain", likelihood(0.02), 0.0), Arm("still", likelihood(1e-9), 0.0)
    rows = two_protocols([plain, still], Training(0, 40, X, 64), judge)
    value = values(rows)
    assert value[EQUAL_STEPS, "still", "loc"] == pytest.approx(0, abs=1e-5)
    for figure in ("loc", "scale"):
        # An arm that does not learn keeps what the plain arm has learnt from scratch, and the plain arm learns on.
        assert value[SAME_STAGE, "still", figure] == pytest.approx(value[EQUAL_STEPS, "plain", figure], rel=1e-5)
        assert value[SAME_STAGE, "plain", figure] > 1.1 * value[EQUAL_STEPS, "plain", figure] > 0.3
    assert {row["against"] for row in rows if row["arm"] == "still"} == {"plain"}
    same = values(two_protocols([plain, plain._replace(name="again")], Training(0, 40, X, 64), judge))
    assert same[EQUAL_STEPS, "plain", "loc"] == same[EQUAL_STEPS, "again", "loc"] == value[EQUAL_STEPS, "plain", "loc"]
    assert same[SAME_STAGE, "plain", "loc"] == same[SAME_STAGE, "again", "loc"]


def test_a_change_of_objective_gets_auxiliaries_of_its_own():
    game = objectives.adversarial(MODEL, nets.mlp(1, width=4, depth=1))
    arms = [Arm("plain", likelihood(0.05), 0.0), Arm("game", jaxgen.Entry(MODEL, game), 0.0)]
    rows = two_protocols(arms, Training(1, 4, X, 64), judge)
    assert len(rows) == 8 and np.isfinite([row["value"] for row in rows]).all()
