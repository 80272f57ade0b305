"""Corruption processes on finite sets, by enumeration in float64: marginals, rates, reversals, conversions, and the bound that is an entropy."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import paths
from jaxgen.paths import discrete as D

K = 3
SCHEDULES = {"linear": D.linear(), "polynomial": D.polynomial(2.5), "cosine": D.cosine()}
DISTANCE = np.array([[0, 1.0, 2.5], [1.5, 0, 0.7], [2.0, 1.1, 0]])
PATHS = {
    "masked": D.masked(K, D.cosine()),
    "uniform": D.uniform(K),
    "mixture": D.mixture([0.5, 0.3, 0.2], D.polynomial(2.0)),
    "metric": D.metric(K, DISTANCE, scale=1.7, power=1.3),
}
REVERSED = {name: path for name, path in PATHS.items() if path.reversal is not None}
CHAINS = {**REVERSED, "remasked": D.remasked(PATHS["masked"], 0.7), "remasked-fully": D.remasked(PATHS["masked"], 1.0)}
T, S = 0.35, 0.6


def over(table):
    return pytest.mark.parametrize("name", list(table))


def close(a, b, tol=1e-10):
    a, b = np.asarray(a), np.asarray(b)
    assert np.isfinite(a).all() and np.isfinite(b).all()
    np.testing.assert_allclose(a, b, rtol=tol, atol=tol)


@over(SCHEDULES)
def test_schedules_end_exactly_and_are_undone(name):
    schedule, t = SCHEDULES[name], jnp.linspace(0.0, 1.0, 33)
    assert schedule.kept(t)[0] == 0 and schedule.kept(t)[-1] == pytest.approx(1, abs=2e-7) and schedule.lost(t)[-1] == 0
    assert schedule.lost(t)[0] == 1
    np.testing.assert_allclose(schedule.kept(t) + schedule.lost(t), 1, rtol=1e-6)
    np.testing.assert_allclose(schedule.inverse(schedule.kept(t)), t, atol=1e-3)
    assert np.isfinite(schedule.hazard(t)).all()
    slope = (schedule.kept(t[2:]) - schedule.kept(t[:-2])) / (t[2:] - t[:-2])
    np.testing.assert_allclose(schedule.rate(t[1:-1]), slope, rtol=1e-2, atol=2e-3)


@functools.cache
def tables(name):
    """By datum x and states: the marginals at T and at S, the rates of the path at T, and the derivative of the marginal there."""
    path = CHAINS.get(name) or PATHS[name]
    with jax.enable_x64(True):
        x, z = jnp.eye(K), jnp.arange(path.num_states, dtype=float)
        t, s = jnp.asarray(T), jnp.asarray(S)
        grid = jnp.broadcast_to(x[:, None], (K, path.num_states, K)), jnp.broadcast_to(z, (K, path.num_states))
        slope = jax.jvp(lambda t: path.marginal(x, t), (t,), (1.0,))[1]
        factor = jax.jvp(lambda s: path.hazard(t, s), (t,), (1.0,))[1]
        out = {"t": path.marginal(x, t), "s": path.marginal(x, s), "slope": slope, "velocity": factor * path.velocity(*grid, t)}
        if path.reversal is not None:
            codes = jnp.broadcast_to(jnp.arange(K, dtype=float)[:, None], (K, path.num_states))
            r = path.reversal
            out["rates"] = r.rate(grid[1], t) * r.ratios(*grid, t)
            out["noising"], out["posterior"] = r.noising(codes, grid[1], s, t), r.posterior(*grid, t, s)
            out["leaving"] = jax.jvp(lambda s: r.posterior(*grid, t, s), (t,), (1.0,))[1]
        return path, {k: np.asarray(v) for k, v in out.items()}


@over(PATHS)
def test_marginals_are_distributions_from_the_prior_to_the_data(name):
    path, out = tables(name)
    close(out["t"].sum(-1), 1)
    with jax.enable_x64(True):
        x = jnp.eye(K)
        close(path.marginal(x, jnp.asarray(0.0)), np.broadcast_to(path.prior, (K, path.num_states)))
        close(path.marginal(x, jnp.asarray(1.0)), path.widened(x), 1e-7)
        # States drawn by an even grid of uniforms have the marginal's frequencies.
        u = (jnp.arange(4_000) + 0.5) / 4_000
        drawn = jax.vmap(lambda x: path.state(jnp.full_like(u, x), u, jnp.asarray(T)))(jnp.arange(K, dtype=float))
        frequencies = [[np.mean(np.asarray(row) == y) for y in range(path.num_states)] for row in drawn]
    np.testing.assert_allclose(frequencies, out["t"], atol=1e-3)


def generated(marginal, rates):
    """The derivative that jumps at `rates` (x, from, to) give a marginal (x, state); the diagonal does not count."""
    rates = rates * (1 - np.eye(rates.shape[-1]))
    return np.einsum("xz,xzy->xy", marginal, rates) - marginal * rates.sum(-1)


@pytest.mark.parametrize(("name", "which"), [(n, "velocity") for n in PATHS] + [(n, "rates") for n in REVERSED])
def test_rates_from_noise_to_data_generate_the_marginals(name, which):
    """Kolmogorov's forward equation, for the rates of flow matching and for those of the reversal."""
    _, out = tables(name)
    assert (out[which] >= 0).all() and out[which].max() > 0.1
    close(generated(out["t"], out[which]), out["slope"])


