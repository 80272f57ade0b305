"""Sampling keeps no states: only pictures pay for them, and a chain of a thousand steps needs the memory of one event."""

import jax
import jax.numpy as jnp
import pytest

from jaxgen import bases, paths, transforms
from jaxgen.paths import interpolant

D, STEPS = 2, 5
DATA = paths.prediction(paths.vp_linear(), lambda params, x, t, cond=None: params * x, "denoiser")


def init(key, z, cond=None):
    return jnp.ones(())


def field(params, x, t, cond=None):
    return params * x


def mean_velocity(params, x, t, s, cond=None):
    return params * x


def between(base, num):
    return bases.joint({"x0": base, "increments": bases.normal((num, D))})


EVENT, CHAIN = bases.normal((D,)), bases.diffusion_noise((D,), STEPS)
SAMPLERS = {
    "ddim": (transforms.ddim(init, DATA, STEPS), EVENT),
    "heun": (transforms.heun(init, DATA, STEPS), EVENT),
    "flow_map": (transforms.flow_map(init, mean_velocity, STEPS), EVENT),
    "renoised_flow_map": (transforms.renoised_flow_map(init, mean_velocity, paths.linear(), STEPS), bases.diffusion_noise((D,), STEPS - 1)),
    "ancestral": (transforms.ancestral(init, DATA, STEPS), CHAIN),
    "dpm_solver_sde": (transforms.dpm_solver_sde(init, DATA, STEPS), CHAIN),
    "langevin": (transforms.langevin(init, DATA, STEPS, num_per_level=1), bases.diffusion_noise((D,), STEPS - 1)),
    "stochastic_runge_kutta": (transforms.stochastic_runge_kutta(init, DATA, STEPS), bases.diffusion_noise((D,), STEPS, areas=True)),
    "bridge_sde": (transforms.bridge_sde(init, field, field, 1.0, STEPS), between(EVENT, STEPS)),
    "interpolant_sde": (
        transforms.interpolant_sde(init, interpolant(), field, field, STEPS, diffusion=jnp.ones_like, method="euler_maruyama"),
        between(EVENT, STEPS),
    ),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_sampling_keeps_no_states(name):
    sampler, base = SAMPLERS[name]
    z = base.sample(seed=jax.random.key(0))

    def writes(function):
        """How many arrays the program fills step by step, as a loop does that keeps its states."""
        return jax.jit(function).lower(jnp.ones(()), z).as_text().count("stablehlo.dynamic_update_slice")

    assert writes(lambda params, z: sampler.hooks.stages(params, z)) == 1
    assert writes(lambda params, z: sampler.forward(params, z)) == 0


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_last_state_is_the_sample(name):
    sampler, base = SAMPLERS[name]
    z = base.sample(seed=jax.random.key(0))
    x, states = jax.jit(lambda params, z: (sampler.forward(params, z), sampler.hooks.stages(params, z)))(jnp.ones(()), z)
    assert states.shape == (STEPS, D)
    assert jnp.array_equal(states[-1], x)
