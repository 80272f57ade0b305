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
    schedule, t = SCHEDULES[name], np.linspace(0.0, 1.0, 33, dtype=np.float32)

    @jax.jit
    def readings(t):
        kept = schedule.kept(t)
        return kept, schedule.lost(t), schedule.inverse(kept), schedule.hazard(t), schedule.rate(t)

    kept, lost, undone, hazard, rate = map(np.asarray, readings(t))
    assert kept[0] == 0 and kept[-1] == pytest.approx(1, abs=2e-7) and lost[-1] == 0 and lost[0] == 1
    np.testing.assert_allclose(kept + lost, 1, rtol=1e-6)
    np.testing.assert_allclose(undone, t, atol=1e-3)
    assert np.isfinite(hazard).all()
    slope = (kept[2:] - kept[:-2]) / (t[2:] - t[:-2])
    np.testing.assert_allclose(rate[1:-1], slope, rtol=1e-2, atol=2e-3)


@functools.cache
def tables(name):
    """By datum x and states: the marginals at T and at S, the rates of the path at T, and the derivative of the marginal there."""
    path = CHAINS.get(name) or PATHS[name]

    def values(t, s):
        x, z = jnp.eye(K), jnp.arange(path.num_states, dtype=float)
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
        # States drawn by an even grid of uniforms, whose frequencies are those of the marginal.
        u = (jnp.arange(4_000) + 0.5) / 4_000
        drawn = jax.vmap(lambda x: path.state(jnp.full_like(u, x), u, t))(jnp.arange(K, dtype=float))
        ends = path.marginal(x, jnp.asarray(0.0)), path.marginal(x, jnp.asarray(1.0)), path.widened(x)
        return out | dict(zip(("noise", "data", "widened"), ends, strict=True)) | {"drawn": drawn}

    with jax.enable_x64(True):
        return path, jax.tree.map(np.asarray, jax.jit(values)(np.asarray(T), np.asarray(S)))


@over(PATHS)
def test_marginals_are_distributions_from_the_prior_to_the_data(name):
    path, out = tables(name)
    close(out["t"].sum(-1), 1)
    close(out["noise"], np.broadcast_to(path.prior, (K, path.num_states)))
    close(out["data"], out["widened"], 1e-7)
    frequencies = [[np.mean(row == y) for y in range(path.num_states)] for row in out["drawn"]]
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
    path, truth = PATHS[name], D.tabular(PATHS[name])

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(None, 0, None))
    def all_readings(table, x, t):
        expected = {part: getattr(truth, part)(table, x, t) for part in ("probabilities", "ratios", "rates")}
        read = {}
        for target, part in (("logits", "probabilities"), ("log_ratios", "ratios"), ("log_rates", "rates")):
            logs = jnp.log(jnp.maximum(expected[part], 1e-300))
            of_logs = D.prediction(path, lambda params, x, t, cond, logs=logs: logs, target)
            read[target] = {part: getattr(of_logs, part)((), x, t) for part in expected}
        return expected, read

    with jax.enable_x64(True):
        states = np.asarray(list(itertools.product(range(path.num_states), repeat=2)), float)
        expected, read = all_readings(logits_of(), states, np.asarray(T))
    for parts in read.values():
        for part, tol in (("probabilities", 2e-6), ("ratios", 2e-5), ("rates", 2e-5)):
            close(parts[part], expected[part], tol)


@over(PATHS)
def test_context_logits_are_completed_by_what_a_state_says_of_its_own_datum(name):
    """Of two independent sites the context says nothing, so constant logits give the posterior, up to the least probability."""
    path, rows = PATHS[name], np.log(np.random.default_rng(5).dirichlet(np.ones(K), 2))
    read = D.prediction(path, lambda params, x, t, cond: jnp.asarray(rows), "context_logits")

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, None))
    def both(x, t):
        return read.probabilities((), x, t), D.tabular(path).probabilities(jnp.asarray(rows[0][:, None] + rows[1]), x, t)

    with jax.enable_x64(True):
        states = np.asarray(list(itertools.product(range(path.num_states), repeat=2)), float)
        close(*both(states, np.asarray(T)), 1e-6)


def test_ratios_are_those_of_the_marginals():
    """`p_t(y) / p_t(x)` for two neighbours in one site, by a sum over all data."""
    path, table = PATHS["mixture"], logits_of(1)
    with jax.enable_x64(True):
        both = jax.jit(lambda table, x, t: (path.marginal(jnp.eye(K), t), D.tabular(path).ratios(table, x, t)))
        q, ratios = map(np.asarray, both(table, np.asarray([2.0, 0.0]), np.asarray(T)))
    joint = np.exp(table) / np.exp(table).sum()
    p_t = np.einsum("ab,ax,by->xy", joint, q, q)
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
        slope = jax.jit(jax.grad(lambda table: jnp.asarray(joint.ravel()) @ bound(table)))
        assert np.abs(slope(jnp.asarray(table))).max() < 1e-4 < 1e-2 < np.abs(slope(jnp.asarray(other))).max()