def test_the_two_kinds_of_rates_differ_where_noise_is_resampled():
    _, masked = tables("masked")
    known = masked["t"] > 0
    close((masked["rates"] * (1 - np.eye(K + 1)))[known], masked["velocity"][known])
    _, out = tables("uniform")
    assert abs(out["rates"] - out["velocity"]).max() > 0.1


def test_kinetic_optimal_rates_move_towards_the_datum_only():
    _, out = tables("metric")
    nearer = DISTANCE.T[:, :, None] > DISTANCE.T[:, None, :]
    assert ((out["velocity"] > 0) == nearer).all()


@over(CHAINS)
def test_noising_keeps_the_marginals_and_the_posterior_is_its_inverse_by_bayes(name):
    _, out = tables(name)
    close(out["noising"].sum(-1), 1)
    close(np.einsum("xy,xyz->xz", out["s"], out["noising"]), out["t"])
    joint = out["s"][:, :, None] * out["noising"]
    some = out["t"] > 0
    close(out["posterior"].sum(-1), 1)
    close((out["posterior"] * out["t"][..., None])[some], joint.swapaxes(1, 2)[some])


@over(REVERSED)
def test_the_rate_of_the_posterior_is_that_of_the_reversal(name):
    _, out = tables(name)
    off = (1 - np.eye(out["rates"].shape[-1]))[None] * (out["t"] > 0)[..., None]
    close(out["leaving"] * off, out["rates"] * off)


def logits_of(seed=0, n=2):
    return np.random.default_rng(seed).normal(size=(K,) * n)


@over(REVERSED)
def test_every_parameterisation_converts_to_every_other(name):
    path = PATHS[name]
    with jax.enable_x64(True):
        truth, t = D.tabular(path), jnp.asarray(T)
        table = jnp.asarray(logits_of())
        for x in itertools.product(range(path.num_states), repeat=2):
            x = jnp.asarray(x, float)
            p, ratios, rates = (np.asarray(f(table, x, t)) for f in (truth.probabilities, truth.ratios, truth.rates))
            for target, y in (("logits", p), ("log_ratios", ratios), ("log_rates", rates)):
                logs = np.log(np.maximum(y, 1e-300))
                read = D.prediction(path, lambda params, x, t, cond, logs=logs: jnp.asarray(logs), target)
                close(read.probabilities((), x, t), p, 2e-6)
                close(read.ratios((), x, t), ratios, 2e-5)
                close(read.rates((), x, t), rates, 2e-5)


@over(PATHS)
def test_context_logits_are_completed_by_what_a_state_says_of_its_own_datum(name):
    """Of two independent sites the context says nothing, so constant logits give the posterior, up to the least probability."""
    path, rows = PATHS[name], np.log(np.random.default_rng(5).dirichlet(np.ones(K), 2))
    with jax.enable_x64(True):
        read, t = D.prediction(path, lambda params, x, t, cond: jnp.asarray(rows), "context_logits"), jnp.asarray(T)
        for x in itertools.product(range(path.num_states), repeat=2):
            truth = D.tabular(path).probabilities(jnp.asarray(rows[0][:, None] + rows[1]), jnp.asarray(x, float), t)
            close(read.probabilities((), jnp.asarray(x, float), t), truth, 1e-6)


