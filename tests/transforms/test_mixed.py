"""Rows of numbers and categories with a perfect network: kinds of density against the exact one, and each part against its own family."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import logsumexp

from jaxgen import bases, numerics, objectives, paths
from jaxgen import transforms as T
from jaxgen.model import Model, log_prob, sample
from jaxgen.objective import Batch, Clock
from jaxgen.transform import Density
from jaxgen.transforms.samplers.affine_step import AffineSampler, Step
from jaxgen.transforms.samplers.gaussian_chain import gaussian_chain, noising, posterior_sd

KEY = jax.random.key(0)
NUMBERS = paths.vp_log_snr(-10.0, 9.0)
SHARES = np.array([[0.3, 0.1], [0.05, 0.25], [0.2, 0.1]])
MEANS, SD = np.array([[-1.5, 0.5], [1.0, -0.5], [0.0, 2.0]]), 0.4
CELLS = [(a, b) for a in range(3) for b in range(2)]
CLOCK = Clock(jnp.zeros((), jnp.int32), jnp.ones((), jnp.int32), ())


def truth(params, h, t, cond=None):
    """The expected v of the number and the log probabilities of both categories, given a state: h is the number, then both one-hot."""
    y, of_a, of_b = h[0], h[1:4], h[4:6]
    alpha, sigma = NUMBERS.alpha(t), NUMBERS.sigma(t)
    # A site under the mask is all zeros, which says nothing.
    fits_a, fits_b = (jnp.where(jnp.sum(hot) > 0, -60 * (1 - hot), 0) for hot in (of_a, of_b))
    variance = (alpha * SD) ** 2 + sigma**2
    fits_y = jnp.where(t > 0, -0.5 * (y - alpha * MEANS) ** 2 / variance, 0)
    log_p = jnp.log(SHARES) + fits_a[:, None] + fits_b[None, :] + fits_y
    p = jnp.exp(log_p - logsumexp(log_p))
    x_hat = jnp.sum(p * (MEANS + alpha * SD**2 / variance * (y - alpha * MEANS)))
    v = alpha * (y - alpha * x_hat) / sigma - sigma * x_hat
    return jnp.concatenate([v[None], logsumexp(log_p, 1), logsumexp(log_p, 0)]).astype(h.dtype)


def log_truth(x):
    a, b = x[:, 1].astype(int), x[:, 2].astype(int)
    return np.log(SHARES[a, b]) - 0.5 * ((x[:, 0] - MEANS[a, b]) / SD) ** 2 - math.log(SD * math.sqrt(2 * math.pi))


PATH = paths.mixed_path((0, 3, 2), NUMBERS)
READ = paths.mixed_prediction(PATH, truth)
STEPS = 64
CHAIN = Model(bases.mixed_noise(1, 2, STEPS), T.mixed_ancestral(lambda key, z, cond=None: (), READ, STEPS))
EXACT = Model(bases.normal((3,)), T.categories_first(lambda key, z, cond=None: (), READ, solver=numerics.fixed(64, "heun")))
ROWS = np.array([(MEANS[a, b] + SD * e, a, b) for a, b in CELLS for e in (-1.0, 0.3)], np.float32)


@pytest.fixture(scope="module")
def draws():
    """One draw of the chain's bound for each of 400 copies of each row `(12, 400)`."""
    value = log_prob(CHAIN, (), np.repeat(ROWS, 400, 0), key=1)
    return np.asarray(value.value, np.float64).reshape(len(ROWS), 400)


def test_the_bound_of_a_perfect_network_is_below_the_truth_and_close(draws):
    gap = log_truth(ROWS) - draws.mean(1)
    error = draws.std(1) / 20
    assert CHAIN.transform.kind is Density.LOWER_BOUND
    assert (gap > -3 * error).all() and (gap < 0.3 + 3 * error).all()


def test_the_mean_importance_weight_of_the_chain_integrates_to_one():
    x = np.asarray(sample(KEY, EXACT, (), 3_000))
    weight = np.exp(np.asarray(log_prob(CHAIN, (), x, key=2).value) - np.asarray(log_prob(EXACT, (), x).value))
    assert abs(weight.mean() - 1) < 4 * weight.std() / math.sqrt(len(x)) + 0.02


@pytest.mark.parametrize("model", [CHAIN, EXACT], ids=["chain", "exact"])
def test_samples_have_the_frequencies_and_moments_of_the_truth(model):
    num = 6_000
    x = np.asarray(sample(KEY, model, (), num))
    cell = (2 * x[:, 1] + x[:, 2]).astype(int)
    counts = np.bincount(cell, minlength=6)
    assert np.sum((counts - num * SHARES.ravel()) ** 2 / (num * SHARES.ravel())) < 40
    for k, (a, b) in enumerate(CELLS):
        y = x[cell == k, 0]
        assert abs(y.mean() - MEANS[a, b]) < 4 * SD / math.sqrt(len(y)) + 0.03
        assert abs(y.std() - SD) < 4 * SD / math.sqrt(2 * len(y)) + 0.03


