"""Any question of one fit: what is given stands in the samples, densities are those of what is asked, and nothing else is read."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import bases, paths, zoo
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.roles import decoded
from jaxgen.zoo.any_subset import of_normal

D = 3
STEPS = {"cfm": {"num_steps": 12}, "tabular": {}, "mixed_diffusion": {"num_ode_steps": 12}}
MIXING = np.random.default_rng(1).standard_normal((D, D + 1))
COVARIANCE = MIXING @ MIXING.T / 2
MEAN = np.array([0.5, -1.0, 0.3])


@functools.cache
def asked(name):
    """An entry's model with a density of its own, and params away from their start, the same functions compiled once."""
    entry = zoo.build(name, (D,), any_subset=True, **{**zoo.small(name), **STEPS[name]})
    model = entry.models.get("ode", entry.model)
    rng, shapes = np.random.default_rng(0), jax.eval_shape(lambda: jaxgen.init(0, model))
    return model, jax.tree.map(lambda s: jnp.asarray(0.3 * rng.standard_normal(s.shape), s.dtype), shapes)


def gaussian(x, given, asked):
    """The log density of the asked coordinates given the given ones, by NumPy."""
    gain = np.linalg.solve(COVARIANCE[np.ix_(given, given)], COVARIANCE[np.ix_(given, asked)]).T if given else np.zeros((len(asked), 0))
    rest = COVARIANCE[np.ix_(asked, asked)] - gain @ COVARIANCE[np.ix_(given, asked)]
    away = x[:, asked] - MEAN[asked] - (x[:, given] - MEAN[given]) @ gain.T
    return -0.5 * np.einsum("ni,ij,nj->n", away, np.linalg.inv(rest), away) - 0.5 * np.linalg.slogdet(2 * np.pi * rest)[1]


ROWS = np.random.default_rng(2).multivariate_normal(MEAN, COVARIANCE, 6)
PATTERNS = [([], [0, 1, 2]), ([1], [0, 2]), ([0, 2], [1]), ([2], [0]), ([], [1])]


@pytest.mark.parametrize("name", STEPS)
def test_a_density_is_one_of_what_is_asked_and_reads_nothing_else(name):
    """One coordinate is given, one asked for, one neither: the density integrates to one over the second, whatever stands in the third."""
    model, params = asked(name)
    x = np.linspace(-20, 20, 801)
    rows = np.stack([x, np.full_like(x, 0.4), np.random.default_rng(0).normal(size=801)], 1)
    found = jaxgen.log_prob(model, params, rows, of=[0], given=[1])
    assert found.density is jaxgen.Density.EXACT
    assert abs(np.trapezoid(np.exp(found.value), x) - 1) < 0.02
    rows[:, 2] = np.nan
    np.testing.assert_array_equal(found.value, jaxgen.log_prob(model, params, rows, of=0, given={1: 0.4}).value)
    moved = jaxgen.log_prob(model, params, rows, of=0, given={1: -0.4}).value
    assert np.abs(moved - found.value).max() > 1e-3


@pytest.mark.parametrize("name", STEPS)
def test_samples_hold_what_is_given_and_have_the_density_that_is_reported(name):
    model, params = asked(name)
    row = jnp.asarray([jnp.nan, 0.4, jnp.nan])
    z = model.base.sample(seed=jax.random.key(1), sample_shape=(8,))

    @jax.jit
    def pair(z):
        f = model.transform
        x, log_det = f.forward_and_log_det(params, z, row)
        pre = f.inverse(params, x, row)
        moved = f.forward(params, z.at[1].add(5.0), row)
        return x, moved, model.base.log_prob(z) - log_det, model.base.log_prob(pre.z) + pre.log_det

    x, moved, drawn, asked_again = jax.vmap(pair)(z)
    np.testing.assert_array_equal(x[:, 1], np.float32(0.4))
    # The noise of a given coordinate reaches nothing.
    np.testing.assert_array_equal(x, moved)
    np.testing.assert_allclose(drawn, asked_again, atol=2e-2)
    shown = jaxgen.sample(0, model, params, 5, given={1: 0.4})
    np.testing.assert_array_equal(shown[:, 1], np.float32(0.4))
    assert len(np.unique(np.asarray(shown)[:, 0])) == 5


