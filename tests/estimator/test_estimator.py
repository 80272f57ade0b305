"""The estimator keeps scikit-learn's conventions, and its density is that of the table in its own units."""

import copy
import subprocess
import sys

import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import jaxgen
from jaxgen.estimator import Settings, auto, fit_table, layouts
from jaxgen.estimator.auto import FLOW_ROWS
from jaxgen.estimator.layouts import choose_layout, layout_of
from jaxgen.estimator.stacked import log_prob_of
from jaxgen.zoo.marginals import _Family, _fitted

TRAINED = {"options": {"width": 8, "depth": 1, "num_layers": 2}, "num_steps": 20, "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).multivariate_normal([170.0, 65.0], [[100.0, 60.0], [60.0, 64.0]], 200)


@pytest.fixture(scope="module")
def fitted(rows):
    return jaxgen.Estimator(random_state=0).fit(rows)


def test_the_density_is_that_of_the_rows_in_their_units(rows, fitted):
    fresh = np.random.default_rng(1).multivariate_normal([170.0, 65.0], [[100.0, 60.0], [60.0, 64.0]], 2_000)
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * np.asarray([[100.0, 60.0], [60.0, 64.0]]))[1]
    assert abs(-fitted.score(fresh) - entropy) < 0.1
    drawn = fitted.sample(4_000, random_state=1)
    np.testing.assert_allclose(drawn.mean(0), rows.mean(0), atol=0.7)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(rows.T), rtol=0.15)


def test_scores_are_per_row_whatever_their_company(rows, fitted):
    scores = fitted.score_samples(rows)
    assert scores.shape == (200,) and fitted.score(rows) == scores.mean()
    np.testing.assert_array_equal(fitted.score_samples(rows[150:160]), scores[150:160])
    np.testing.assert_array_equal(fitted.score_samples(np.concatenate([rows, rows]))[200:], scores)


def test_equal_seeds_give_equal_estimators_and_other_seeds_other_draws(rows, fitted):
    again = clone(fitted).fit(rows)
    np.testing.assert_array_equal(again.score_samples(rows), fitted.score_samples(rows))
    np.testing.assert_array_equal(again.sample(3), fitted.sample(3))
    assert not np.array_equal(fitted.sample(3, random_state=5), fitted.sample(3, random_state=6))


def test_a_copy_is_made_of_arrays_and_scores_alike(rows, fitted):
    state = fitted.__getstate__()
    leaves = jax.tree.leaves({k: v for k, v in state.items() if k in ("entry_", "fitted_")})
    assert all(isinstance(leaf, np.ndarray | int | float | str | bool) for leaf in leaves)
    np.testing.assert_array_equal(copy.deepcopy(fitted).score_samples(rows), fitted.score_samples(rows))


def test_it_is_saved_as_any_entry(rows, fitted, tmp_path):
    jaxgen.save(tmp_path, fitted.entry_, fitted.fitted_)
    entry, again = jaxgen.load(tmp_path)
    scores = jaxgen.log_prob(entry.model, again.params, rows.astype(np.float32)).value
    np.testing.assert_allclose(scores, fitted.score_samples(rows), rtol=1e-5)


def test_data_frames_go_in_and_come_out(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=["height", "weight"])
    estimator = jaxgen.Estimator(random_state=0).fit(frame)
    drawn = estimator.sample(2)
    assert isinstance(drawn, pandas.DataFrame) and list(drawn.columns) == ["height", "weight"]
    with pytest.raises(ValueError, match="feature names"):
        estimator.score_samples(frame[["weight", "height"]])


def test_it_works_in_a_pipeline_and_in_cross_validation(rows):
    pipeline = make_pipeline(StandardScaler(), jaxgen.Estimator(random_state=0)).fit(rows)
    raw = jaxgen.Estimator(random_state=0).fit(rows)
    # The log density of standardised rows is larger by the logarithm of the scales.
    np.testing.assert_allclose(pipeline.score(rows), raw.score(rows) + np.log(rows.std(0)).sum(), rtol=1e-4)
    assert np.isfinite(cross_val_score(jaxgen.Estimator(random_state=0), rows, cv=2)).all()


def test_an_entry_of_the_zoo_is_validated_and_keeps_its_best_params(rows):
    estimator = jaxgen.Estimator("nsf_ar", **TRAINED).fit(rows)
    assert estimator.entry_.card.name == "nsf_ar" and len(estimator.fitted_.history["valid_loss"]) >= 4
    assert np.isfinite(estimator.score_samples(rows)).all()
    with pytest.raises(ValueError, match="name='nfs'"):
        jaxgen.Estimator("nfs").fit(rows)
    with pytest.raises(jaxgen.ImplicitDensityError):
        jaxgen.Estimator("gan", **{**TRAINED, "options": {"width": 8, "depth": 1}}).fit(rows).score_samples(rows)