def test_categories_first_has_the_exact_density_both_ways():
    value = log_prob(EXACT, (), ROWS)
    assert value.density is Density.EXACT
    np.testing.assert_allclose(value.value, log_truth(ROWS), atol=0.02)
    z = jnp.asarray([0.3, -0.8, 0.6])
    x, log_det = EXACT.transform.forward_and_log_det((), z)
    back = EXACT.transform.inverse((), x)
    np.testing.assert_allclose(back.log_det + EXACT.base.log_prob(back.z), EXACT.base.log_prob(z) - log_det, atol=1e-3)
    np.testing.assert_allclose(back.z[0], z[0], atol=1e-3)
    again = EXACT.transform.forward((), back.z)
    np.testing.assert_allclose(again, x, atol=1e-3)


def test_codes_that_do_not_exist_have_no_density():
    x = np.array([[0.0, 3.0, 0.0], [0.0, 0.5, 1.0], [0.0, 1.0, 2.0]], np.float32)
    assert (np.asarray(log_prob(CHAIN, (), x, key=0).value) == -np.inf).all()
    assert (np.asarray(log_prob(EXACT, (), x).value) == -np.inf).all()


def test_numbers_alone_are_ancestral_sampling_of_them():
    def output(params, h, t, cond=None):
        return 0.05 * h + 0.1 * t

    path = paths.mixed_path((0, 0), NUMBERS)
    f = T.mixed_ancestral(lambda key, z, cond=None: (), paths.mixed_prediction(path, output), 8)

    def step(path, t, s):
        posterior, keep = posterior_sd(path, t, s)
        return Step(path.alpha(s), keep, deviation=jnp.minimum(noising(path, t, s)[1], 1.5**0.5 * posterior))

    g = gaussian_chain(lambda key, z, cond=None: (), AffineSampler(paths.prediction(NUMBERS, output, "v"), step), 8)
    z = bases.mixed_noise(2, 0, 8).sample(seed=KEY)
    np.testing.assert_allclose(f.forward((), z), g.forward((), z), rtol=1e-5)
    x = jnp.asarray([0.5, -1.0])
    found, wanted = f.inverse((), x, None, KEY), g.inverse((), x, None, jax.random.split(KEY, 3)[1])
    np.testing.assert_allclose(found.log_det - found.log_q, wanted.log_det - wanted.log_q, rtol=1e-5)
    np.testing.assert_allclose(found.z["increments"], wanted.z["increments"], rtol=1e-4, atol=1e-4)
    batch, flow = Batch(jnp.tile(x, (20_000, 1))), T.probability_flow(lambda key, z, cond=None: (), paths.prediction(NUMBERS, output, "v"))
    bound = objectives.mixed_bound(Model(bases.normal((2,)), f), path).loss((), (), KEY, batch, CLOCK)[0]
    of_numbers = objectives.variational_bound(Model(bases.normal((2,)), flow), NUMBERS).loss((), (), KEY, batch, CLOCK)[0]
    np.testing.assert_allclose(bound, math.log(2) * of_numbers, atol=0.12)


def test_categories_alone_are_ancestral_sampling_of_masks():
    def output(params, h, t, cond=None):
        return jnp.sin(3 * h + jnp.arange(6) + jnp.sum(h[:3] * jnp.arange(3)))

    path = paths.mixed_path((3, 3), NUMBERS)
    read = paths.discrete.prediction(
        path.sites, lambda params, x, t, cond=None: output((), paths.discrete.one_hot(x, 3).ravel(), t).reshape(2, 3)
    )
    f = T.mixed_ancestral(lambda key, z, cond=None: (), paths.mixed_prediction(path, output), 8)
    g = T.discrete_ancestral(lambda key, z, cond=None: (), read, 8)
    z = bases.uniform((9, 2)).sample(seed=KEY)
    np.testing.assert_array_equal(f.forward((), {"sites": z[1:]}), g.forward((), z))
    x = jnp.asarray([2.0, 0.0])
    found, wanted = f.inverse((), x, None, KEY), g.inverse((), x, None, jax.random.split(KEY, 3)[0])
    np.testing.assert_allclose(found.log_det - found.log_q, wanted.log_det - wanted.log_q, rtol=1e-5)
    batch, base = Batch(jnp.tile(x, (20_000, 1))), bases.uniform((2,))
    bound = objectives.mixed_bound(Model(base, f), path).loss((), (), KEY, batch, CLOCK)[0]
    np.testing.assert_allclose(bound, objectives.discrete_bound(Model(base, g), path.sites).loss((), (), KEY, batch, CLOCK)[0], rtol=0.03)


