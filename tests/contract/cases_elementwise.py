"""Cases of the contract: scalars on the circle and with heavy tails, monotone networks, masks, bounded supports, block autoregression."""

import math

import distrax
import jax.numpy as jnp
import numpy as np
import scipy.special
from case import Case, D, made, mlp, on_normal

from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.transform import Density, Maps, Transform


def on_circle(transform):
    ends = jnp.full((D,), -math.pi), jnp.full((D,), math.pi)
    return Model(distrax.Independent(distrax.Uniform(*ends), 1), transform)


def angles(rng, num):
    """Angles, some of them next to where the circle closes; on it, a rounding decides which of its two names the point gets."""
    found = rng.uniform(-math.pi, math.pi, (num, D))
    found[0], found[1] = -math.pi + 1e-9, math.pi - 1e-5
    return found


def gaussian(rng, num):
    """Noise to about six standard deviations, beyond which a power of it overflows in float32."""
    z = 1.3 * rng.standard_normal((num, D))
    z[0], z[1], z[2] = 0.0, 6.0, -6.0
    return z


def heavy(scalar):
    return Case(lambda: on_normal(T.elementwise(scalar, mlp)), noise=gaussian)


def free_coordinates(f):
    """A map onto the simplex, seen through all coordinates but the last: the chart that its density refers to."""

    def inverse(params, x, cond=None, key=None):
        return f.inverse(params, jnp.append(x, 1 - jnp.sum(x)), cond, key)

    def forward_and_log_det(params, z, cond=None):
        x, log_det = f.forward_and_log_det(params, z, cond)
        return x[:-1], log_det

    forward = lambda params, z, cond=None: f.forward(params, z, cond)[:-1]
    return Transform(f.init, Maps(forward, inverse, forward_and_log_det), Density.EXACT)


def shares(rng, num):
    return rng.dirichlet(np.ones(D + 1), num)[:, :-1]


def between(low, high):
    return lambda rng, num: low + (high - low) * scipy.special.expit(2 * rng.standard_normal((num, D)))


ANGLE_MASK = [True, False, False]
CIRCULAR = T.circular_spline(4)
LOW, HIGH = np.array([-1.0, 0.0, 2.0]), np.array([1.0, 10.0, 2.5])

CASES = {
    "coupling-mask": Case(lambda: on_normal(T.coupling(T.rational_quadratic(4, 2.0), mlp, [False, True, False])), edge=2.0),
    "coupling-circular": Case(
        lambda: on_circle(T.coupling(CIRCULAR, lambda out: T.of_angles(mlp(out)), ANGLE_MASK)), noise=angles, data=angles
    ),
    "elementwise-power": heavy(T.power_tails()),
    "elementwise-student": heavy(T.student_tails()),
    "elementwise": Case(lambda: on_normal(T.elementwise(T.rational_quadratic(4, 2.0))), edge=2.0, network=False),
    "elementwise-sigmoidal": Case(lambda: on_normal(T.elementwise(T.deep_sigmoidal(3), mlp))),
    "inverse_autoregressive": Case(lambda: on_normal(T.inverse_autoregressive(T.scale_and_shift(), made(T.scale_and_shift())))),
    "block_autoregressive": Case(lambda: on_normal(T.chain(T.block_autoregressive(4, 2), T.flip()))),
    "actnorm": Case(lambda: on_normal(T.actnorm()), network=False),
    "onto_positive": Case(lambda: on_normal(T.onto_positive()), data=lambda rng, n: rng.gamma(1.0, 2.0, (n, D)), network=False),
    "onto_interval-sigmoid": Case(lambda: on_normal(T.onto_interval(LOW, HIGH)), data=between(LOW, HIGH), network=False),
    "onto_interval-tanh": Case(lambda: on_normal(T.onto_interval(-1, 1, by="tanh")), data=between(-1.0, 1.0), edge=1.0, network=False),
    "onto_simplex": Case(lambda: on_normal(free_coordinates(T.onto_simplex())), data=shares, network=False),
}  # fmt: skip
