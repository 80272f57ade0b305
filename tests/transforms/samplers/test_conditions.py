"""A condition reaches every call of the network: in sampling, in the way back, in stages and in parts. Nothing is compiled."""

import jax
import jax.numpy as jnp
import pytest

from jaxgen import bases, paths
from jaxgen import transforms as T
from jaxgen.lifting import over_batch, stages
from jaxgen.numerics import fixed
from jaxgen.paths import interpolant
from jaxgen.transform import density_of

D, STEPS, N = 3, 3, 4
COND = jnp.zeros((N, 2))


def network(params, x, t, cond=None):
    assert cond is not None and cond.shape == COND.shape[1:]
    return params * x


def mean_velocity(params, x, t, s, cond=None):
    return network(params, x, t, cond)


def init(key, z, cond=None):
    assert cond is not None and cond.shape == COND.shape[1:]
    return jnp.ones(())


def predicted(target, path=None):
    return init, paths.prediction(paths.vp_linear() if path is None else path, network, target)


def started(num):
    return bases.joint({name: bases.normal((num, D) if name != "x0" else (D,)) for name in ("x0", "increments", "areas")})


EVENT, CHAIN = bases.normal((D,)), bases.diffusion_noise((D,), STEPS)
FLOW, SOLVER = (init, network), fixed(2, "euler")
SAMPLERS = {
    "ddim": (T.ddim(*predicted("denoiser"), STEPS, density_solver=SOLVER), EVENT),
    "euler": (T.euler(*predicted("v"), STEPS, density_solver=SOLVER), EVENT),
    "heun": (T.heun(*predicted("eps", paths.edm()), STEPS, density_solver=SOLVER, trace="hutchinson"), EVENT),
    "dpm_solver": (T.dpm_solver(*predicted("score"), STEPS, density_solver=SOLVER), EVENT),
    "ancestral": (T.ancestral(*predicted("eps"), STEPS), CHAIN),
    "euler_maruyama": (T.euler_maruyama(*predicted("velocity", paths.linear()), STEPS), CHAIN),
    "dpm_solver_sde": (T.dpm_solver_sde(*predicted("denoiser"), STEPS), CHAIN),
    "edm_stochastic": (T.edm_stochastic(*predicted("eps"), STEPS), bases.diffusion_noise((D,), STEPS - 1)),
    "predictor_corrector": (T.predictor_corrector(*predicted("eps"), STEPS), bases.diffusion_noise((D,), 2 * (STEPS - 1))),
    "langevin": (T.langevin(*predicted("score"), STEPS, num_per_level=1), bases.diffusion_noise((D,), STEPS - 1)),
    "stochastic_runge_kutta": (T.stochastic_runge_kutta(*predicted("eps"), STEPS), bases.diffusion_noise((D,), STEPS, areas=True)),
    "bridge_sde": (T.bridge_sde(init, network, network, 1.0, STEPS), started(STEPS)),
    "bridge_sde-heun": (T.bridge_sde(init, network, network, 1.0, STEPS, reverse=True, method="heun"), started(STEPS)),
    "interpolant_sde": (T.interpolant_sde(init, interpolant(), network, network, STEPS, diffusion=jnp.ones_like), started(STEPS)),
    "interpolant_sde-back": (
        T.interpolant_sde(
            init, interpolant(), network, network, STEPS, diffusion=jnp.ones_like, method="euler_maruyama", reverse=True
        ), started(STEPS),
    ),
    "flow_map": (T.flow_map(init, mean_velocity, density="ode", solver=SOLVER, trace="hutchinson"), EVENT),
    "flow_map-steps": (T.flow_map(init, mean_velocity, STEPS, density="ode", solver=SOLVER), EVENT),
    "renoised_flow_map": (T.renoised_flow_map(init, mean_velocity, paths.linear(), STEPS), bases.diffusion_noise((D,), STEPS - 1)),
    "learned_path": (
        T.learned_path(lambda low: T.ancestral(*predicted("eps", paths.vp_log_snr(low, low + 3)), STEPS), jnp.ones(())), CHAIN
    ),
    "ode_flow-energy": (T.ode_flow(*FLOW, solver=SOLVER, energy=0.1), EVENT),
    "ode_flow-hutch++": (T.ode_flow(*FLOW, solver=SOLVER, trace="hutch++"), EVENT),
    "probability_flow": (T.probability_flow(*predicted("eps"), solver=SOLVER), EVENT),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_condition_reaches_every_call_of_the_network(name):
    sampler, base = SAMPLERS[name]
    key, t = jax.random.key(0), jnp.full((), 0.25)
    z, rows = base.sample(seed=key), base.sample(seed=key, sample_shape=(N,))
    x, events, keys = jnp.zeros(D), jnp.zeros((N, D)), jax.random.split(key, N)

    def everything(cond):
        params = sampler.init(key, z, cond[0])
        many, reported = over_batch(sampler), density_of(sampler).one
        out = [sampler.forward(params, z, cond[0]), many.forward(params, rows, cond)]
        out += [stages(sampler)(params, z, cond[0]), sampler.hooks.nfe(params, z, cond[0])]
        if sampler.inverse is not None:
            out += [sampler.inverse(params, x, cond[0], key), many.inverse(params, events, cond, keys)]
        if reported.forward_and_log_det is not None:
            out += [reported.forward_and_log_det(params, x, cond[0])]
        times = {"jump": (t, t), "mean_velocity": (t, t), "encode": ()}
        for part in sampler.parts.keys() - {"times"}:
            out.append(sampler.parts[part](params, x, *times.get(part, (t,)), cond=cond[0]))
        return out

    assert jax.eval_shape(everything, COND)
