"""Stochastic samplers with a perfect network: moments of the output, the bound, the noising chain; with a wrong one, the weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases, paths, transforms
from jaxgen.model import Model, log_prob
from jaxgen.transform import Density
from jaxgen.transforms.samplers.sde_sampler import reverse_sde

FACTORIES = {
    "ancestral": transforms.ancestral,
    "euler_maruyama": transforms.euler_maruyama,
    "dpm_solver_sde": transforms.dpm_solver_sde,
}
over_factories = pytest.mark.parametrize("name", list(FACTORIES))
MILD = paths.vp_linear(0.1, 4.0, last=0.05)


def output_moments(sampler, num_steps):
    """With a linear network x = A z + b: the mean is b and the variance the sum of A's squares, exactly."""
    zero = {"x0": jnp.zeros(1), "increments": jnp.zeros((num_steps, 1))}
    slopes = jax.jit(jax.jacrev(lambda z: sampler.forward((), z)[0]))(zero)
    return sampler.forward((), zero)[0], jnp.sqrt(sum(jnp.sum(a**2) for a in jax.tree.leaves(slopes)))


@over_factories
@pytest.mark.parametrize("path", [paths.vp_linear(), paths.vp_cosine()], ids=["vp_linear", "vp_cosine"])
def test_output_becomes_the_gaussian_as_steps_shrink(name, path, gaussian_diffusion, no_params, x64):
    """First order in the step: four times the steps, about a quarter of the error, down to a hundredth."""
    with x64():
        truth = gaussian_diffusion(path)
        errors = []
        for num_steps in (200, 800):
            mean, sd = output_moments(FACTORIES[name](no_params, truth.prediction, num_steps), num_steps)
            errors.append([abs(float(mean) - truth.mean), abs(float(sd) - truth.sd)])
        assert max(errors[1]) < 0.01, errors
        assert errors[1][1] < 0.45 * errors[0][1], errors


@over_factories
def test_the_bound_stays_below_the_density_and_comes_close(name, gaussian_diffusion, no_params):
    truth = gaussian_diffusion(paths.vp_cosine(last=0.05))
    mean, sd = truth.moments(jnp.ones(()))
    x = np.linspace(-0.5, 1.6, 4)[:, None]
    gaps = []
    for num_steps in (20, 160):
        model = Model(bases.diffusion_noise((1,), num_steps), FACTORIES[name](no_params, truth.prediction, num_steps))
        draws = np.stack([log_prob(model, (), x, key=k).value for k in jax.random.split(jax.random.key(0), 300)])
        gap = scipy.stats.norm.logpdf(x[:, 0], mean, sd) - draws.mean(0)
        stderr = draws.std(0) / np.sqrt(300)
        # The chain starts from N(0, 1) and not from x_0's own law, which differs by less than a thousandth of a nat.
        assert np.all(gap > -3 * stderr - 2e-3), (gap, stderr)
        gaps.append(gap.mean())
    # Euler-Maruyama's kernels do not know the posterior's variance, which costs it more.
    assert gaps[1] < (0.1 if name == "ancestral" else 0.5) and gaps[1] < 0.5 * gaps[0], gaps


@over_factories
def test_importance_weights_integrate_to_one_for_a_wrong_network(name, gaussian_diffusion, no_params):
    """E over the noising chain of p(path) / q(path | x) is p(x) whatever the network: over a grid its integral is one."""
    truth = gaussian_diffusion(MILD, bend=0.3)
    model = Model(bases.diffusion_noise((1,), 6), FACTORIES[name](no_params, truth.prediction, 6))
    x = np.linspace(-9, 9, 181)[:, None]
    found = log_prob(model, (), x, key=jax.random.key(0), num_draws=4_000)
    assert found.density is Density.LOWER_BOUND
    p = np.exp(np.asarray(found.value, np.float64))
    total, stderr = p.sum() * 0.1, np.sqrt(np.sum((p * found.stderr) ** 2)) * 0.1
    assert stderr < 0.03
    assert abs(total - 1) < 3 * stderr


@over_factories
def test_log_q_is_the_density_of_the_noising_chain(name, gaussian_diffusion, no_params, x64):
    """Read off the recovered states: q(x_t | x_s) is a Gaussian around (alpha_t / alpha_s) x_s."""
    with x64():
        truth, path, n = gaussian_diffusion(MILD, bend=0.3), MILD, 4
        sampler = FACTORIES[name](no_params, truth.prediction, n)
        x = jnp.asarray([0.4, -1.0])
        pre = sampler.inverse((), x, None, jax.random.key(1))
        states = jnp.concatenate([path.sigma(jnp.zeros(())) * pre.z["x0"][None], sampler.hooks.stages((), pre.z)])
        t = jnp.linspace(0.0, 1.0, n + 1)
        ratio = path.alpha(t[:-1]) / path.alpha(t[1:])
        sd = jnp.sqrt(path.sigma(t[:-1]) ** 2 - (ratio * path.sigma(t[1:])) ** 2)
        expected = scipy.stats.norm.logpdf(states[:-1], ratio[:, None] * states[1:], sd[:, None]).sum()
        np.testing.assert_allclose(pre.log_q, expected, rtol=1e-9)


