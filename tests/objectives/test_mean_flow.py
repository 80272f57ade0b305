"""MeanFlow: with pairs that lie on the solutions of one ODE, its average velocity has a loss of zero; guidance is the paper's mixture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, objectives, paths
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock
from jaxgen.objectives.times import ordered_pairs

CLOCK = Clock(jnp.asarray(0), jnp.asarray(10), None)
MEAN, SD, PATH = 0.7, 0.4, paths.trigonometric()


def place(t, z):
    """x_t where the data are MEAN + SD z: the paths of these pairs never cross, so they are the ODE's solutions, and they are curved."""
    return PATH.at(t, MEAN + SD * z, z)


def truth(params, x, t, s, cond=None):
    z = (x - PATH.alpha(t) * MEAN) / (PATH.alpha(t) * SD + PATH.sigma(t))
    d_alpha, d_sigma = PATH.rates(t)
    apart = jnp.where(s > t, s - t, 1)
    average = jnp.where(s > t, (place(s, z) - place(t, z)) / apart, d_alpha * (MEAN + SD * z) + d_sigma * z)
    return average + params * (s - t) * x


def loss_of(params, **options):
    model = Model(bases.normal((2,)), T.flow_map(lambda *a: (), truth))
    objective = objectives.mean_flow(model, PATH, coupling=lambda key, x, z, cond: (x - MEAN) / SD, **options)
    x = jnp.asarray(MEAN + SD * np.random.default_rng(0).standard_normal((64, 2)))
    return jax.jit(objective.loss)(jnp.asarray(params), (), jax.random.key(0), Batch(x), CLOCK)[0]


@pytest.mark.parametrize("options", [{"instantaneous": 0.0}, {"to_end": 1.0, "power": 0.5}])
def test_the_average_velocity_has_a_loss_of_zero(options, x64):
    """A sign or factor wrong in the identity leaves (s - t) du/dt, which is of the size of u."""
    with x64():
        assert float(loss_of(0.0, **options)) < 1e-18
        assert float(loss_of(0.1, **options)) > 1e-4


def test_the_derivative_is_held_fixed(x64):
    """Only u itself has a gradient: that of the loss is 2 E (u - target) du/dparams, by hand where du/dparams = (s - t) x_t."""
    with x64():

        @jax.jit
        def by_hand(params):
            key_ahead = jax.random.split(jax.random.key(0), 5)[3]
            t, s = (a[:, None] for a in ordered_pairs(key_ahead, 64, jnp.float64, 0.5))
            x = jnp.asarray(MEAN + SD * np.random.default_rng(0).standard_normal((64, 2)))
            z = (x - MEAN) / SD
            at, d_alpha, d_sigma = place(t, z), *PATH.rates(t)
            v = d_alpha * x + d_sigma * z
            # d/dt of params (s - t) x_t along the path; the rest of u satisfies the identity.
            error = params * (s - t) * at - (s - t) * params * ((s - t) * v - at)
            return jnp.mean(2 * error * (s - t) * at)

        found = jax.grad(lambda p: loss_of(p, instantaneous=0.0))(0.3)
        np.testing.assert_allclose(found, by_hand(0.3), rtol=1e-9)


def test_guidance_mixes_the_path_with_the_network_with_and_without_condition():
    """u is a constant for each condition, params times it, so du/dt is zero and every target is arithmetic."""
    model = Model(bases.normal((1,)), T.flow_map(lambda *a: (), lambda params, x, t, s, cond=None: params * cond + 1.0))
    guided = objectives.mean_flow(model, coupling=lambda key, x, z, cond: x - 3, guidance=1.5, mix=0.25, drop=1e-9, null_cond=-1.0)
    # v = x - z = 3 on the linear path.
    cond = jnp.asarray([[2.0], [4.0]])
    value, _ = jax.jit(guided.loss)(0.5, (), jax.random.key(0), Batch(jnp.zeros((2, 1)), cond), CLOCK)
    u, none = 0.5 * np.array([2.0, 4.0]) + 1, 0.5
    np.testing.assert_allclose(value, np.mean((u - (1.5 * 3 + 0.25 * u + (1 - 1.5 - 0.25) * none)) ** 2), rtol=1e-6)
    dropped = objectives.mean_flow(model, coupling=lambda key, x, z, cond: x - 3, guidance=1.5, drop=1 - 1e-9, null_cond=-1.0)
    value, _ = jax.jit(dropped.loss)(0.5, (), jax.random.key(0), Batch(jnp.zeros((2, 1)), cond), CLOCK)
    np.testing.assert_allclose(value, (none - 3) ** 2, rtol=1e-6)