def test_many_rows_have_a_flow_beside_the_mixture():
    """The weights are the params' logits, and the density is the weighted sum of the mixture's and the flow's."""
    x = np.random.default_rng(0).standard_normal((FLOW_ROWS, 2)) * [1.0, 5.0] + 3.0
    x[:, 1] += x[:, 0] ** 2
    entry, fitted = fit_table(x, Settings(options=TRAINED["options"], num_steps=20))
    weights = np.exp(np.asarray(fitted.params[0]["logits"]))
    np.testing.assert_allclose(weights, [1 - fitted.history["flow_weight"], fitted.history["flow_weight"]], rtol=1e-5)
    assert entry.card.config["options"]["num_components"] == len(fitted.params[0]["parts"][0]["logits"])
    assert np.isfinite(jaxgen.log_prob(entry.model, fitted.params, np.float32(x)).value).all()


def test_the_weight_is_that_of_the_part_that_predicts(monkeypatch):
    """An untrained flow beside a mixture that has found two narrow clusters hardly counts: two rows of each, and 45 that speak for one."""
    flow = jaxgen.zoo.build("nsf_ar", (1,), **TRAINED["options"])
    start = jaxgen.Fitted(jaxgen.init(jax.random.key(0), flow.model), (), {})
    monkeypatch.setattr(auto, "fit_split", lambda *_: start)
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], (FLOW_ROWS, 1)) + 0.02 * rng.standard_normal((FLOW_ROWS, 1))
    _, fitted = fit_table(x, Settings(options=TRAINED["options"]))
    assert fitted.history["flow_weight"] < 0.1


def test_where_the_flow_diverges_the_mixture_stands_alone(monkeypatch):
    def diverge(*_):
        raise jaxgen.TrainingDiverged(3, {}, jaxgen.Fitted((), (), {}))

    monkeypatch.setattr(auto, "fit_split", diverge)
    estimator = jaxgen.Estimator(random_state=0).fit(np.random.default_rng(0).standard_cauchy((FLOW_ROWS, 1)) ** 3)
    assert estimator.entry_.card.config["options"]["flow"] is False and np.isfinite(estimator.sample(3)).all()


def test_few_rows_do_not_hide_that_an_option_is_unknown(rows):
    """A table without a flow does not read its options, and refuses those that a flow does not have all the same."""
    with pytest.raises(ValueError, match="nsf_ar has no option num_components"):
        jaxgen.Estimator(options={"num_components": 3}).fit(rows)


def test_coordinates_are_those_that_predict_rows_better():
    """Positive columns bend apart what is linear between them, or make normal what is skewed; rows on a grid may reach the bound."""
    rng = np.random.default_rng(0)
    skewed = np.exp(rng.normal(size=(300, 2)) @ [[1.5, 1.4], [0.0, 0.3]])
    chosen = choose_layout(layout_of(skewed), skewed)
    assert chosen.layout == layout_of(skewed) and {m.family for m in chosen.layout.marginals} == {"above"}
    sums = rng.exponential(size=(300, 3)) @ [[1, 0, 1], [0, 1, 1], [0.002, 0.002, 0]]
    straight = choose_layout(layout_of(sums), sums)
    # Both keep the support; one bends only near its end.
    assert straight.layout == layout_of(sums).near_affine(sums) != layout_of(sums)
    for x, table in ((skewed, chosen), (sums, straight)):
        fresh = table.layout.transform().forward((), np.zeros(x.shape[1], np.float32))
        assert np.all(np.asarray(fresh) > 0)
    # What is returned are the log densities of the rows in the coordinates that are returned.
    assert abs(straight.unseen_log_prob(np.arange(300)).mean() - straight.stacked.score) < 1e-9 and straight.rows.shape == sums.shape


def test_an_interval_that_is_a_coincidence_is_given_up_and_one_that_is_real_is_kept():
    """A narrow line between standardised columns is straight, and an interval for one of them bends it."""
    rng = np.random.default_rng(0)
    line = np.clip(0.6 * rng.standard_normal((150, 1)), -1.9, 1.9) + 0.02 * rng.standard_normal((150, 2))
    straight = layout_of(line, supports=False)
    bounded = straight._replace(marginals=(_fitted(line[:, 0], _Family("between", -2.0, 4.0)), straight.marginals[1]))
    assert choose_layout(bounded, line).layout == straight
    shares = rng.beta(0.5, 0.5, (150, 2))
    assert {m.family for m in choose_layout(layout_of(shares), shares).layout.marginals} == {"between"}


