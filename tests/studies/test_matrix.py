"""The matrix and the question of one objective: what is refused and why, figures of known shifts, verdicts by hand, one cell trained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.model import init
from jaxgen.objective import Batch, PairingError
from jaxgen.studies import STUDIES, measured, targets
from jaxgen.studies.matrix import MATRIX
from jaxgen.studies.measured import cell_of, measure
from jaxgen.studies.pairings import COLUMNS, NATIVE, paired_entry
from jaxgen.studies.targets import NUM_POINTS, NUM_TEST_DRAWS, Target, excess
from jaxgen.studies.transforms_compared import ROWS, rounded
from jaxgen.studies.universal import UNIVERSAL, ratios
from jaxgen.training import TrainingDiverged, fit_seeds

REFUSED = {
    "coupling": {"denoising": "parts eps", "flow matching": "parts velocity"},
    "categories": {
        "denoising": "parts eps",
        "flow matching": "parts velocity",
        **dict.fromkeys([name for name in COLUMNS if name not in ("likelihood", "denoising", "flow matching")], "a category has none"),
    },
    "noisy decoder": {"denoising": "parts eps", "flow matching": "parts velocity"},
    "free generator": {"likelihood": "implicit", "denoising": "parts eps", "flow matching": "parts velocity"},
    "flow map": {"likelihood": "density of another transform"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_with_its_reason_and_all_else_is_paired(name):
    """By the factory or, where params are needed, by `init`; nothing is trained."""
    row, found = ROWS[name], {}
    model = row.build(2).model
    params = init(jax.random.key(0), model)
    for column in COLUMNS:
        try:
            paired_entry(row, column, 2).objective.init(jax.random.key(0), params, Batch(jnp.zeros((4, 2))))
        except PairingError as error:
            found[column] = str(error)
    assert set(found) == set(REFUSED[name])
    for column, message in REFUSED[name].items():
        assert message in found[column], column


def test_at_least_forty_pairings_are_in_the_quick_form():
    assert {"matrix", "universal"} <= set(STUDIES) and len(ROWS) == 13
    for study, quick, least in ((MATRIX, True, 60), (MATRIX, False, 150), (UNIVERSAL, True, 24), (UNIVERSAL, False, 48)):
        cells = study.cells(quick, (0, 1, 2, 3, 4))
        assert len(cells) >= least and all(cell["seeds"] == [0, 1, 2] for cell in cells)
        assert all(cell["objective"] in (*COLUMNS, NATIVE) and cell["transform"] in ROWS for cell in cells)


@pytest.fixture
def small_target(monkeypatch):
    """A standard Gaussian in the plane, of few points, in place of every target."""
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((2, 20, 200, 2)).astype(np.float32)
    goal = Target(rng.standard_normal((500, 2)).astype(np.float32), *draws)
    monkeypatch.setattr(measured, "_target", lambda dim: goal)
    monkeypatch.setattr(measured, "NUM_POINTS", 200)
    return goal


def test_the_excess_of_data_is_none_and_that_of_a_shift_is_known(small_target):
    data = np.random.default_rng(1).standard_normal((4_000, 2)).astype(np.float32)
    same, far = excess(data, small_target), excess(data + [3.0, 4.0], small_target)
    assert abs(same["energy_excess"]) < 4 * same["energy_spread"] and abs(same["sw2_excess"]) < same["sw2_spread"]
    # The sliced distance of a shift by v is |v| / sqrt(2) in the plane.
    np.testing.assert_allclose(far["sw2_excess"] + far["sw2_floor"], 5 / np.sqrt(2), rtol=0.05)
    assert far["energy_excess"] > 3 and far["sw2_floor"] == same["sw2_floor"]


def test_points_are_rounded_to_the_middle_of_their_category():
    np.testing.assert_allclose(rounded(np.asarray([-3.0, 0.01, 0.18, 9.0])), [-2.90625, 0.09375, 0.09375, 2.90625])


def test_a_cell_is_trained_from_its_seeds_and_judged(small_target):
    rows = measure(cell_of("binned autoregressive", NATIVE, 2, 3, (4, 7), batch_size=16))
    assert [row["seed"] for row in rows] == [4, 7] and all(np.isfinite(row["nll"]) for row in rows)
    assert rows[0]["energy_excess"] != rows[1]["energy_excess"] and rows[0]["density"] == "exact"
    assert len(rows[0]["samples"]) == 300 and len(rows[0]["target"]) == 200 and "samples" not in rows[1]
    texts = MATRIX.table.cells({**cell_of("binned autoregressive", NATIVE, 2, 3, (4, 7)), **rows[0]})
    assert len(texts) == len(MATRIX.table.columns)
    section = MATRIX.table.sections([{**cell_of("binned autoregressive", NATIVE, 2, 3, (4, 7)), **row} for row in rows])
    assert len(section[0].pictures) == 1
    (refused,) = measure(cell_of("categories", "energy", 2, 3, (4, 7)))
    assert refused["status"].startswith("refused: energy: model=one whose samples are piecewise constant")


def test_a_seed_that_diverges_has_no_figures_and_the_others_have(small_target, monkeypatch):
    def diverging(seeds, entry, data, num_steps, **options):
        fitted = fit_seeds(seeds, entry, data, num_steps, **options)
        fitted.history["loss"][1, 2] = np.nan
        raise TrainingDiverged(2, {}, fitted)

    monkeypatch.setattr(measured, "fit_seeds", diverging)
    good, bad = measure(cell_of("binned autoregressive", NATIVE, 2, 3, (4, 7), batch_size=16))
    assert (
        np.isfinite(good["energy_excess"]) and bad == {"seed": 7, "status": bad["status"]} and bad["status"].startswith("failed: loss or")
    )


def rows_of(transform, objective, energy, sw2, dim=2):
    head = {"transform": transform, "objective": objective, "dim": dim, "status": "ok", "seeds": [0, 1, 2]}
    spreads = {"energy_spread": 0.01, "sw2_spread": 0.1}
    return [{**head, "seed": i, "energy_excess": energy + 0.001 * (i - 1), "sw2_excess": sw2, **spreads} for i in range(3)]


def test_a_ratio_is_of_means_over_seeds_and_counts_no_floor():
    rows = rows_of("coupling", NATIVE, 0.1, 0.2) + rows_of("coupling", "drifting", 0.12, 0.2)
    rows += rows_of("spline", NATIVE, 0.005, 0.2) + rows_of("spline", "drifting", 0.1, 0.5)
    rows += rows_of("residual", NATIVE, 0.005, 0.05) + rows_of("residual", "drifting", 0.1, 0.5)
    found = ratios(rows, 2)
    np.testing.assert_allclose([found["coupling"], found["spline"]], [1.2, 2.5])
    assert found["residual"] is None and ratios(rows, 8) == {}
    first, second, *_ = UNIVERSAL.predictions
    assert first.judge(rows).holds is False and first.judge(rows[:6]).holds and second.judge(rows[:6]).holds
    assert first.judge([]).holds is None and "1 of 2: coupling 1.20, spline 2.50; at the floor: residual." in first.judge(rows).evidence
    finite, fades = UNIVERSAL.predictions[2], UNIVERSAL.predictions[-1]
    every = [row for name, row in ROWS.items() if not row.categories for row in rows_of(name, "drifting", 0.1, 0.5)]
    assert finite.judge(every).holds and finite.judge(every[1:]).holds is False and finite.judge(every[3:]).holds is None
    far = rows_of("coupling", NATIVE, 0.1, 0.2, 64) + rows_of("coupling", "sliced W2", 0.3, 0.9, 64)
    assert fades.judge(far).holds and fades.judge(far[:3]).holds is None
    counted, useful = (prediction.judge(rows) for prediction in MATRIX.predictions)
    assert counted.holds is False and "6 pairings" in counted.evidence and useful.holds is False


@pytest.mark.parametrize("dim", [2, 64])
def test_targets_are_standardised_and_their_draws_differ(dim, monkeypatch):
    monkeypatch.setattr(targets, "NUM_POINTS", 50)
    goal = targets.target(dim)
    assert goal.train.shape[1] == dim and goal.tests.shape == goal.again.shape == (NUM_TEST_DRAWS, 50, dim)
    assert abs(goal.train.mean()) < 0.05 and abs(goal.train.std() - 1) < 0.05 and not np.array_equal(goal.tests[0], goal.tests[1])
    with pytest.raises(ValueError, match="target: dim=3; accepted: 2, 8, 64"):
        targets.target(3)
    assert NUM_POINTS == 1_000
