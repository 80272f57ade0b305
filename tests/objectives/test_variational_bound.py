"""The variational bound of a Gaussian in closed form, and the density of times that estimates it best."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import bases, objectives, paths
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock
from jaxgen.objectives.variational_bound import _times

PATH, MEAN, SD = paths.vp_linear(0.1, 8.0, last=0.02), 0.7, 0.5
CLOCK = Clock(jnp.asarray(0), jnp.asarray(10), None)


def predictor():
    def eps(params, x, t, cond=None):
        alpha, sigma = PATH.alpha(t), PATH.sigma(t)
        return sigma / (alpha**2 * SD**2 + sigma**2) * (x - alpha * MEAN) + params

    return Model(bases.normal((1,)), T.probability_flow(lambda *a: jnp.zeros(()), paths.prediction(PATH, eps, "eps")))


def kl(m, v, m0, v0):
    return 0.5 * (np.log(v0 / v) + (v + (m - m0) ** 2) / v0 - 1)


def closed_form():
    """With the true score the bound is the entropy plus what the two ends lose: KL of the noisy end, and mean KL of the last decoding."""
    ends = [(float(PATH.alpha(t)), float(PATH.sigma(t))) for t in jnp.asarray([0.0, 1.0])]
    (a0, s0), (a1, s1) = ends
    prior = kl(a0 * MEAN, a0**2 * SD**2 + s0**2, 0.0, s0**2)
    # Given x_1 the data are Gaussian with this variance v around a mean whose distance from x_1 / a1 has the mean square below.
    total = a1**2 * SD**2 + s1**2
    v, shrink = SD**2 * s1**2 / total, s1**2 / total
    decoding = 0.5 * (np.log(s1**2 / a1**2 / v) + (v + shrink**2 * total / a1**2) / (s1**2 / a1**2) - 1)
    return (0.5 * np.log(2 * np.pi * np.e * SD**2) + prior + decoding) / np.log(2)


def run(objective, aux, params=0.0, num=60):
    def one(key):
        x = MEAN + SD * jax.random.normal(jax.random.fold_in(key, 99), (512, 1))
        value, metrics = objective.loss(jnp.asarray(params), aux, key, Batch(x), CLOCK)
        gradient = jax.grad(lambda a: objective.loss(jnp.asarray(params), a, key, Batch(x), CLOCK)[0])(aux)
        return value, metrics, gradient

    return jax.tree.map(np.asarray, jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(jax.random.key(0), num)))


def test_at_the_truth_the_bound_is_the_closed_form_and_no_other_is_lower():
    objective = objectives.variational_bound(predictor(), PATH)
    value, metrics, _ = run(objective, ())
    stderr = value.std() / np.sqrt(len(value))
    assert abs(value.mean() - closed_form()) < 4 * stderr < 0.3
    np.testing.assert_allclose(value, metrics["bits_per_dim"], rtol=1e-6)
    parts = metrics["prior"] + metrics["diffusion"] + metrics["reconstruction"]
    np.testing.assert_allclose(value, parts, rtol=1e-5)
    # A constant error of the prediction costs its square times half the range of lambda; what is linear in it cancels between the signs.
    shifted = [run(objective, (), p)[0].mean() for p in (-0.4, 0.4)]
    start, end = (2 * float(PATH.log_snr(t)) for t in jnp.asarray([0.0, 1.0]))
    assert min(shifted) > value.mean() + 0.3
    np.testing.assert_allclose(np.mean(shifted) - value.mean(), 0.4**2 * (end - start) / 2 / np.log(2), rtol=0.02)


def test_learned_times_keep_the_mean_and_lessen_the_variance():
    objective, bins = objectives.variational_bound(predictor(), PATH, num_time_bins=16), 16
    _, aux = objective.init(jax.random.key(0), (), Batch(jnp.zeros((4, 1))))
    assert aux.shape == (bins,)
    # The best density is the root of the loss's second moment in each bin: (lambda' / 2)^2 E error^4, the error Gaussian.
    t = (np.arange(1_600) + 0.5) / 1_600
    alpha, sigma = (np.asarray(f(jnp.asarray(t))) for f in (PATH.alpha, PATH.sigma))
    rate = np.asarray(jax.jit(jax.vmap(lambda t: objectives.weights.elbo()(PATH, t)))(jnp.asarray(t)))
    second = 3 * (rate * alpha**2 * SD**2 / (alpha**2 * SD**2 + sigma**2)) ** 2
    best = jnp.asarray(0.5 * np.log(second.reshape(bins, -1).mean(1)), jnp.float32)
    (plain, _, uphill), (value, _, level) = run(objective, aux), run(objective, best)
    assert value.std() < 0.6 * plain.std()
    assert abs(value.mean() - closed_form()) < 4 * value.std() / np.sqrt(60)
    assert np.abs(level.mean(0)).max() < 0.1 * np.abs(uphill.mean(0)).max()


def test_times_follow_the_density_in_bins():
    logits = jnp.log(jnp.asarray([0.1, 0.6, 0.3]))
    t, log_density = _times(logits, (jnp.arange(1_000) + 0.5) / 1_000)
    counts = np.bincount((np.asarray(t) * 3).astype(int), minlength=3)
    np.testing.assert_allclose(counts, [100, 600, 300], atol=1)
    np.testing.assert_allclose(np.exp(log_density), 3 * np.asarray([0.1, 0.6, 0.3])[(np.asarray(t) * 3).astype(int)], rtol=1e-5)
    # Within a bin they are even.
    assert np.ptp(np.diff(np.asarray(t)[150:650])) < 1e-5


def test_learned_ends_have_the_gradient_of_the_bound(x64):
    """With the perfect network of a Gaussian the bound falls as either end moves out, by as much as the closed form does."""
    with x64():
        ends = {"low": jnp.asarray(-3.0), "high": jnp.asarray(2.0)}

        def make(ends):
            truth = paths.mixture_prediction(paths.vp_log_snr(ends["low"], ends["high"]), [1.0], [[MEAN]], SD)
            return T.ancestral(lambda *a: (), truth, 4)

        model = Model(bases.diffusion_noise((1,), 4), T.learned_path(make, ends))
        objective = objectives.variational_bound(model, lambda params: paths.vp_log_snr(params["path"]["low"], params["path"]["high"]))
        x = MEAN + SD * jnp.asarray(np.random.default_rng(0).standard_normal((20_000, 1)))

        def loss(ends):
            return objective.loss({"path": ends, "network": ()}, (), jax.random.key(0), Batch(x), CLOCK)[0]

        def closed(low, high):
            (a0, s0), (a1, s1) = [(np.sqrt(1 / (1 + np.exp(-v))), np.sqrt(1 / (1 + np.exp(v)))) for v in (low, high)]
            prior = kl(a0 * MEAN, a0**2 * SD**2 + s0**2, 0.0, s0**2)
            total = a1**2 * SD**2 + s1**2
            v, shrink = SD**2 * s1**2 / total, s1**2 / total
            return (prior + 0.5 * (np.log(s1**2 / a1**2 / v) + (v + shrink**2 * total / a1**2) / (s1**2 / a1**2) - 1)) / np.log(2)

        found = jax.jit(jax.grad(loss))(ends)
        slopes = [(closed(-3 + 1e-4, 2) - closed(-3 - 1e-4, 2)) / 2e-4, (closed(-3, 2 + 1e-4) - closed(-3, 2 - 1e-4)) / 2e-4]
        assert slopes[0] > 0 > slopes[1]
        np.testing.assert_allclose([found["low"], found["high"]], slopes, atol=0.012)