def test_rows_beyond_those_that_fit_the_mixture_are_unseen_by_it(monkeypatch):
    monkeypatch.setattr(layouts, "MOST_ROWS", 100)
    x = np.random.default_rng(0).standard_normal((150, 1))
    table = choose_layout(layout_of(x), x)
    asked = np.arange(149, 40, -1)
    logs, seen = table.unseen_log_prob(asked), np.isin(asked, table.seen)
    assert 0 < seen.sum() < len(asked) and len(table.seen) == 100
    np.testing.assert_allclose(logs[~seen], log_prob_of(table.stacked, table.rows[asked[~seen]]))
    of_row = dict(zip(table.seen.tolist(), table.stacked.logs.tolist(), strict=True))
    np.testing.assert_array_equal(logs[seen], [of_row[i] for i in asked[seen].tolist()])


@pytest.fixture(scope="module")
def survey():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    day = pandas.Timestamp("2024-01-01") + pandas.to_timedelta(rng.integers(0, 300, 60), "D")
    frame = pandas.DataFrame({"age": rng.integers(18, 70, 60), "pay": np.exp(rng.normal(size=60)), "job": list("ab") * 30, "day": day})
    frame["site"] = "north"
    frame.loc[3, "pay"] = np.nan
    return frame


def test_a_mixed_data_frame_goes_in_and_comes_out(survey):
    """Types, gaps and a constant column return; whole numbers make the score a bound, and the copy scores as the original."""
    estimator = jaxgen.Estimator(options={"width": 8, "depth": 1}, num_steps=3, num_draws=2, random_state=0).fit(survey)
    assert estimator.entry_.card.name == "tabular" and estimator.density_kind_ == "lower bound"
    drawn = estimator.sample(40, random_state=1)
    assert dict(drawn.dtypes) == dict(survey.dtypes) and set(drawn["job"]) == {"a", "b"} and set(drawn["site"]) == {"north"}
    scores = estimator.score_samples(survey)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(copy.deepcopy(estimator).score_samples(survey), scores)
    with pytest.raises(ValueError, match="'z'"):
        estimator.score_samples(survey.assign(job="z"))


def test_integers_of_a_data_frame_are_never_called_exact(survey):
    kinds = {}
    for columns in (["age", "day"], ["pay"]):
        kinds[columns[0]] = jaxgen.Estimator(random_state=0).fit(survey[columns].dropna()).density_kind_
    assert kinds == {"age": "lower bound", "pay": "exact"}


