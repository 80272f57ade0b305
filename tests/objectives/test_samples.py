"""Objectives that compare samples: the energy distance of Gaussians in closed form, optimal pairing against every pairing."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from jaxgen import bases, objectives
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock
from jaxgen.objectives.couplings import optimal_pairing

CLOCK = Clock(jnp.asarray(0), jnp.asarray(10), None)


def energies(shift, num=300, size=32, cond=None):
    objective = objectives.energy(Model(bases.normal((1,)), T.affine(0.0, 1.0)))

    def one(key):
        key_x, key_loss = jax.random.split(key)
        batch = Batch(shift + jax.random.normal(key_x, (size, 1)), cond)
        return objective.loss((), (), key_loss, batch, CLOCK)[0]

    values = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), num)))
    return values.mean(), values.std() / np.sqrt(num)


def mean_distance(shift):
    """E|N(shift, 2)|."""
    return 2 / np.sqrt(np.pi) * np.exp(-(shift**2) / 4) + shift * scipy.special.erf(shift / 2)


def test_the_energy_distance_of_equal_distributions_is_zero_on_average():
    mean, stderr = energies(0.0)
    assert abs(mean) < 4 * stderr and stderr < 0.01


def test_the_energy_distance_of_shifted_gaussians_is_the_closed_form():
    mean, stderr = energies(1.5)
    expected = 2 * mean_distance(1.5) - 2 * mean_distance(0.0)
    assert abs(mean - expected) < 4 * stderr and expected > 50 * stderr


def test_the_energy_distance_sees_a_condition_that_is_ignored():
    """Data that follow the condition and samples that do not: equal marginals, another joint."""
    objective = objectives.energy(Model(bases.normal((1,)), T.affine(0.0, 1.0)))
    x = jax.random.normal(jax.random.key(0), (500, 1))
    free, tied = (
        jax.jit(objective.loss)((), (), jax.random.key(1), Batch(x, c), CLOCK)[0]
        for c in (jax.random.normal(jax.random.key(2), (500, 1)), x)
    )
    assert tied > 0.1 > 4 * abs(free)


def test_pairs_are_the_best_of_all_permutations():
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((2, 5, 3))

    def cost(order):
        return np.sum((x - z[list(order)]) ** 2)

    best = min(itertools.permutations(range(5)), key=cost)
    np.testing.assert_array_equal(optimal_pairing(x, z), z[list(best)])


def test_prepared_batches_keep_the_data_and_pair_draws_of_the_base():
    model = Model(bases.normal((2,)), T.ode_flow(lambda *a: (), lambda params, x, t, cond=None: x))
    objective = objectives.flow_matching(model, coupling="optimal_transport")
    x = np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32)
    batch = objective.prepare(jax.random.key(3), Batch(x))
    np.testing.assert_array_equal(batch.x, x)
    drawn = np.asarray(model.base.sample(seed=jax.random.key(3), sample_shape=(64,)))
    np.testing.assert_array_equal(np.sort(batch.z, 0), np.sort(drawn, 0))
    assert np.mean((batch.z - x) ** 2) < 0.3 * np.mean((drawn - x) ** 2)