def test_ratios_are_those_of_the_marginals():
    """`p_t(y) / p_t(x)` for two neighbours in one site, by a sum over all data."""
    path, table = PATHS["mixture"], logits_of(1)
    with jax.enable_x64(True):
        q = np.asarray(path.marginal(jnp.eye(K), jnp.asarray(T)))
        joint = np.exp(table) / np.exp(table).sum()
        p_t = np.einsum("ab,ax,by->xy", joint, q, q)
        ratios = D.tabular(path).ratios(jnp.asarray(table), jnp.asarray([2.0, 0.0]), jnp.asarray(T))
    close(ratios[0], p_t[:, 0] / p_t[2, 0])
    close(ratios[1], p_t[2, :] / p_t[2, 0])


@over(REVERSED)
def test_the_bound_of_the_true_posterior_is_the_entropy_and_of_any_other_above_it(name):
    """The expectation over data, states and times by enumeration and Gauss-Legendre quadrature."""
    path, table = PATHS[name], logits_of(2)
    joint = np.exp(table) / np.exp(table).sum()
    nodes, weights = np.polynomial.legendre.leggauss(40)
    # The integrand has a logarithm at t = 1, which finer nodes there resolve.
    left = (1 - nodes) / 2
    nodes, weights = 1 - left**4, 2 * left**3 * weights
    with jax.enable_x64(True):
        read = D.tabular(path)
        data, states = (jnp.asarray(list(itertools.product(range(n), repeat=2)), float) for n in (K, path.num_states))

        def at(table, t):
            def of_state(z):
                p = read.probabilities(table, z, t)

                def of_datum(x):
                    q = path.marginal(D.one_hot(x, K), t)
                    return jnp.prod(jnp.sum(q * D.one_hot(z, path.num_states), -1)) * jnp.sum(path.reversal.bound(p, x, z, t))

                return jax.vmap(of_datum)(data)

            return jnp.sum(jax.vmap(of_state)(states), 0)

        @jax.jit
        def bound(table):
            return jnp.asarray(weights) @ jax.vmap(lambda t: at(table, t))(jnp.asarray(nodes))

        mean = lambda table: float(joint.ravel() @ np.asarray(bound(jnp.asarray(table))))
        entropy = -float(np.sum(joint * np.log(joint)))
        assert mean(table) == pytest.approx(entropy, abs=1e-5)
        other = table + np.random.default_rng(3).normal(size=table.shape)
        q = np.exp(other) / np.exp(other).sum()
        gap = float(np.sum(joint * (np.log(joint) - np.log(q))))
        assert mean(other) > entropy + gap - 2e-4
        slope = jax.grad(lambda table: jnp.asarray(joint.ravel()) @ bound(table))
        assert np.abs(slope(jnp.asarray(table))).max() < 1e-4 < 1e-2 < np.abs(slope(jnp.asarray(other))).max()


def test_the_bound_keeps_its_digits_in_float32_near_noise():
    path, t = D.uniform(4), jnp.asarray(1e-4, jnp.float32)
    p = jnp.asarray([[0.1, 0.2, 0.3, 0.4]])
    value = path.reversal.bound(p, jnp.asarray([1.0]), jnp.asarray([0.0]), t)
    with jax.enable_x64(True):
        truth = path.reversal.bound(jnp.asarray(p, float), jnp.asarray([1.0]), jnp.asarray([0.0]), jnp.asarray(1e-4))
    assert abs(float(value[0]) - float(truth[0])) < 1e-4


@over(PATHS)
def test_readings_are_finite_distributions_at_both_ends_in_float32(name):
    path = PATHS[name]
    read = D.prediction(path, lambda params, x, t, cond=None: jnp.broadcast_to(jnp.asarray([80.0, 0.0, -80.0]), (*x.shape, K)))
    x = jnp.arange(path.num_states, dtype=jnp.float32)
    for t in (0.0, 1e-6, 0.5, 1 - 1e-6, 1.0):
        p = read.probabilities((), x, jnp.asarray(t))
        np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-5)
        if t < 1 and path.reversal is not None:
            posterior = path.reversal.posterior(p, x, jnp.asarray(t), jnp.ones(()))
            np.testing.assert_allclose(posterior, path.widened(p), atol=1e-5)