@pytest.mark.parametrize("apart", [False, True])
def test_the_objective_of_a_perfect_network_is_just_above_the_entropy(apart):
    rng = np.random.default_rng(0)
    cell = rng.choice(6, 40_000, p=SHARES.ravel())
    x = np.stack([MEANS.ravel()[cell] + SD * rng.standard_normal(len(cell)), cell // 2, cell % 2], 1).astype(np.float32)
    entropy = -np.mean(log_truth(x))
    objective = objectives.mixed_bound(CHAIN, PATH, apart=apart)
    _, metrics = jax.jit(objective.loss)((), (), KEY, Batch(jnp.asarray(x)), CLOCK)
    assert -0.04 < float(metrics["nll_bound"]) - entropy < 0.06


def test_a_missing_number_has_the_probability_of_its_gap_and_costs_no_more():
    path = paths.mixed_path((2, 0), NUMBERS, (-1, 0))

    def output(params, h, t, cond=None):
        return jnp.asarray([0.0, math.log(0.8), math.log(0.2)]) + 0 * h[:1].sum()

    read = paths.mixed_prediction(path, output)
    exact = Model(bases.normal((2,)), T.categories_first(lambda key, z, cond=None: (), read, solver=numerics.fixed(4)))
    rows = np.array([[1.0, 0.0], [1.0, 0.7]], np.float32)
    value = np.asarray(log_prob(exact, (), rows).value)
    np.testing.assert_allclose(value[0], math.log(0.2), atol=1e-4)
    assert value[1] == -np.inf
    chain = Model(bases.mixed_noise(1, 1, 64), T.mixed_ancestral(lambda key, z, cond=None: (), read, 64))
    bound = np.asarray(log_prob(chain, (), np.repeat(rows[:1], 500, 0), key=0).value)
    assert math.log(0.2) - 0.4 < bound.mean() < math.log(0.2) + 3 * bound.std() / math.sqrt(500)
    x = np.asarray(sample(KEY, chain, (), 200))
    assert (x[x[:, 0] == 1, 1] == 0).all() and (x[x[:, 0] == 0, 1] != 0).all()
    loss = objectives.mixed_bound(chain, path).loss((), (), KEY, Batch(jnp.asarray(np.repeat(rows[:1], 20_000, 0))), CLOCK)[1]["nll_bound"]
    assert abs(float(loss) + math.log(0.2)) < 0.08


def with_roles(params, h, t, cond):
    """The perfect network told the given columns and what is asked for, which it reads as a state: given cells as they are, others masked."""
    told, asked = cond[:6], cond[9:12] > 0
    given = cond[6:9] > 0
    # A number that is given counts as a state without noise; `truth` reads its state at t.
    hot = jnp.where(jnp.repeat(given, np.array([1, 3, 2]), total_repeat_length=6), told, h)
    number = truth(params, jnp.concatenate([jnp.where(given[0], told[:1], h[:1]), hot[1:]]), jnp.where(given[0], 1.0, t).astype(h.dtype))
    blind = truth(params, jnp.concatenate([jnp.zeros(1, h.dtype), hot[1:]]), jnp.zeros((), h.dtype))
    return jnp.where(asked[0] | given[0], number, blind)


def test_any_columns_given_leave_the_exact_conditional_of_the_others():
    read = paths.mixed_prediction(PATH, with_roles, roles=True)
    f = T.answering(T.categories_first(lambda key, z, cond=None: (), read, solver=numerics.fixed(64, "heun"), roles=True))
    model = Model(bases.normal((3,)), f)
    x, joint = ROWS[3:4], SHARES * np.exp(-0.5 * ((ROWS[3, 0] - MEANS) / SD) ** 2) / (SD * math.sqrt(2 * math.pi))
    a, b = int(x[0, 1]), int(x[0, 2])
    nan, log = math.nan, math.log
    wanted = {
        (nan, nan, nan): log(joint[a, b]),
        (nan, a, nan): log(joint[a, b] / SHARES[a].sum()),
        (x[0, 0], nan, nan): log(joint[a, b] / joint.sum()),
        (x[0, 0], nan, b): log(joint[a, b] / joint[:, b].sum()),
        (nan, a, b): log(joint[a, b] / SHARES[a, b]),
    }
    known = np.array(list(wanted), np.float32)
    np.testing.assert_allclose(log_prob(model, (), np.repeat(x, 5, 0), known).value, list(wanted.values()), atol=0.03)
    hidden = np.array([[nan, a, nan], [nan, a, b], [x[0, 0], a, nan]], np.float32)
    marginal = [log(SHARES[a].sum()), log(SHARES[a, b]), log(joint[a].sum())]
    np.testing.assert_allclose(log_prob(model, (), hidden, np.full((3, 3), nan, np.float32)).value, marginal, atol=0.03)
    drawn = np.asarray(sample(KEY, model, (), 4_000, np.array([[x[0, 0], nan, b]], np.float32)))
    assert (drawn[:, [0, 2]] == x[0, [0, 2]]).all()
    np.testing.assert_allclose(np.bincount(drawn[:, 1].astype(int), minlength=3) / 4_000, joint[:, b] / joint[:, b].sum(), atol=0.03)


def test_bad_processes_are_refused():
    with pytest.raises(ValueError, match="categories"):
        paths.mixed_path((0, 1), NUMBERS)
    with pytest.raises(ValueError, match="gates"):
        paths.mixed_path((0, 3), NUMBERS, (1, -1))
    with pytest.raises(TypeError, match="log SNR"):
        objectives.mixed_bound(CHAIN, paths.mixed_path((0, 3, 2), paths.linear()))
