"""Flow maps of a Gaussian, whose average velocity is known: one step or many, from any time to any other, they are the ODE's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases, numerics, paths
from jaxgen import transforms as T
from jaxgen.model import Model, log_prob

MEAN, SD = 0.7, 0.4


def init(key, z, cond=None):
    return ()


def spread(t):
    """The standard deviation of x_t on the linear path."""
    return jnp.sqrt((1 - t) ** 2 + (t * SD) ** 2)


def mean_velocity(params, x, t, s, cond=None):
    """From x_s = s m + (x - t m) spread(s) / spread(t), with nothing divided by s - t."""
    slope = ((s + t) * (1 + SD**2) - 2) / (spread(t) * (spread(s) + spread(t)))
    return MEAN + slope * (x - t * MEAN)


@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_the_truth_takes_noise_to_data_in_any_number_of_steps(num_steps, x64):
    with x64():
        made = T.flow_map(init, mean_velocity, num_steps)
        z = jnp.linspace(-2.0, 3.0, 4)
        np.testing.assert_allclose(made.forward((), z), MEAN + SD * z, rtol=1e-12)
        seen = made.hooks.stages((), z)
        t = jnp.arange(1, num_steps + 1)[:, None] / num_steps
        np.testing.assert_allclose(seen, t * MEAN + spread(t) * z, rtol=1e-12)
        assert made.hooks.nfe((), z) == num_steps


def test_a_jump_is_two_jumps_and_its_limit_the_velocity(x64):
    with x64():
        parts = T.flow_map(init, mean_velocity).parts
        x, (t, s, r) = jnp.asarray([0.3, -1.2]), jnp.asarray([0.1, 0.45, 0.8])
        straight = parts["jump"]((), x, t, r)
        np.testing.assert_allclose(parts["jump"]((), parts["jump"]((), x, t, s), s, r), straight, rtol=1e-12)
        truth = paths.mixture_prediction(paths.linear(), [1.0], [[MEAN, MEAN]], [SD])
        np.testing.assert_allclose(parts["velocity"]((), x, t), truth.velocity((), x, t), rtol=1e-9)


def test_a_velocity_that_ignores_the_end_is_eulers_method(x64):
    with x64():
        truth = paths.mixture_prediction(paths.linear(), [1.0], [[MEAN, MEAN]], [SD])
        made = T.flow_map(init, lambda params, x, t, s, cond=None: truth.velocity(params, x, t, cond), 3)
        z = jnp.asarray([0.3, -1.2])
        np.testing.assert_allclose(made.forward((), z), T.euler(init, truth, 3).forward((), z), rtol=1e-12)


def test_the_density_named_ode_is_that_of_its_data():
    made = T.flow_map(init, mean_velocity, 2, density="ode", solver=numerics.fixed(20))
    x = np.linspace(-1, 2, 7, dtype=np.float32)[:, None]
    found = log_prob(Model(bases.normal((1,)), made), (), x).value
    np.testing.assert_allclose(found, scipy.stats.norm.logpdf(x[:, 0], MEAN, SD), atol=1e-3)
    assert made.proxy is not None and made.kind is made.proxy.kind


def test_new_noise_between_the_steps_keeps_the_law(x64):
    """Each guess is the mean plus SD times a standard normal number: the noise, the next noise and what is left of it in x_t."""
    with x64():
        made = T.renoised_flow_map(init, mean_velocity, paths.linear(), 3)
        x0, increments = jnp.asarray([0.3, -1.2]), jnp.asarray([[1.0, 0.5], [-0.4, 2.0]])
        unit = [x0]
        for t, noise in ((1 / 3, increments[0]), (2 / 3, increments[1])):
            unit.append((t * SD * unit[-1] + (1 - t) * noise) / spread(t))
        seen = made.hooks.stages((), {"x0": x0, "increments": increments})
        np.testing.assert_allclose(seen, MEAN + SD * jnp.stack(unit), rtol=1e-12)
        with pytest.raises(ValueError, match=r"increments of shape \(1, 2\); accepted: \(2, ...\)"):
            made.forward((), {"x0": x0, "increments": increments[:1]})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.flow_map(init, mean_velocity, 0), "num_steps=0"),
        (lambda: T.flow_map(init, mean_velocity, density="exact"), "density='exact'.*'implicit', 'ode'"),
        (lambda: T.renoised_flow_map(init, mean_velocity, paths.linear(), 1), "num_steps=1.*at least 2"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_flow_map_is_refused_a_density_unless_one_is_named():
    made = T.flow_map(init, mean_velocity)
    assert made.inverse is None and str(made.kind) == "implicit"
    assert jax.eval_shape(made.forward, (), jnp.zeros(3)).shape == (3,)