def test_cells_return_what_they_were_asked_for():
    p = jnp.asarray(np.random.default_rng(0).dirichlet(np.full(5, 0.3), size=50) * np.array([1, 0, 1, 1, 0]), jnp.float32)
    p = p / p.sum(-1, keepdims=True)
    for u in (0.0, 0.3, 1 - 2.0**-24):
        k = D.drawn(p, jnp.full(50, u, jnp.float32))
        assert (np.take_along_axis(np.asarray(p), np.asarray(k, int)[:, None], 1) > 0).all()
    for code in (0, 2, 3):
        wide = np.asarray(p[:, code] > 1e-5)
        u, log_p = D.middle(p, jnp.full(50, float(code)))
        np.testing.assert_array_equal(np.asarray(D.drawn(p, u))[wide], code)
        np.testing.assert_allclose(log_p[wide], np.log(p[:, code])[wide], rtol=1e-6)
    assert (np.asarray(D.middle(p, jnp.full(50, 1.0))[1]) == -np.inf).all() and (
        np.asarray(D.middle(p, jnp.full(50, 0.5))[1]) == -np.inf
    ).all()


def test_counts_leave_out_categories_that_a_site_does_not_have():
    read = D.prediction(D.masked(3), lambda params, x, t, cond=None: jnp.zeros((*x.shape, 3)), counts=[2, 3])
    np.testing.assert_allclose(read.probabilities((), jnp.full(2, 3.0), jnp.asarray(0.5)), [[0.5, 0.5, 0], [1 / 3] * 3], atol=1e-6)


def test_infilling_is_the_conditional_distribution_and_guidance_is_a_power():
    with jax.enable_x64(True):
        table, path = jnp.asarray(logits_of(4)), PATHS["masked"]
        given = D.infilled(D.tabular(path), [False, True], [0.0, 2.0])
        joint = np.exp(np.asarray(table))
        p = given.probabilities(table, jnp.asarray([3.0, 3.0]), jnp.asarray(0.0))
        close(p[0], joint[:, 2] / joint[:, 2].sum())
        close(p[1], [0, 0, 1])
        net = lambda params, x, t, cond=None: jnp.zeros((*x.shape, K)) + (jnp.asarray([0.3, 0, 0]) if cond is None else cond)
        read, cond = D.prediction(PATHS["uniform"], net), jnp.asarray([0.0, 1.0, -1.0])
        logs = {w: jnp.log(D.guided(read, w).probabilities((), jnp.zeros(1), jnp.asarray(T), cond))[0] for w in (0.0, 1.0, 2.5)}
        steered = 2.5 * logs[1.0] - 1.5 * logs[0.0]
        close(logs[2.5], steered - jax.nn.logsumexp(steered), 1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: D.masked(1), "masked: num_categories=1; accepted: an integer of at least 2"),
        (lambda: D.uniform(2.5), "uniform: num_categories=2.5"),
        (lambda: D.mixture([0.5, 0.0]), r"mixture: prior=\[0.5, 0.0\]; accepted: at least two positive"),
        (lambda: D.metric(3, np.ones((3, 3))), r"metric: distance of shape \(3, 3\).*0 on the diagonal"),
        (lambda: D.polynomial(0.5), "polynomial: power=0.5"),
        (lambda: D.remasked(D.uniform(2), 0.5), "remasked: path=one without a mask"),
        (lambda: D.remasked(D.masked(2), 1.5), "remasked: eta=1.5"),
        (lambda: D.prediction(D.masked(2), None, "eps"), "prediction: target='eps'; accepted: 'logits', 'context_logits'"),
        (lambda: D.prediction(D.metric(3), None, "log_ratios"), "without a reversal; accepted: 'logits', 'context_logits'"),
        (lambda: D.prediction(D.masked(2), None, counts=[3]), r"counts=\[3\]; accepted: 1 to 2"),
        (lambda: D.infilled(D.tabular(D.masked(2)), [True], [0.5]), r"infilled: values=\[0.5\]; accepted: codes 0 to 1"),
        (lambda: D.infilled(D.tabular(D.masked(2)), [False], [0.0]), "one known"),
        (lambda: D.guided(D.tabular(D.masked(2)), np.nan), "guided: scale=nan"),
        (lambda: D.tabular(D.metric(3)).ratios(jnp.zeros((3, 3)), jnp.zeros(2), jnp.asarray(0.5)), "ratios: path=one without a reversal"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_room_is_a_part_of_paths():
    assert paths.discrete is D
