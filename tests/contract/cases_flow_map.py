"""Cases of the contract: flow maps of few steps."""

import jax.numpy as jnp
from case import MANY, STEPS, WIDTH, Case, D, on_normal

from jaxgen import bases, nets, paths
from jaxgen import transforms as T
from jaxgen.model import Model


def step_net(d):
    net = nets.times_mlp(d, width=WIDTH, depth=2)
    return (lambda key, z, cond=None: net.init(key, z, jnp.zeros((), z.dtype), jnp.zeros((), z.dtype), cond)), net.apply


CASES = {
    "flow_map": Case(lambda: on_normal(T.flow_map(*step_net(D), 2)), square=False),
    "flow_map-ode": Case(lambda: Model(bases.normal((2,)), T.flow_map(*step_net(2), density="ode", solver=MANY)), tol=1e-4, square=False),
    "renoised_flow_map": Case(
        lambda: Model(bases.diffusion_noise((2,), STEPS - 1), T.renoised_flow_map(*step_net(2), paths.linear(), STEPS)), square=False
    ),
}