def test_the_bound_keeps_its_digits_in_float32_near_noise():
    path, t = D.uniform(4), jnp.asarray(1e-4, jnp.float32)
    p = jnp.asarray([[0.1, 0.2, 0.3, 0.4]])
    bound = jax.jit(lambda p, t: path.reversal.bound(p, jnp.ones(1, p.dtype), jnp.zeros(1, p.dtype), t))
    value = bound(p, t)
    with jax.enable_x64(True):
        truth = bound(np.asarray(p, float), np.asarray(1e-4))
    assert abs(float(value[0]) - float(truth[0])) < 1e-4


@over(PATHS)
def test_readings_are_finite_distributions_at_both_ends_in_float32(name):
    path = PATHS[name]
    read = D.prediction(path, lambda params, x, t, cond=None: jnp.broadcast_to(jnp.asarray([80.0, 0.0, -80.0]), (*x.shape, K)))
    x = np.arange(path.num_states, dtype=np.float32)

    @jax.jit
    def at(t):
        p = read.probabilities((), x, t)
        return p, None if path.reversal is None else (path.reversal.posterior(p, x, t, jnp.ones(())), path.widened(p))

    for t in (0.0, 1e-6, 0.5, 1 - 1e-6, 1.0):
        p, found = at(np.float32(t))
        np.testing.assert_allclose(np.sum(p, -1), 1, rtol=1e-5)
        if t < 1 and found is not None:
            np.testing.assert_allclose(*found, atol=1e-5)


def test_cells_return_what_they_were_asked_for():
    p = np.random.default_rng(0).dirichlet(np.full(5, 0.3), size=50) * np.array([1, 0, 1, 1, 0])
    p = (p / p.sum(-1, keepdims=True)).astype(np.float32)
    drawn, middle = jax.jit(D.drawn), jax.jit(D.middle)
    for u in (0.0, 0.3, 1 - 2.0**-24):
        k = drawn(p, np.full(50, u, np.float32))
        assert (np.take_along_axis(p, np.asarray(k, int)[:, None], 1) > 0).all()
    for code in (0, 2, 3):
        wide = p[:, code] > 1e-5
        u, log_p = map(np.asarray, middle(p, np.full(50, code, np.float32)))
        np.testing.assert_array_equal(np.asarray(drawn(p, u))[wide], code)
        np.testing.assert_allclose(log_p[wide], np.log(p[:, code])[wide], rtol=1e-6)
    for none in (1.0, 0.5):
        assert (np.asarray(middle(p, np.full(50, none, np.float32))[1]) == -np.inf).all()


def test_counts_leave_out_categories_that_a_site_does_not_have():
    read = D.prediction(D.masked(3), lambda params, x, t, cond=None: jnp.zeros((*x.shape, 3)), counts=[2, 3])
    p = jax.jit(lambda x, t: read.probabilities((), x, t))(np.full(2, 3.0, np.float32), np.float32(0.5))
    np.testing.assert_allclose(p, [[0.5, 0.5, 0], [1 / 3] * 3], atol=1e-6)


def test_infilling_is_the_conditional_distribution_and_guidance_is_a_power():
    with jax.enable_x64(True):
        table, path = logits_of(4), PATHS["masked"]
        given = D.infilled(D.tabular(path), [False, True], [0.0, 2.0])
        joint = np.exp(table)
        p = np.asarray(jax.jit(given.probabilities)(table, np.asarray([3.0, 3.0]), np.asarray(0.0)))
        close(p[0], joint[:, 2] / joint[:, 2].sum())
        close(p[1], [0, 0, 1])
        net = lambda params, x, t, cond=None: jnp.zeros((*x.shape, K)) + (jnp.asarray([0.3, 0, 0]) if cond is None else cond)
        read, cond = D.prediction(PATHS["uniform"], net), np.asarray([0.0, 1.0, -1.0])
        at = jax.jit(lambda x, t, c: {w: jnp.log(D.guided(read, w).probabilities((), x, t, c))[0] for w in (0.0, 1.0, 2.5)})
        logs = jax.tree.map(np.asarray, at(np.zeros(1), np.asarray(T), cond))
        plain = {c is None: jnp.log(read.probabilities((), np.zeros(1), np.asarray(T), c))[0] for c in (cond, None)}
    for scale, no_cond in ((0.0, True), (1.0, False)):
        close(logs[scale], plain[no_cond], 1e-5)
    steered = 2.5 * logs[1.0] - 1.5 * logs[0.0]
    close(logs[2.5], steered - np.log(np.sum(np.exp(steered))), 1e-5)


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
