"""From coordinates to cells: densities of whole numbers, gaps and categories against closed forms; what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import jaxgen
from jaxgen import Density, Model, bases, nets
from jaxgen import transforms as T

KEY = jax.random.key(0)
DRAWS = 4_000
AFFINE = T.scale_and_shift(50.0)
LOC, SCALE = 3.0, float(np.exp(50 * np.tanh(0.4 / 50)))
THETA = (LOC, 0.4)


def probability(model, x):
    """The density of one event by importance sampling, and its standard error."""
    lp = jaxgen.log_prob(model, (), np.asarray([x], np.float32), key=KEY, num_draws=DRAWS)
    assert lp.density is Density.LOWER_BOUND
    return float(jnp.exp(lp.value[0])), float(jnp.exp(lp.value[0]) * lp.stderr[0])


def test_a_whole_number_has_the_mass_of_its_cell():
    model = Model(bases.normal((1,)), T.table_cells([T.Cell(AFFINE, THETA, whole=True)]))
    for x in (2.0, 3.0, 5.0):
        value, stderr = probability(model, [x])
        assert abs(value - np.diff(norm.cdf([x, x + 1], LOC, SCALE))[0]) < 4 * stderr
    # One that was standardised and brought back is the same number; one between two is none.
    same, apart = jaxgen.log_prob(model, (), np.asarray([[2.0004], [2.5]]), key=KEY, num_draws=3).value
    assert jnp.isfinite(same) and apart == -jnp.inf
    assert set(np.asarray(jaxgen.sample(KEY, model, (), 50)).ravel() % 1) == {0.0}


@pytest.mark.parametrize("whole", [False, True])
def test_a_gap_has_the_mass_of_its_indicator_and_costs_nothing_else(whole):
    cells = [T.Cell(AFFINE, THETA, whole=whole, gaps=True), T.Cell(T.above(), (0.0, 0.0, 0.0, 0.0))]
    model = Model(bases.normal((3,)), T.table_cells(cells))
    x = 2.0
    beside = jaxgen.log_prob(Model(bases.normal((1,)), T.table_cells(cells[1:])), (), np.asarray([[0.7]])).value[0]
    given = np.diff(norm.cdf([x, x + 1], LOC, SCALE))[0] if whole else norm.pdf(x, LOC, SCALE)
    for value, expected in ((np.nan, 0.5), (x, 0.5 * given)):
        found, stderr = probability(model, [value, 0.7])
        assert abs(found - expected * float(jnp.exp(beside))) < 4 * stderr
    samples = np.asarray(jaxgen.sample(KEY, model, (), 400))
    assert abs(np.isnan(samples[:, 0]).mean() - 0.5) < 0.1 and np.isfinite(samples[:, 1]).all()


def test_codes_have_the_mass_of_their_cells():
    """The largest of three normal numbers around a one-hot vector, and the sign of one; the masses are known by integration."""
    loc, scale = np.array([1.0, -1.2, -0.9, 1.3]), 0.3
    grid = np.linspace(-4, 4, 4_001)
    others = norm.cdf(grid, loc[1], scale) * norm.cdf(grid, loc[2], scale)
    expected = np.trapezoid(norm.pdf(grid, loc[0], scale) * others, grid) * norm.cdf(loc[3] / scale)
    for k in range(3):
        order = np.roll(np.arange(3), k)
        pieces = T.in_parallel(T.Piece(T.argmax_codes(3), np.argsort(order), [0]), T.Piece(T.argmax_codes(2), [3], [1]))
        model = Model(bases.normal((4,)), T.chain(T.affine(loc, scale), pieces))
        code = float(np.argmax(loc[:3][np.argsort(order)]))
        lp = jaxgen.log_prob(model, ((), ()), jnp.asarray([[code, 1.0], [3.0, 0.0]]), key=KEY, num_draws=DRAWS)
        assert abs(np.exp(lp.value[0]) - expected) < 4 * np.exp(lp.value[0]) * lp.stderr[0] and lp.stderr[0] < 0.05
        assert lp.value[1] == -jnp.inf


@pytest.mark.parametrize("noise", ["logistic", "uniform"])
def test_a_coded_gap_is_exact_and_all_events_together_have_mass_one(noise):
    """A number that may be missing, behind its indicator: P(missing) plus the integral over the given ones."""
    net = lambda out, features: nets.column_made(out, features, width=8, depth=1)
    continuous = T.scale_and_shift() if noise == "logistic" else T.binned(4, 1.0)
    rows = T.autoregressive_columns((2, 0, 0), continuous, net, noise, gates=(-1, 0, -1))
    identity = (0.0, 0.0)
    cells = T.table_cells([T.Cell(AFFINE, identity, gaps=True), T.Cell(AFFINE, identity)], coded=True)
    model = Model(getattr(bases, noise)((3,)), T.chain(rows, T.in_parallel(T.Piece(cells, [1, 2, 0], [0, 1]))))
    params = jaxgen.init(jax.random.key(1), model)
    leaves, tree = jax.tree.flatten(params)
    params = jax.tree.unflatten(tree, [a + 0.3 * jax.random.normal(jax.random.key(i), a.shape) for i, a in enumerate(leaves)])
    step = 0.125
    middle = np.arange(-16, 16, step) + step / 2
    density = jax.jit(lambda x: jaxgen.log_prob(model, params, x).value)
    missing = np.exp(density(jnp.asarray([[np.nan, v] for v in middle])))
    given = np.exp(density(jnp.asarray([[u, v] for u in middle for v in middle])))
    assert abs(missing.sum() * step + given.sum() * step**2 - 1) < 0.01 and 0.05 < missing.sum() * step < 0.95
    assert model.transform.kind is Density.EXACT
    x, lp = jaxgen.sample_and_log_prob(KEY, model, params, 200)
    assert np.isnan(x[:, 0]).any() and not np.isnan(x[:, 1]).any()
    np.testing.assert_allclose(lp.value, density(x), atol=2e-3)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: T.table_cells([]), "cells="),
        (lambda: T.table_cells([T.Cell(AFFINE, (0.0,))]), r"cells\[0\].theta=.*accepted: 2 numbers"),
        (lambda: T.argmax_codes(1), "num_categories=1"),
        (lambda: T.in_parallel(), "at least one Piece"),
        (lambda: T.in_parallel(T.Piece(T.affine(0.0, 1.0), [0, 0], [0, 1])), "noise coordinates"),
        (lambda: T.in_parallel(T.Piece(T.affine(0.0, 1.0), [0, 1], [0, 2])), "event coordinates"),
        (lambda: T.autoregressive_columns((2, 0), AFFINE, lambda *a: None, gates=(-1,)), "gates="),
        (lambda: T.autoregressive_columns((0, 2), AFFINE, lambda *a: None, gates=(1, -1)), r"gates\[0\]=1"),
        (lambda: T.autoregressive_columns((3, 0), AFFINE, lambda *a: None, gates=(-1, 0)), r"gates\[1\]=0"),
    ],
)
def test_what_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