# EDM's ODE starts at noise of deviation 80 around zero and not around the mean, which moves a density by some hundredths of a nat.
@pytest.mark.parametrize(("path", "atol"), [(paths.linear(), 5e-3), (paths.edm(), 0.1)], ids=["linear", "edm"])
def test_a_network_that_knows_the_conditionals_gives_their_densities(path, atol):
    """The denoiser of a Gaussian given any of its coordinates, in closed form: every conditional and marginal density is NumPy's."""

    def denoiser(params, x, t, cond=None):
        values, given, ask = decoded(cond)
        alpha, sigma = path.alpha(t), path.sigma(t)
        # What is seen: given coordinates without noise, asked ones as they are in x_t, and nothing of the others.
        scale, noise = jnp.where(given, 1.0, jnp.where(ask, alpha, 0.0)), jnp.where(given, 1e-6, jnp.where(ask, sigma, 1.0))
        seen = jnp.where(given, values, jnp.where(ask, x, 0.0)) - scale * MEAN
        covariance = jnp.asarray(COVARIANCE) * scale[:, None] * scale + jnp.diag(noise**2)
        return MEAN + (jnp.asarray(COVARIANCE) * scale) @ jnp.linalg.solve(covariance, seen)

    with jax.enable_x64(True):
        prediction = paths.of_asked(paths.prediction(path, denoiser, "denoiser"))
        flow = T.probability_flow(lambda key, z, cond=None: (), prediction, solver=jaxgen.numerics.fixed(200, "rk4"))
        model = Model(bases.normal((D,)), T.answering(flow, of_normal(float(path.sigma(jnp.zeros(()))))))
        events = np.concatenate([np.where(np.isin(np.arange(D), ask), ROWS, np.nan) for _, ask in PATTERNS])
        known = np.concatenate([np.where(np.isin(np.arange(D), given), ROWS, np.nan) for given, _ in PATTERNS])
        found = np.asarray(jaxgen.model.log_prob(model, (), jnp.asarray(events), jnp.asarray(known)).value).reshape(len(PATTERNS), -1)
    for (given, ask), values in zip(PATTERNS, found, strict=True):
        np.testing.assert_allclose(values, gaussian(ROWS, given, ask), atol=atol)


def test_a_mixture_of_gaussians_answers_without_having_been_trained_to():
    """Two components and three kernels: densities are the ratio of NumPy's marginals, and samples have the conditional's moments."""
    rng = np.random.default_rng(3)
    base = bases.joint({"choice": bases.uniform(()), "noise": bases.normal((D,))})
    model = Model(base, T.mixture_affine(2, 3))
    lower = np.tril(rng.normal(size=(3, D, D)), -1) + np.eye(D) * [0.8, 1.2, 0.9]
    params = {
        "logits": jnp.asarray([0.2, -0.3]), "loc": jnp.asarray(rng.normal(size=(2, D)), jnp.float32), "whitener": jnp.asarray(lower[:2], jnp.float32),
        "kernel_logit": jnp.asarray(0.1), "centres": jnp.asarray(rng.normal(size=(3, D)), jnp.float32),
        "kernel_whitener": jnp.asarray(lower[2], jnp.float32),
    }  # fmt: skip
    logits = np.array([0.2, -0.3, *[0.1 - np.log(3)] * 3])
    means = np.concatenate([params["loc"], params["centres"]])
    covariances = [np.linalg.inv(w.T @ w) for w in (*lower[:2], *[lower[2]] * 3)]

    def marginal(x, columns):
        if not len(columns):
            return np.zeros(len(x))
        logs = []
        for logit, mean, covariance in zip(logits - np.logaddexp.reduce(logits), means, covariances, strict=True):
            away, part = x[:, columns] - mean[columns], covariance[np.ix_(columns, columns)]
            squares = np.einsum("ni,ij,nj->n", away, np.linalg.inv(part), away)
            logs.append(logit - 0.5 * squares - 0.5 * np.linalg.slogdet(2 * np.pi * part)[1])
        return np.logaddexp.reduce(logs, 0)

    for given, ask in (([1], [0, 2]), ([0, 2], [1]), ([2], [0])):
        found = jaxgen.log_prob(model, params, ROWS, of=ask, given=given)
        np.testing.assert_allclose(found.value, marginal(ROWS, sorted(given + ask)) - marginal(ROWS, given), atol=1e-3)
    drawn = np.asarray(jaxgen.sample(1, model, params, 20_000, given={1: 0.3}))
    assert np.all(drawn[:, 1] == np.float32(0.3))
    grid = np.linspace(-9, 9, 1_001)
    density = np.exp(jaxgen.log_prob(model, params, np.stack([grid, 0 * grid + 0.3, 0 * grid], 1), of=0, given=1).value)
    mean = np.trapezoid(density * grid, grid)
    spread = np.sqrt(np.trapezoid(density * (grid - mean) ** 2, grid))
    assert abs(drawn[:, 0].mean() - mean) < 5 * spread / np.sqrt(20_000) and abs(drawn[:, 0].std() / spread - 1) < 0.03


