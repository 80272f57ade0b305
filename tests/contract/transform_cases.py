"""The registry of transforms: every factory of `jaxgen.transforms` in small, with what a law has to know about it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import pytest

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
    adaptive: whether the solver is, whose own code is not strict in dtypes and whose reverse mode is slow to compile.
    """

    make: Callable[[], Model]
    tol: float = 1e-9
    edge: float = 3.0
    whole: Callable[..., Any] | None = None
    square: bool = True
    adaptive: bool = False


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
        return jnp.concatenate([MILD.sigma(jnp.zeros(())) * z["x0"], transform.parts["stages"](params, z, cond).ravel()])

    return whole


def latent_and_data(params, z, cond):
    return jnp.concatenate([z["latent"], gaussian_decoder().forward(params, z, cond)])


def moved_latent_and_data(params, z, cond):
    z = T.on("latent", T.triangular_affine()).forward(params[0], z, cond)
    return jnp.concatenate([z["latent"], gaussian_decoder().forward(params[1], z, cond)])


LAYER = T.chain(T.coupling(T.scale_and_shift(), mlp), T.flip())

CASES = {f"coupling-{name}": Case(lambda name=name: coupled(name), edge=2.0) for name in SCALARS}
CASES |= {f"autoregressive-{name}": Case(lambda name=name: in_order(name), edge=2.0) for name in SCALARS}
CASES |= {
    "chain": Case(lambda: on_normal(T.chain(T.triangular_affine(), LAYER, T.affine([1.0, 2.0, 3.0], -0.5)))),
    "repeat": Case(lambda: on_normal(T.repeat(LAYER, 3))),
    "invert": Case(lambda: on_normal(T.invert(in_order("spline").transform)), edge=2.0),
    "on": Case(lambda: latent_model(T.on("latent", T.triangular_affine()))),
    "affine": Case(lambda: on_normal(T.affine(0.5, [2.0, -3.0, 0.1]))),
    "triangular_affine": Case(lambda: on_normal(T.triangular_affine())),
    "flip": Case(lambda: on_normal(T.flip())),
    "on_condition": Case(lambda: on_normal(T.on_condition(lambda c: (c - 1) / 2, T.coupling(T.scale_and_shift(), mlp)))),
    "ode_flow-adaptive": Case(
        lambda: Model(bases.normal((2,)), ode(2, solver=numerics.adaptive(1e-4, 1e-4, max_steps=16))), tol=1e-3, edge=0.5, adaptive=True
    ),
    "ode_flow-fixed": Case(lambda: on_normal(ode(solver=numerics.fixed(24), scale=1.5)), tol=1e-5),
    "ode_flow-hutchinson": Case(lambda: on_normal(ode(solver=MANY, trace="hutchinson")), tol=1e-4),
    "probability_flow": Case(lambda: Model(bases.normal((2,)), T.probability_flow(*predicted(MILD, d=2), solver=MANY)), tol=1e-4),
    "ddim": Case(lambda: few_steps(T.ddim, MILD), tol=1e-4, square=False),
    "heun": Case(lambda: few_steps(T.heun, MILD), tol=1e-4, square=False),
    "ancestral": Case(lambda: noisy(T.ancestral), whole=chain_of_states(T.ancestral(*predicted(MILD, d=2), STEPS))),
    "euler_maruyama": Case(lambda: noisy(T.euler_maruyama), whole=chain_of_states(T.euler_maruyama(*predicted(MILD, d=2), STEPS))),
    "gaussian_decoder": Case(lambda: latent_model(gaussian_decoder()), whole=latent_and_data),
    "on-gaussian_decoder": Case(
        lambda: latent_model(T.chain(T.on("latent", T.triangular_affine()), gaussian_decoder())), whole=moved_latent_and_data
    ),
    "autoencoder": Case(lambda: Model(bases.normal((2,)), T.autoencoder(mlp(D), mlp(2))), square=False),
    "generator": Case(lambda: Model(bases.normal((2,)), T.generator(mlp(D))), square=False),
}  # fmt: skip


def over(names):
    """Parametrise a law over cases; the tests of one case share a worker, so that its functions are compiled once."""
    return pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group(f"transform-{n}")) for n in names])


def having(law):
    """The names of the cases whose model satisfies `law`."""
    return [name for name, case in CASES.items() if law(case.make().transform)]