def test_an_euler_maruyama_step_takes_drift_and_diffusion_where_it_starts(gaussian_diffusion, no_params, x64):
    """`x + h (velocity + g^2 score / 2) + sqrt(h g^2) u`, all at the time of x."""
    with x64():
        truth, num_steps = gaussian_diffusion(paths.vp_linear()), 3
        path, h = truth.path, 1 / num_steps
        increments = jnp.asarray([[0.3], [-1.2], [0.7]])
        x = path.sigma(jnp.zeros(())) * jnp.asarray([0.5])
        states = transforms.euler_maruyama(no_params, truth.prediction, num_steps).hooks.stages(
            (), {"x0": jnp.asarray([0.5]), "increments": increments}
        )
        for k, state in enumerate(states):
            t = jnp.asarray(k * h)
            g2 = path.diffusion(t)
            x = (
                x
                + h * (truth.prediction.velocity((), x, t) + 0.5 * g2 * truth.prediction.score((), x, t))
                + jnp.sqrt(h * g2) * increments[k]
            )
            np.testing.assert_allclose(state, x, rtol=1e-10)


@pytest.mark.parametrize("path", [paths.linear(), paths.trigonometric(), paths.follmer()], ids=["linear", "trigonometric", "follmer"])
def test_drift_and_diffusion_are_finite_where_no_noise_is_left(path, gaussian_diffusion, x64):
    """At t = 1 sigma is 0 and its slope may be infinite: the coefficients are those of a time just before."""
    with x64():
        drift, g2 = reverse_sde(gaussian_diffusion(path).prediction)
        np.testing.assert_allclose(g2(jnp.ones(())), g2(jnp.asarray(1 - 1e-7)), rtol=1e-2, atol=1e-5)
        assert np.isfinite(drift((), jnp.asarray([0.5]), jnp.ones(()))).all()


def test_eta_scales_each_steps_noise_and_leaves_the_level_to_the_guess(gaussian_diffusion, no_params, x64):
    """Of three steps the first: half of DDPM's noise, and of the guess what fills the variance up (arXiv 2010.02502, eq. 12)."""
    with x64():
        truth, x0 = gaussian_diffusion(paths.vp_cosine()), jnp.asarray([0.5])

        def first_state(eta, noise):
            sampler = transforms.ancestral(no_params, truth.prediction, 3, eta=eta)
            return sampler.hooks.stages((), {"x0": x0, "increments": jnp.full((3, 1), noise)})[0]

        full, half = (first_state(eta, 1.0) - first_state(eta, 0.0) for eta in (1.0, 0.5))
        np.testing.assert_allclose(half, 0.5 * full, rtol=1e-10)
        start, s = jnp.zeros(()), jnp.asarray(1 / 3)
        x_hat, z_hat = truth.prediction.both((), truth.path.sigma(start) * x0, start)
        expected = truth.path.alpha(s) * x_hat + jnp.sqrt(truth.path.sigma(s) ** 2 - half**2) * z_hat
        np.testing.assert_allclose(first_state(0.5, 0.0), expected, rtol=1e-8)


def test_the_ancestral_kernel_is_the_posterior_of_the_noising_chain(gaussian_diffusion, no_params, x64):
    """q(x_s | x_t, x) of arXiv 2006.11239, eqs. 6 and 7, for a network that knows x."""
    with x64():
        path, x = MILD, jnp.asarray([0.8])
        known = paths.prediction(path, lambda params, x_t, t, cond: x, "denoiser")
        sampler = transforms.ancestral(no_params, known, 4)
        z = {"x0": jnp.asarray([0.3]), "increments": jnp.asarray([[0.5], [0.0], [0.0], [0.0]])}
        t, s = jnp.asarray(0.0), jnp.asarray(0.25)
        x_t = path.sigma(t) * z["x0"]
        a_s, a_t = path.alpha(s) ** 2, path.alpha(t) ** 2
        beta = 1 - a_t / a_s
        mean = jnp.sqrt(a_s) * beta / (1 - a_t) * x + jnp.sqrt(a_t / a_s) * (1 - a_s) / (1 - a_t) * x_t
        sd = jnp.sqrt((1 - a_s) / (1 - a_t) * beta)
        np.testing.assert_allclose(sampler.hooks.stages((), z)[0], mean + sd * 0.5, rtol=1e-9)


@over_factories
def test_bad_arguments_are_named(name, gaussian_diffusion, no_params):
    prediction = gaussian_diffusion(MILD).prediction
    for number in (0, 2.5):
        with pytest.raises(ValueError, match=f"num_steps={number}"):
            FACTORIES[name](no_params, prediction, number)
    with pytest.raises(ValueError, match=r"key=None.*jax\.random\.key"):
        FACTORIES[name](no_params, prediction, 2).inverse((), jnp.ones(1))