def test_a_model_in_one_order_answers_for_the_next_columns_given_the_first():
    """Trained without masks: the chain rule holds between its answers, samples have the reported density, and another order is refused."""
    entry = zoo.build("tabular", (4,), categories=[0, 3, 0, 2], **zoo.small("tabular"))
    rng = np.random.default_rng(5)
    shapes = jax.eval_shape(lambda: jaxgen.init(0, entry.model))
    params = jax.tree.map(lambda s: jnp.asarray(0.5 * rng.standard_normal(s.shape), s.dtype), shapes)
    rows = np.array([[0.3, 2.0, -0.4, 1.0], [-1.0, 0.0, 0.8, 0.0]])
    of = lambda of, given: np.asarray(jaxgen.log_prob(entry.model, params, rows, of=of, given=given).value)
    np.testing.assert_allclose(
        of([0, 1], []) + of([2, 3], [0, 1]), jaxgen.model.log_prob(entry.model, params, jnp.float32(rows)).value, rtol=1e-5
    )
    codes = np.tile(rows[:1], (3, 1))
    codes[:, 1] = [0, 1, 2]
    assert abs(np.exp(jaxgen.log_prob(entry.model, params, codes, of=1, given=0).value).sum() - 1) < 1e-5
    drawn = np.asarray(jaxgen.sample(0, entry.model, params, 4_000, given={0: 0.3}))
    assert np.all(drawn[:, 0] == np.float32(0.3))
    expected = np.exp(jaxgen.log_prob(entry.model, params, codes, of=1, given=0).value)
    np.testing.assert_allclose(np.bincount(drawn[:, 1].astype(int), minlength=3) / 4_000, expected, atol=0.03)
    with pytest.raises(ValueError, match=r"given columns \[1\].*first columns given.*any_subset=True"):
        jaxgen.sample(0, entry.model, params, 2, given={1: 1})


def test_gaps_are_filled_and_nothing_else_is_touched():
    model, params = asked("tabular")
    rows = np.array([[1.25, np.nan, 2.5], [np.nan, np.nan, np.nan], [0.1, 0.2, 0.3]])
    filled = np.asarray(jaxgen.impute(0, model, params, rows, draws=4))
    assert filled.shape == (4, 3, 3) and np.isfinite(filled).all()
    there = ~np.isnan(rows)
    np.testing.assert_array_equal(filled[:, there], np.tile(rows[there].astype(np.float32), (4, 1)))
    assert all(len(np.unique(filled[:, i, j])) == 4 for i, j in np.argwhere(~there))