@pytest.mark.parametrize("power", [0.0, 1.0, 0.5])
def test_rows_are_weighted_by_a_power_of_their_error_which_has_no_gradient(power, x64):
    """u is `params` everywhere and the velocity of row i is its condition, so the errors are differences; two coordinates are averaged."""
    with x64():
        model = Model(bases.normal((2,)), T.flow_map(lambda *a: (), lambda params, x, t, s, cond=None: params + 0 * x))
        objective = objectives.mean_flow(model, coupling=lambda key, x, z, cond: x - cond, power=power)
        cond = np.array([[0.5, 0.1], [2.0, 1.0], [-1.0, 3.0], [0.4, 0.2]])
        batch = Batch(jnp.zeros((4, 2)), jnp.asarray(cond))
        loss = jax.jit(jax.value_and_grad(lambda p: objective.loss(p, (), jax.random.key(0), batch, CLOCK), has_aux=True))
        (value, metrics), slope = loss(0.3)
    error = 0.3 - cond
    squares = np.mean(error**2, 1)
    weights = (squares + 1e-3) ** -power
    np.testing.assert_allclose([value, slope], [np.mean(weights * squares), np.mean(weights * 2 * error.mean(1))], rtol=1e-9)
    np.testing.assert_allclose(metrics["error"], np.mean(squares), rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "now", "end"), [({}, 5, 2), ({"instantaneous": 0.25, "to_end": 1.0}, 2, 8), ({"instantaneous": 1.0}, 10, 0)]
)
def test_the_shares_of_rows_at_one_time_and_up_to_the_data_are_those_asked_for(options, now, end, x64):
    """Ten rows at rest: the map says 1 where both times are one and 3 where the later is the data's, which is the whole error of a row."""

    def velocity(params, x, t, s, cond=None):
        return jnp.where(s == t, 1.0, jnp.where(s == 1, 3.0, 0.0)) * jnp.ones_like(x)

    with x64():
        model = Model(bases.normal((1,)), T.flow_map(lambda *a: (), velocity))
        objective = objectives.mean_flow(model, coupling=lambda key, x, z, cond: x, **options)
        loss = jax.jit(objective.loss)((), (), jax.random.key(0), Batch(jnp.zeros((10, 1))), CLOCK)[0]
    np.testing.assert_allclose(loss, (now + 9 * end) / 10, rtol=1e-9)


def test_bad_numbers_are_named():
    model = Model(bases.normal((1,)), T.flow_map(lambda *a: (), truth))
    for options, message in (
        ({"instantaneous": 1.5}, r"instantaneous=1\.5"),
        ({"to_end": -0.1}, r"to_end=-0\.1"),
        ({"power": np.nan}, "power=nan"),
        ({"mix": 1.0}, r"mix=1\.0"),
        ({"guidance": 2.0}, r"drop=0\.0 with guidance=2\.0.*such as 0\.1"),
    ):
        with pytest.raises(ValueError, match=message):
            objectives.mean_flow(model, **options)
    guided = objectives.mean_flow(model, guidance=2.0, drop=0.1)
    with pytest.raises(ValueError, match=r"guidance=2\.0.*without conditions"):
        guided.loss(0.0, (), jax.random.key(0), Batch(jnp.zeros((2, 1))), CLOCK)
