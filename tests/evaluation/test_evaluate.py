"""The figures of a model against closed forms: the likelihood of Gaussians, pairs of events and conditions, speeds of a known clock."""

import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jaxgen
from jaxgen import bases, evaluation, nets, numerics
from jaxgen import transforms as T
from jaxgen.evaluation import Reference
from jaxgen.model import LogProb, Model
from jaxgen.transform import Density

WIDE = Model(bases.normal((2,)), T.affine(0.5, 2.0))
X = np.random.default_rng(0).standard_normal((400, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def figures():
    real = Reference(X, true_log_prob=scipy.stats.norm.logpdf(X).sum(1), floors={"w2_floor": 0.25}, max_points=100)
    return evaluation.evaluate(jax.random.key(0), WIDE, (), real, num_samples=300, num_events=150, also=X[-7:] + 3)


def test_the_likelihood_is_that_of_the_first_events_and_the_gap_that_of_the_densities(figures):
    result, samples, further = figures
    log_p = scipy.stats.norm(0.5, 2.0).logpdf(X[:150]).sum(1)
    np.testing.assert_allclose(result["nll"], -log_p.mean(), rtol=1e-5)
    np.testing.assert_allclose(result["nll_stderr"], log_p.std(ddof=1) / np.sqrt(150), rtol=1e-5)
    gap = scipy.stats.norm.logpdf(X[:150]).sum(1) - log_p
    np.testing.assert_allclose([result["nll_gap"], result["nll_gap_stderr"]], [gap.mean(), gap.std(ddof=1) / np.sqrt(150)], rtol=1e-4)
    assert result["nll_gap"] > 0 and result["nll_kind"] == result["density"] == "exact" and result["w2_floor"] == 0.25
    np.testing.assert_allclose(further, scipy.stats.norm(0.5, 2.0).logpdf(X[-7:] + 3).sum(1), rtol=1e-5)
    assert samples.shape == (300, 2) and abs(samples.std() - 2) < 0.3


def test_distances_are_those_of_the_samples_and_modes_are_counted(figures):
    result, samples, _ = figures
    assert result["sliced_w2"] == pytest.approx(evaluation.sliced_w2(samples, X))
    assert result["w2"] == pytest.approx(evaluation.w2(samples, X, 100))
    assert result["mmd"] == pytest.approx(evaluation.mmd(samples, X, max_points=100)) and result["mode_coverage"] is None
    signs = Reference(X, mode=lambda x: (x[:, 0] > 0).astype(int), mode_weights=np.array([0.5, 0.5]))
    one_sided = evaluation.evaluate_samples(np.abs(X), signs)
    assert one_sided["mode_coverage"] == 0.5 and one_sided["mode_shares"] == [0.0, 1.0]
    with pytest.raises(FloatingPointError, match="2 of 400 samples are not finite"):
        evaluation.evaluate_samples(np.where(np.arange(400)[:, None] < 2, np.inf, X), signs)


def test_a_gap_of_a_column_that_no_test_row_lacks_is_none_of_a_sample_gone_wrong():
    """A table of few rows may have gaps that are all in the training rows; samples and the second real sample have them nevertheless."""
    gappy = np.where(np.arange(400)[:, None] < [0, 3], np.nan, X).astype(np.float32)
    real = evaluation.reference(X, gappy, gaps=np.array([False, True]))
    assert np.isfinite(list(real.floors.values())).all()
    assert evaluation.evaluate_samples(gappy, real)["sliced_w2"] < 0.02
    with pytest.raises(FloatingPointError, match="3 of 400"):
        evaluation.evaluate_samples(gappy[:, ::-1], real)


def test_events_and_samples_have_their_own_conditions():
    """Conditions far apart: a pair that does not belong together has a likelihood that is wrong by hundreds of nats."""
    net = nets.Net(lambda key, x, cond=None: (), lambda params, x, cond=None: jnp.concatenate([cond, 0 * cond]))
    model = Model(bases.normal((1,)), T.coupling(T.scale_and_shift(), lambda out: net))
    cond = np.linspace(-30, 30, 8, dtype=np.float32)[:, None]
    x = np.asarray(jaxgen.sample(jax.random.key(1), model, (), 8, cond))
    assert np.ptp(x) > 20
    result, samples, further = evaluation.evaluate(jax.random.key(0), model, (), Reference(x, cond), num_samples=20, num_events=5)
    np.testing.assert_allclose(result["nll"], -np.mean(jaxgen.log_prob(model, (), x[:5], cond[:5]).value), rtol=1e-5)
    cycled = cond[[*range(8), *range(8), *range(4)]]
    np.testing.assert_array_equal(samples, jaxgen.sample(jax.random.fold_in(jax.random.key(0), 1), model, (), 20, cycled))
    assert further is None


def test_an_implicit_model_has_distances_and_no_likelihood():
    model = Model(bases.normal((2,)), WIDE.transform._replace(kind=Density.IMPLICIT))
    result, samples, further = evaluation.evaluate(jax.random.key(0), model, (), Reference(X), num_samples=50, also=X)
    assert all(value is None for name, value in result.items() if name.startswith("nll")) and "nll_gap_stderr" in result
    assert further is None and result["w2"] > 0 and samples.shape == (50, 2)


def test_the_speed_is_that_of_the_second_call(monkeypatch):
    clock = itertools.count(10.0, 4.0)
    monkeypatch.setattr(sys.modules["jaxgen.evaluation.evaluate"].time, "perf_counter", lambda: next(clock))
    samples, rate = evaluation.timed_samples(jax.random.key(0), WIDE, (), 12)
    assert rate == 3.0 and samples.shape == (12, 2)


def test_other_work_begins_when_the_speed_is_measured_and_before_densities(monkeypatch):
    done, module = [], sys.modules["jaxgen.evaluation.evaluate"]
    for name in ("timed_samples", "log_prob"):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, name=name, function=function, **k: (done.append(name), function(*a, **k))[1])
    evaluation.evaluate(jax.random.key(0), WIDE, (), Reference(X), num_samples=20, num_events=5, when_timed=lambda: done.append("begun"))
    assert done == ["timed_samples", "begun", "log_prob"]


@pytest.mark.parametrize(("nll", "stderr", "entropy", "bug"), [(1.0, 0.1, 1.29, False), (1.0, 0.1, 1.31, True), (1.0, 0.1, None, False)])
def test_below_the_entropy_by_three_standard_errors_is_a_bug(nll, stderr, entropy, bug):
    why = evaluation.too_good({"nll": nll, "nll_stderr": stderr}, entropy)
    assert (why is not None) == bug and (not bug or "below the entropy 1.3100" in why)
    assert evaluation.too_good({"nll": None, "nll_stderr": None}, 1.0) is None


def test_network_evaluations_are_counted():
    flow = T.ode_flow(lambda *a: (), lambda params, x, t, cond: -x, solver=numerics.fixed(5, "midpoint"))
    assert evaluation.mean_nfe(jax.random.key(0), Model(bases.normal((2,)), flow), (), num=3) == 10


def test_a_log_density_that_is_not_finite_is_named():
    lp = LogProb(np.array([0.0, -np.inf, np.nan]), np.zeros(3), Density.EXACT)
    with pytest.raises(FloatingPointError, match="log_prob of 2 of 3 test events is not finite"):
        evaluation.summarise_nll(lp, Reference(X))
