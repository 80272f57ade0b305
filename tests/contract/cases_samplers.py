"""Cases of the contract: the samplers of a diffusion."""

import jax
import jax.numpy as jnp
from case import MANY, MILD, STEPS, Case, chain_of_states, few_steps, noisy, predicted, time_net

from jaxgen import bases, paths
from jaxgen import transforms as T
from jaxgen.model import Model


def without_density(factory, num_increments, areas=False):
    return Model(bases.diffusion_noise((2,), num_increments, areas=areas), factory(*predicted(MILD, d=2), STEPS))


def half_ddim(init, prediction, num_steps):
    return T.ddim(init, prediction, num_steps, eta=0.5)


def interpolated():
    init, velocity = time_net(2)
    steps = bases.normal((STEPS, 2))
    between = paths.interpolant(variance=paths.brownian_variance(0.5))
    base = bases.joint({"x0": bases.normal((2,)), "increments": steps, "areas": steps})
    return Model(base, T.interpolant_sde(init, between, velocity, velocity, STEPS))


def bridged(**options):
    init, velocity = time_net(2)
    base = bases.joint({"x0": bases.normal((2,)), "increments": bases.normal((STEPS, 2))})
    return Model(base, T.bridge_sde(init, *paths.drifts(velocity, lambda *a: -a[1], 0.7), 0.7, STEPS, **options))


def bridge_states(params, z, cond):
    return jnp.concatenate([z["x0"], bridged().transform.hooks.stages(params, z, cond).ravel()])


def on_learned_path():
    init, eps = time_net(2)
    ends = {"low": -1.0, "gap": 2.0}

    def sampler(ends):
        return T.ancestral(
            init, paths.prediction(paths.vp_log_snr(ends["low"], ends["low"] + jax.nn.softplus(ends["gap"])), eps, "eps"), STEPS
        )

    return Model(bases.diffusion_noise((2,), STEPS), T.learned_path(sampler, ends))


def states_on_learned_path(params, z, cond):
    transform = on_learned_path().transform
    low = params["path"]["low"]
    sigma = paths.vp_log_snr(low, low + jax.nn.softplus(params["path"]["gap"])).sigma(jnp.zeros((), z["x0"].dtype))
    return jnp.concatenate([sigma * z["x0"], transform.hooks.stages(params, z, cond).ravel()])


CASES = {
    "learned_path": Case(on_learned_path, whole=states_on_learned_path),
    "bridge_sde": Case(bridged, whole=bridge_states),
    "bridge_sde-back": Case(lambda: bridged(reverse=True, method="heun"), square=False),
    "interpolant_sde": Case(interpolated, square=False),
    # A velocity, because noise read as one is singular where alpha is 0 and no fixed grid solves that.
    "euler-linear": Case(
        lambda: Model(bases.normal((2,)), T.euler(*predicted(paths.linear(), "velocity", 2), 4, density_solver=MANY)),
        tol=1e-4,
        square=False,
    ),
    "dpm_solver": Case(lambda: few_steps(T.dpm_solver, MILD), tol=1e-4, square=False),
    "dpm_solver_sde": Case(lambda: noisy(T.dpm_solver_sde), whole=chain_of_states(T.dpm_solver_sde(*predicted(MILD, d=2), STEPS))),
    "ddim-half": Case(lambda: noisy(half_ddim), whole=chain_of_states(half_ddim(*predicted(MILD, d=2), STEPS))),
    "edm_stochastic": Case(lambda: without_density(T.edm_stochastic, STEPS - 1), square=False),
    "predictor_corrector": Case(lambda: without_density(T.predictor_corrector, 2 * (STEPS - 1)), square=False),
    "langevin": Case(lambda: without_density(T.langevin, 10 * (STEPS - 1)), square=False),
    "stochastic_runge_kutta": Case(lambda: without_density(T.stochastic_runge_kutta, STEPS, areas=True), square=False),
}
