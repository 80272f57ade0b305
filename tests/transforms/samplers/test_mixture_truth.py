"""Samplers with the truth of a Gaussian mixture as their network: the target within Monte Carlo error, orders, and behaviour at few steps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, paths, transforms

W, M, S = np.array([0.3, 0.7]), np.array([[-1.0, 0.5], [1.0, -0.5]]), np.array([0.3, 0.4])
N = 1_000
PATHS = {"linear": paths.linear(), "vp_cosine": paths.vp_cosine(), "edm": paths.edm(), "ve": paths.ve()}


def no_params(key, z, cond=None):
    return ()


@functools.cache
def truth(path):
    return paths.mixture_prediction(PATHS[path], W, M, S)


def real(rng, n):
    i = rng.choice(2, n, p=W)
    return M[i] + S[i, None] * rng.standard_normal((n, 2))


def energy(a, b):
    def mean(a, b):
        return np.mean(np.sqrt(np.sum((a[:, None] - b[None]) ** 2, -1)))

    return 2 * mean(a, b) - mean(a, a) - mean(b, b)


@functools.cache
def real_floor():
    rng = np.random.default_rng(0)
    reference = real(rng, N)
    return reference, [energy(real(rng, N), reference) for _ in range(10)]


def noise(num_increments, areas=False):
    return bases.diffusion_noise((2,), num_increments, areas=areas)


# Sampler, path, number of steps, base; stochastic samplers with their defaults unless the defaults are made for images.
SAMPLERS = {
    "ddim": (transforms.ddim, "vp_cosine", 100, bases.normal((2,))),
    "euler": (transforms.euler, "linear", 100, bases.normal((2,))),
    "heun": (transforms.heun, "edm", 30, bases.normal((2,))),
    "dpm_solver": (transforms.dpm_solver, "ve", 40, bases.normal((2,))),
    "ancestral": (transforms.ancestral, "linear", 150, noise(150)),
    "ddim-half": (functools.partial(transforms.ddim, eta=0.5), "vp_cosine", 100, noise(100)),
    "euler_maruyama": (transforms.euler_maruyama, "linear", 200, noise(200)),
    "dpm_solver_sde": (transforms.dpm_solver_sde, "vp_cosine", 100, noise(100)),
    "edm_stochastic": (functools.partial(transforms.edm_stochastic, churn=20.0), "edm", 60, noise(59)),
    "predictor_corrector": (transforms.predictor_corrector, "ve", 60, noise(118)),
    "langevin": (transforms.langevin, "ve", 60, noise(590)),
    "stochastic_runge_kutta": (transforms.stochastic_runge_kutta, "linear", 100, noise(100, areas=True)),
}
over_samplers = pytest.mark.parametrize("name", list(SAMPLERS))
DETERMINISTIC = ["ddim", "euler", "heun", "dpm_solver"]


def drawn(transform, base, key, n=N):
    return np.asarray(jax.jit(jax.vmap(lambda z: transform.forward((), z)))(base.sample(seed=key, sample_shape=(n,))))


@over_samplers
def test_the_target_is_reproduced_within_monte_carlo_error(name, key):
    """The energy distance to a real sample is that between real samples, whose law has a long tail, and the share of a mode is its weight."""
    factory, path, num_steps, base = SAMPLERS[name]
    x = drawn(factory(no_params, truth(path), num_steps), base, key)
    reference, floor = real_floor()
    assert energy(x, reference) < np.mean(floor) + 8 * np.std(floor), (energy(x, reference), floor)
    share = np.mean(x[:, 0] - x[:, 1] / 2 > 0)
    assert abs(share - 0.7) < 4 * np.sqrt(0.21 / N) + 0.01, share


@over_samplers
def test_one_step_and_two_are_allowed_and_finite(name, key):
    """On a path that ends at both ends exactly, and one that does not; one deterministic step is the denoiser at pure noise."""
    for num_steps, path in ((1, "linear"), (2, "edm")):
        factory = SAMPLERS[name][0]
        per_step = {"predictor_corrector": 2, "langevin": 10, "edm_stochastic": 1}.get(name)
        num = num_steps if per_step is None else per_step * (num_steps - 1)
        base = bases.normal((2,)) if name in DETERMINISTIC else noise(num, name == "stochastic_runge_kutta")
        x = drawn(factory(no_params, truth(path), num_steps), base, key, 4)
        assert np.isfinite(x).all()
        if num_steps == 1 and name in DETERMINISTIC:
            np.testing.assert_allclose(x, np.tile(W @ M, (4, 1)), atol=2e-3)


@pytest.mark.parametrize(("name", "path", "order"), [
    ("ddim", "linear", 1), ("euler", "linear", 1), ("ddim", "ve", 1), ("heun", "ve", 2), ("dpm_solver", "ve", 2), ("heun", "linear", 2),
])  # fmt: skip
def test_errors_fall_with_steps_at_the_orders_of_theory(name, path, order, x64):
    """Against the same sampler at many steps; from four steps on (a single leap of Heun over all noise levels may overshoot)."""
    with x64():
        z = jnp.asarray(np.random.default_rng(0).standard_normal((16, 2)))

        def at(num_steps):
            sampler = getattr(transforms, name)(no_params, truth(path), num_steps)
            return jax.jit(jax.vmap(lambda z: sampler.forward((), z)))(z)

        best = at(8_192 if order == 1 else 2_048)
        errors = [float(jnp.sqrt(jnp.mean((at(n) - best) ** 2))) for n in (4, 16, 64, 256, 512)]
        assert np.all(np.diff(errors) < 0), errors
        assert abs(np.log2(errors[3] / errors[4]) - order) < 0.15, errors


def test_ddim_encodes_and_the_fixed_point_is_its_inverse(x64):
    with x64():
        for path in ("vp_cosine", "linear"):
            x = jnp.asarray([0.8, -0.2])
            sampler = transforms.ddim(no_params, truth(path), 100)
            encodings = jax.jit(lambda x, f=sampler: jnp.stack([f.parts["encode"]((), x, num_refine=n) for n in (0, 1, 40)]))(x)
            gaps = np.abs(jax.jit(jax.vmap(lambda z, f=sampler: f.forward((), z)))(encodings) - x).max(1)
            assert gaps[0] < 0.1 and gaps[1] < 0.3 * gaps[0] and gaps[2] < 1e-7, gaps


def test_without_churn_the_stochastic_sampler_is_heun(key):
    z = noise(7).sample(seed=key)
    still = transforms.edm_stochastic(no_params, truth("edm"), 8, churn=0.0).forward((), z)
    np.testing.assert_allclose(still, transforms.heun(no_params, truth("edm"), 8).forward((), z["x0"]), rtol=1e-6)


def coarser(z):
    """The same Brownian path in steps twice as long: increments and time integrals are put together from the fine ones."""
    h = 1 / z["increments"].shape[1]
    dw = np.sqrt(h) * z["increments"]
    integral = h * dw / 2 + np.sqrt(h**3 / 12) * z["areas"]
    both = dw[:, ::2] + dw[:, 1::2]
    whole = integral[:, ::2] + integral[:, 1::2] + h * dw[:, ::2]
    areas = (whole - h * both) / np.sqrt((2 * h) ** 3 / 12)
    return {"x0": z["x0"], "increments": both / np.sqrt(2 * h), "areas": areas}


def test_stochastic_runge_kutta_has_strong_order_three_halves(x64):
    """Slope of the error along given Brownian paths, for two overlapping Gaussians: a term of the area missing or with a wrong sign gives 1."""
    with x64():
        path = paths.vp_linear(0.1, 4.0, last=0.05)
        prediction, n = paths.mixture_prediction(path, [0.5, 0.5], [[0.7, -0.4], [-0.7, 0.4]], [0.8, 0.8]), 1_024
        levels = [jax.tree.map(np.asarray, noise(n, areas=True).sample(seed=jax.random.key(0), sample_shape=(64,)))]
        while levels[-1]["increments"].shape[1] > 16:
            levels.append(coarser(levels[-1]))
        np.testing.assert_allclose(levels[-1]["areas"].std(), 1, rtol=0.1)
        ends = {}
        for z in (levels[0], *levels[3:]):
            steps = z["increments"].shape[1]
            sampler = transforms.stochastic_runge_kutta(no_params, prediction, steps)
            ends[steps] = jax.jit(jax.vmap(lambda z, s=sampler: s.forward((), z)))(z)
        steps = (16, 32, 64, 128)
        errors = [float(jnp.sqrt(jnp.mean((ends[k] - ends[n]) ** 2))) for k in steps]
        assert np.polyfit(np.log2(steps), np.log2(errors), 1)[0] < -1.5, errors


def test_bad_arguments_are_named(key):
    with pytest.raises(ValueError, match=r"increments of shape.*diffusion_noise\(event, 6\)"):
        transforms.predictor_corrector(no_params, truth("ve"), 4).forward((), noise(5).sample(seed=key))
    with pytest.raises(ValueError, match="num_steps=0"):
        transforms.langevin(no_params, truth("ve"), 0)
    with pytest.raises(ValueError, match="eta=1.5"):
        transforms.ddim(no_params, truth("ve"), 4, eta=1.5)
