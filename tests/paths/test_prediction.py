"""With Gaussian data everything a diffusion network may predict is in closed form, so each reading can be checked against the truth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import paths

PATHS = {
    "linear": paths.linear(),
    "vp_linear": paths.vp_linear(),
    "vp_cosine": paths.vp_cosine(),
    "edm": paths.edm(),
    "trigonometric": paths.trigonometric(),
    "follmer": paths.follmer(),
}
over_paths = pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path in PATHS.items()])
MEAN, SD = np.array([0.7, -1.0]), np.array([0.5, 1.3])


def truth(path):
    """The posterior means of data and noise given x_t, from the joint Gaussian of (x, x_t)."""

    def variance(t):
        return path.alpha(t) ** 2 * SD**2 + path.sigma(t) ** 2

    def denoiser(params, x, t, cond=None):
        return MEAN + path.alpha(t) * SD**2 / variance(t) * (x - path.alpha(t) * MEAN)

    def eps(params, x, t, cond=None):
        return path.sigma(t) / variance(t) * (x - path.alpha(t) * MEAN)

    def velocity(params, x, t, cond=None):
        rates = path.rates(t)
        return rates[0] * denoiser(params, x, t) + rates[1] * eps(params, x, t)

    def score(params, x, t, cond=None):
        return -(x - path.alpha(t) * MEAN) / variance(t)

    def v(params, x, t, cond=None):
        return path.alpha(t) * eps(params, x, t) - path.sigma(t) * denoiser(params, x, t)

    return {"denoiser": denoiser, "eps": eps, "velocity": velocity, "score": score, "v": v}


@over_paths
@pytest.mark.parametrize("target", ["eps", "denoiser", "velocity"])
def test_every_reading_of_a_perfect_network_is_the_truth(path, target, x64):
    with x64():
        true = truth(path)
        read = paths.prediction(path, true[target], target).parts()
        x, t = jnp.asarray([1.5, -0.4]), jnp.linspace(0.03, 0.97, 7)
        ours, theirs = jax.jit(jax.vmap(lambda t: [{name: parts[name]((), x, t) for name in true} for parts in (read, true)]))(t)
        for name in true:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-7, atol=1e-9, err_msg=name)


@over_paths
def test_the_score_is_the_gradient_of_the_log_density(path, x64):
    with x64():
        t, x = jnp.asarray(0.6), jnp.asarray([1.5, -0.4])

        def log_density(x):
            variance = path.alpha(t) ** 2 * SD**2 + path.sigma(t) ** 2
            return jnp.sum(-0.5 * (x - path.alpha(t) * MEAN) ** 2 / variance)

        score = paths.prediction(path, truth(path)["eps"], "eps").score((), x, t)
        np.testing.assert_allclose(score, jax.grad(log_density)(x), rtol=1e-9)


@over_paths
def test_the_velocity_transports_the_gaussian(path, x64):
    """d/dt of the marginal's mean and standard deviation is the velocity at the mean and its slope: the continuity equation for Gaussians."""
    with x64():
        t = jnp.asarray(0.55)

        def mean(t):
            return path.alpha(t) * MEAN

        def sd(t):
            return jnp.sqrt(path.alpha(t) ** 2 * SD**2 + path.sigma(t) ** 2)

        velocity = paths.prediction(path, truth(path)["denoiser"], "denoiser").velocity
        np.testing.assert_allclose(velocity((), mean(t), t), jax.jacfwd(mean)(t), rtol=1e-8, atol=1e-10)
        slope = jnp.diag(jax.jacfwd(lambda x: velocity((), x, t))(mean(t)))
        np.testing.assert_allclose(slope * sd(t), jax.jacfwd(sd)(t), rtol=1e-8, atol=1e-10)


def test_a_preconditioned_zero_network_is_the_best_linear_denoiser(x64):
    """With F = 0, c_skip x is the denoiser of N(0, sigma_data^2) (arXiv 2206.00364, eq. 131)."""
    with x64():
        path, t, x = paths.edm(), jnp.asarray(0.5), jnp.asarray([2.0, -1.0])
        sigma = path.sigma(t)
        still = paths.preconditioned(path, lambda params, x, t, cond: jnp.zeros_like(x), 1.3)
        np.testing.assert_allclose(still((), x, t), 1.69 / (1.69 + sigma**2) * x, rtol=1e-12)
        seen = paths.preconditioned(path, lambda params, x, t, cond: x, 1.3)
        norm = np.sqrt(sigma**2 + 1.69)
        np.testing.assert_allclose(seen((), x, t), 1.69 / norm**2 * x + sigma * 1.3 / norm * x / norm, rtol=1e-12)


def network(params, x, t, cond=None):
    return jnp.sin(3 * x[::-1] + t) + 0.2 * x