def test_a_diffusion_that_was_not_trained_to_answers_by_guidance_and_says_so():
    """Gaussian data, for which guidance is exact: the conditional's moments are NumPy's, and no density is claimed."""
    covariance = np.array([[1.0, 0.8], [0.8, 1.0]])
    path = paths.edm()

    def denoiser(params, x, t, cond=None):
        sigma = path.sigma(t)
        return jnp.asarray(covariance, x.dtype) @ jnp.linalg.solve(jnp.asarray(covariance, x.dtype) + sigma**2 * jnp.eye(2), x)

    prediction = paths.prediction(path, denoiser, "denoiser")
    nets = zoo.Nets((2,))
    plain = jaxgen.Model(bases.normal((2,)), T.heun(lambda key, z, cond=None: (), prediction, 8))
    entry = zoo.any_subset.by_guidance(
        nets, zoo.build("edm", (2,), **zoo.small("edm"))._replace(model=plain, readings={"heun": plain}), prediction, False
    )
    with pytest.warns(UserWarning, match="by guidance, exact for Gaussian data alone"):
        x = np.asarray(jaxgen.sample(0, entry.model, (), 1_500, given={1: 1.5}))
    assert np.all(x[:, 1] == np.float32(1.5))
    assert abs(x[:, 0].mean() - 1.2) < 0.07 and abs(x[:, 0].std() - 0.6) < 0.05
    for question in ({"of": 0, "given": 1}, {"of": 0}):
        with pytest.raises(jaxgen.ImplicitDensityError):
            jaxgen.log_prob(entry.model, (), ROWS[:, :2], **question)
    assert jaxgen.sample(0, entry.model, (), 3, given={}).shape == (3, 2)


WRONG = {
    "a name": (
        lambda m, p: jaxgen.sample(0, m, p, 2, given={"age": 1.0}),
        r"sample: given: no column 'age'; accepted: an index from 0 to 2\.",
    ),
    "an index": (lambda m, p: jaxgen.sample(0, m, p, 2, given={3: 1.0}), "no column 3; accepted"),
    "a text": (lambda m, p: jaxgen.sample(0, m, p, 2, given={0: "old"}), r"given\[0\]='old'; accepted: a finite number"),
    "infinity": (lambda m, p: jaxgen.sample(0, m, p, 2, given={0: np.inf}), "accepted: a finite number"),
    "all": (lambda m, p: jaxgen.sample(0, m, p, 2, given={0: 1.0, 1: 1.0, 2: 1.0}), "given=all the columns.*left to draw"),
    "a length": (lambda m, p: jaxgen.sample(0, m, p, 2, given={0: [1.0, 2.0, 3.0]}), r"given\[0\] has 3 values; accepted: one, or 2"),
    "a shape": (lambda m, p: jaxgen.sample(0, m, p, 2, given=np.ones((5, 3))), r"shape \(5, 3\); accepted: values by column"),
    "a condition": (lambda m, p: jaxgen.sample(0, m, p, 2, np.ones((2, 1)), given={0: 1.0}), "cond together with given="),
    "both": (lambda m, p: jaxgen.log_prob(m, p, ROWS, of=[0, 1], given=[1]), "column 1 in of= and in given=; accepted"),
    "nothing": (lambda m, p: jaxgen.log_prob(m, p, ROWS, of=[]), "no column that is asked for"),
    "a gap": (lambda m, p: jaxgen.log_prob(m, p, ROWS * [1, np.nan, 1], of=[1]), "of= with column 1, which is missing in row 0"),
    "no draws": (lambda m, p: jaxgen.impute(0, m, p, ROWS, draws=0), "impute: draws=0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_question_that_cannot_be_is_refused_in_one_line(case):
    call, said = WRONG[case]
    with pytest.raises(ValueError, match=said) as refused:
        call(*asked("tabular"))
    assert "\n" not in str(refused.value)


def test_a_model_that_answers_nothing_says_what_would():
    model = zoo.build("maf", (D,), **zoo.small("maf")).model
    with pytest.raises(ValueError, match="not trained to answer; accepted: .*any_subset=True"):
        jaxgen.sample(0, model, jaxgen.init(0, model), 2, given={0: 1.0})


def test_entries_refuse_what_does_not_go_with_it():
    for name, shape, options, said in (
        ("cfm", (4, 4, 1), {"any_subset": True}, "vectors"),
        ("cfm", (3,), {"any_subset": [2, 2]}, "widths of columns that add up to 3"),
        ("tabular", (3,), {"any_subset": True, "categories": [2, 2, 0], "gates": [-1, -1, 0]}, "gates="),
    ):
        with pytest.raises(ValueError, match=said):
            zoo.build(name, shape, **options)
    with pytest.raises(ValueError, match="cond_shape=None, with the columns of the condition in the event"):
        zoo.build("edm", (3,), (1,), any_subset=True)