def test_scikit_learn_is_imported_with_the_estimator_only():
    code = "import sys, jaxgen, jaxgen.training, jaxgen.zoo; assert 'sklearn' not in sys.modules; jaxgen.Estimator; assert 'sklearn' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_scikit_learns_own_checks_pass():
    """All of them, with the default model."""
    failures = [r for r in check_estimator(jaxgen.Estimator(random_state=0), on_fail=None) if r["status"] == "failed"]
    assert not [(r["check_name"], str(r["exception"])) for r in failures]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"num_steps": 0}, "num_steps=0; accepted: an integer of at least 1"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"num_draws": 0}, "num_draws=0"),
        ({"patience": -1}, "patience=-1"),
        ({"validation_fraction": 1.5}, "validation_fraction=1.5; accepted: a finite number at least 0 and below 1"),
        ({"options": "width"}, "options='width'; accepted: None, or a dict"),
        ({"name": "nfs"}, "name='nfs'; accepted: auto, .* Did you mean 'nsf'"),
        ({"random_state": -1}, "random_state=-1; accepted: a finite number at least 0"),
        ({"random_state": 2**32}, "random_state=4294967296"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named_before_anything_is_fitted(rows, wrong, said):
    with pytest.raises(ValueError, match=f"^Estimator: {said}"):
        jaxgen.Estimator(**wrong).fit(rows)


@pytest.mark.parametrize("name", ["auto", "maf"])
def test_an_interrupt_ends_a_fit_and_is_not_taken_for_its_result(rows, monkeypatch, name):
    monkeypatch.setattr(auto, "fit", lambda *_, **__: jaxgen.Fitted((), (), {}, "interrupted"))
    with pytest.raises(KeyboardInterrupt):
        jaxgen.Estimator(name, random_state=0).fit(np.concatenate([rows, rows + 1.0]))


def test_gaps_of_numbers_are_filled_by_the_default_mixture(rows, fitted):
    """What is missing is drawn from the Gaussian conditional; what is there is unchanged, to the last digit."""
    gaps = np.tile([180.0, np.nan], (3_000, 1))
    filled, again = fitted.impute(gaps, draws=2, random_state=0)
    np.testing.assert_array_equal(filled[:, 0], 180.0)
    assert abs(filled[:, 1].mean() - 71.0) < 1.5 and abs(filled[:, 1].std() - np.sqrt(28.0)) < 0.8
    assert np.all(filled[:, 1] != again[:, 1])
    np.testing.assert_array_equal(fitted.impute(rows)[0], rows)


def test_a_frame_of_labels_dates_and_gaps_is_fitted_and_filled():
    """Names, order, dtypes and index stay, and so does every cell that was there; a copy is made of arrays."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "age": pandas.array(rng.integers(18, 60, 120), "Int64"),
            "pay": np.exp(rng.normal(8, 1, 120)),
            "job": rng.choice(["cook", "nurse", "pilot"], 120),
            "since": pandas.to_datetime("2020-01-01") + pandas.to_timedelta(rng.integers(0, 900, 120), "D"),
            "smokes": rng.choice([True, False], 120),
        },
        index=range(1_000, 1_120),
    )
    gappy = frame.copy().astype({"smokes": object})
    for column in ("age", "job", "since", "smokes"):
        gappy.loc[rng.uniform(size=120) < 0.1, column] = None
    options = {"width": 8, "depth": 1, "num_components": 2}
    estimator = jaxgen.Estimator(options=options, num_steps=5, random_state=0).fit(gappy)
    assert estimator.entry_.card.name == "tabular" and list(estimator.feature_names_in_) == list(frame)
    # A column that had no gap in training may have one now.
    gappy.loc[1_003, "pay"] = None
    filled, other = estimator.impute(gappy, draws=2)
    assert list(filled) == list(gappy) and filled.index.equals(gappy.index) and filled.dtypes.equals(gappy.dtypes)
    assert filled.notna().all().all() and not filled.equals(other)
    there = gappy.notna()
    for column in frame:
        assert filled.loc[there[column], column].tolist() == gappy.loc[there[column], column].tolist()
    assert set(filled["job"]) == {"cook", "nurse", "pilot"} and set(filled["smokes"]) == {True, False}
    assert np.isfinite(estimator.score_samples(gappy)).all()
    assert estimator.sample(3).dtypes["age"] == "Int64"
    state = estimator.__getstate__()
    assert state["entry_"]["table"]["partial"] is True
    again = jaxgen.Estimator()
    again.__setstate__(state)
    assert again.entry_.model.transform.hooks.questions.columns == tuple(frame)


def test_only_entries_that_answer_train_on_gaps(rows):
    gaps = np.where(np.random.default_rng(0).uniform(size=rows.shape) < 0.2, np.nan, rows)
    with pytest.raises(ValueError, match="name='maf' with any_subset=True, missing values .NaN. or.*accepted: auto, .*tabular"):
        jaxgen.Estimator("maf").fit(gaps)
    with pytest.raises(ValueError, match="infinity"):
        jaxgen.Estimator(any_subset=True).fit(np.where(np.isnan(gaps), np.inf, gaps))
    with pytest.raises(ValueError, match="Estimator.impute: nsf_ar was not trained on gaps; accepted: .*any_subset=True"):
        jaxgen.Estimator("nsf_ar", **TRAINED).fit(rows).impute(gaps)


def test_an_interrupt_keeps_the_mixture_and_what_the_flow_has_learnt_if_it_is_asked_to(monkeypatch):
    """By the command, which saves it; the weight is that of the params as they were at the interrupt."""
    flow = jaxgen.zoo.build("nsf_ar", (1,), **TRAINED["options"])
    history = {"loss": np.zeros(3), "valid_step": np.zeros(0), "valid_loss": np.zeros(0), "num_steps": 3}
    start = jaxgen.Fitted(jaxgen.init(jax.random.key(0), flow.model), (), history, "interrupted")
    monkeypatch.setattr(auto, "fit", lambda *_, **__: start)
    x = np.random.default_rng(0).standard_normal((FLOW_ROWS, 1))
    entry, fitted = fit_table(x, Settings(options=TRAINED["options"], keep=True))
    assert fitted.status == "interrupted" and fitted.state is None and 0 < fitted.history["flow_weight"] < 1
    assert np.isfinite(jaxgen.log_prob(entry.model, fitted.params, np.float32(x)).value).all()