# The algebra between targets sees a path as two numbers and their rates: one path bends both, in the other alpha stays one.
@pytest.mark.parametrize("path", [PATHS["vp_linear"], PATHS["edm"]], ids=["vp_linear", "edm"])
def test_rosetta_any_target_read_as_any_other_and_back_is_the_network(path, x64):
    """Through every ordered pair, away from the ends, for a network that is not the truth of anything."""
    with x64():
        x, ts = jnp.asarray([1.5, -0.4]), jnp.linspace(0.02, 0.98, 9)
        targets = {**paths.TARGETS, "unit": paths.unit_target(0.7)}

        @jax.jit
        def found(ts):
            out = {}
            for a, first in targets.items():
                for b, second in targets.items():
                    there = paths.prediction(path, network, first).read(second)
                    back = paths.prediction(path, there, second).read(first)
                    out[f"{a}, {b}"] = jax.vmap(lambda t, back=back: back((), x, t))(ts)
            return out

        wanted = jax.vmap(lambda t: network((), x, t))(ts)
        for pair, value in found(ts).items():
            np.testing.assert_allclose(value, wanted, rtol=1e-7, atol=1e-8, err_msg=pair)


@over_paths
def test_targets_are_what_they_say(path, x64):
    with x64():
        t, x, z = jnp.asarray(0.4), jnp.asarray([0.3, -2.0]), jnp.asarray([1.0, 0.5])
        alpha, sigma = path.alpha(t), path.sigma(t)
        x_t, norm = alpha * x + sigma * z, jnp.sqrt(alpha**2 * 0.49 + sigma**2)
        # EDM's F: x = c_skip x_t + c_out F (arXiv 2206.00364, eq. 7), and variance one for data of that deviation.
        f = paths.unit_target(0.7).at(path, t, x, z)
        np.testing.assert_allclose(x, alpha * 0.49 / norm**2 * x_t + sigma * 0.7 / norm * f, rtol=1e-12)
        a, b = paths.unit_target(0.7).a(path, t), paths.unit_target(0.7).b(path, t)
        np.testing.assert_allclose((0.7 * a) ** 2 + b**2, 1, rtol=1e-12)
        np.testing.assert_allclose(paths.TARGETS["v"].at(path, t, x, z), alpha * z - sigma * x, rtol=1e-12)


@pytest.mark.parametrize("path", [PATHS["linear"], PATHS["trigonometric"], PATHS["follmer"]], ids=["linear", "trigonometric", "follmer"])
@pytest.mark.parametrize("target", ["eps", "denoiser", "score"])
def test_readings_at_the_ends_are_finite_and_the_limit_from_within(path, target, strict):
    """In float32, where a reading that divides by a vanishing alpha or sigma would be far off or NaN."""
    truly = paths.mixture_prediction(path, [1.0], [MEAN], SD[None])
    x = jnp.asarray([0.9, -0.4])
    read, limit = paths.prediction(path, truly.read(target), target).parts(), truly.parts()

    @jax.jit
    def both(t, inner):
        return {n: f((), x, t) for n, f in read.items()}, {n: f((), x, inner) for n, f in limit.items()}

    for t in (0.0, 1.0):
        with strict():
            found, near = both(jnp.asarray(t), jnp.clip(jnp.asarray(t), 1e-3, 1 - 1e-3))
        for name in found:
            np.testing.assert_allclose(found[name], near[name], rtol=0.05, atol=0.05, err_msg=f"{name} at {t}")


def test_an_unknown_target_is_named():
    with pytest.raises(ValueError, match="target='noise'; accepted: eps, denoiser, velocity, score, v, or a Target"):
        paths.prediction(paths.linear(), lambda *a: a, "noise")


@over_paths
@pytest.mark.parametrize("target", ["eps", "denoiser", paths.unit_target(0.5)], ids=["eps", "denoiser", "F"])
def test_denoiser_and_eps_come_from_one_call_of_the_network(path, target, x64):
    with x64():
        true, calls = truth(path), []
        named = paths.TARGETS[target] if isinstance(target, str) else target

        def network(params, x, t, cond=None):
            calls.append(t)
            return named.at(path, t, true["denoiser"]((), x, t), true["eps"]((), x, t))

        read, x, t = paths.prediction(path, network, target), jnp.asarray([1.5, -0.4]), jnp.linspace(0, 1, 9)

        def separate(t):
            return read.denoiser((), x, t), read.eps((), x, t)

        apart = jax.jit(jax.vmap(separate))(t)
        before = len(calls)
        together = jax.jit(jax.vmap(lambda t: read.both((), x, t)))(t)
        assert (before, len(calls)) == (2, 3)
        for one, other in zip(together, apart, strict=True):
            np.testing.assert_allclose(one[1:-1], other[1:-1], rtol=1e-12, atol=1e-12)
            # At an end one of the two may be a limit, read a little way off.
            np.testing.assert_allclose(one, other, atol=1e-4 * (1 + np.abs(other).max()))
