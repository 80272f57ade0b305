"""What a case of the contract is, and the small models that several cases share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxgen import bases, nets, numerics, paths
from jaxgen import transforms as T
from jaxgen.model import Model

D = 3
WIDTH = 16


class Case(NamedTuple):
    """A model with one transform and its particulars.

    tol:    relative tolerance in float64 of solved quantities; closed forms are held to 1e-9.
    edge:   half width of the interval on which the transform does something.
    whole:  `(params, z, cond) -> vector ending in x`, a bijection of the noise where `forward` alone is not; None: `forward` is one.
    square: whether `forward` (or `whole`) is the map that `inverse` inverts; a few-step sampler's is the ODE's instead.
    surjective: whether `forward` is many-to-one or discrete: it still undoes `inverse`, but log_det is a likelihood contribution, no Jacobian's.
    adaptive: whether the solver is, whose own code is not strict in dtypes and whose reverse mode is slow to compile.
    network: whether it has a network, which a condition enters.
    noise, data: `(rng, num) -> (num, *event)` in float64 where the domain is not the whole space; they replace the drawn rows and edges.
    """

    make: Callable[[], Model]
    tol: float = 1e-9
    edge: float = 3.0
    whole: Callable[..., Any] | None = None
    square: bool = True
    surjective: bool = False
    adaptive: bool = False
    noise: Callable[..., Any] | None = None
    data: Callable[..., Any] | None = None
    network: bool = True


def mlp(out):
    return nets.mlp(out, width=WIDTH, depth=2)


def made(scalar):
    return nets.made(scalar.num_params, width=WIDTH, depth=2)


SCALARS = {
    "affine": (T.scale_and_shift(), bases.normal),
    "spline": (T.rational_quadratic(4, 2.0), bases.normal),
    "mixture": (T.mixture_logit(3), bases.logistic),
    "binned": (T.binned(8, 2.0), bases.uniform),
}


def coupled(name):
    scalar, base = SCALARS[name]
    return Model(base((D,)), T.coupling(scalar, mlp))


def in_order(name):
    scalar, base = SCALARS[name]
    return Model(base((D,)), T.autoregressive(scalar, made(scalar)))


def on_normal(transform):
    return Model(bases.normal((D,)), transform)


def time_net(d=D):
    net = nets.time_mlp(d, width=WIDTH, depth=2)
    return (lambda key, z, cond=None: net.init(key, z, jnp.zeros((), z.dtype), cond)), net.apply


def ode(d=D, **options):
    return T.ode_flow(*time_net(d), **options)


def predicted(path, target="eps", d=D):
    init, apply = time_net(d)
    return init, paths.prediction(path, apply, target)


def few_steps(factory, path):
    return Model(bases.normal((2,)), factory(*predicted(path, d=2), 4, density_solver=MANY))


MILD = paths.vp_linear(0.1, 4.0, last=0.05)
STEPS = 3
# Two evaluations a step compile in half the time of rk4's four.
MANY = numerics.fixed(200, "midpoint")


def noisy(factory):
    return Model(bases.diffusion_noise((2,), STEPS), factory(*predicted(MILD, d=2), STEPS))


def gaussian_decoder():
    return T.gaussian_decoder(mlp(2 * D), mlp(4))


def latent_model(transform):
    return Model(bases.latent_and_noise((2,), (D,)), transform)


def chain_of_states(transform):
    def whole(params, z, cond):
        return jnp.concatenate([MILD.sigma(jnp.zeros(())) * z["x0"], transform.hooks.stages(params, z, cond).ravel()])

    return whole


def latent_and_data(params, z, cond):
    return jnp.concatenate([z["latent"], gaussian_decoder().forward(params, z, cond)])


def moved_latent_and_data(params, z, cond):
    z = T.on("latent", T.triangular_affine()).forward(params[0], z, cond)
    return jnp.concatenate([z["latent"], gaussian_decoder().forward(params[1], z, cond)])
