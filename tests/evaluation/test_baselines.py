"""The Gaussian and the mixture beside an NLL, against closed forms."""

import numpy as np
import pytest

import jaxgen
from jaxgen.cli.beside import baselines_of
from jaxgen.evaluation import baselines, choose_mixture


def test_both_find_the_entropy_of_a_gaussian():
    rng, factor = np.random.default_rng(0), np.asarray([[1.0, 0.0], [0.9, 0.2]])
    x = rng.standard_normal((4_000, 2)) @ factor.T
    result = baselines(x[:2_000], x[2_000:])
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * factor @ factor.T)[1]
    assert abs(result.gaussian - entropy) < 0.06 and abs(result.mixture - entropy) < 0.06 and result.num_components == 1


def test_conditional_densities_are_those_of_the_joint_divided():
    """x given c is N(2 c, 0.1^2), whatever the law of c: its entropy, and not that of the pair."""
    rng = np.random.default_rng(1)
    c = rng.standard_normal((2_000, 1)) + 6 * rng.integers(2, size=(2_000, 1))
    x = 2 * c + 0.1 * rng.standard_normal((2_000, 1))
    result = baselines(x[:1_000], x[1_000:], c[:1_000], c[1_000:])
    entropy = 0.5 * np.log(2 * np.pi * np.e * 0.01)
    assert abs(result.gaussian - entropy) < 0.1 and abs(result.mixture - entropy) < 0.1
    assert f"a mixture of {result.num_components}" in str(result)


def test_a_mixture_of_too_many_columns_is_left_out_and_too_few_rows_are_named():
    x = np.random.default_rng(2).standard_normal((40, 65))
    result = baselines(x[:30], x[30:])
    assert result.mixture is None and np.isfinite(result.gaussian) and "mixture" not in str(result)
    with pytest.raises(ValueError, match="choose_mixture: x of 3 rows"):
        choose_mixture(x[:3, :2])


def test_a_single_column_is_not_stretched_over_the_others():
    x = np.random.default_rng(0).standard_normal((50, 2))
    with pytest.raises(ValueError, match=r"baselines: test of width \(1,\) .*; accepted: \(2,\)"):
        baselines(x, x[:, :1])


def test_whole_numbers_have_the_nll_of_probabilities_and_no_spikes():
    """Four equally likely numbers have the entropy log 4, below which no honest NLL falls; standardised columns shift it by their scale."""
    pandas = pytest.importorskip("pandas")
    data = jaxgen.data.load(pandas.DataFrame({"n": np.random.default_rng(3).integers(4, size=1_000)}))
    found, moved = baselines_of(data), baselines_of(data, standardised=True)
    assert np.log(4) - 0.05 < found.mixture < np.log(4) + 0.3 and np.log(4) < found.gaussian < np.log(4) + 0.3
    assert found.gaussian - moved.gaussian == pytest.approx(float(np.log(data.units.scale[0])), abs=1e-6)
