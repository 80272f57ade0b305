"""Cases of the contract: samplers of discrete data, with a network whose condition enters every logit."""

import jax.numpy as jnp
from case import Case, D

from jaxgen import bases, nets
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.paths import discrete

K, STEPS = 3, 2
NET = nets.on_codes(nets.time_mlp(D * K, width=4, depth=1), K + 1, K)


def init(key, z, cond=None):
    return NET.init(key, z, jnp.zeros((), z.dtype), cond)


def read(path):
    return discrete.prediction(path, NET.apply)


def chain(factory, path, **options):
    return lambda: Model(bases.uniform((STEPS + 1, D)), factory(init, read(path), STEPS, **options))


def case(make, *rows):
    noise = lambda rng, num: rng.uniform(size=(num, *rows, D))
    return Case(make, surjective=True, noise=noise, data=lambda rng, num: rng.integers(0, K, (num, D)).astype(float))


def by_first_hitting():
    base = bases.joint({"order": bases.uniform((D,)), "sites": bases.uniform((D,))})
    return Model(base, T.first_hitting(init, read(discrete.masked(K))))


CASES = {
    "discrete_ancestral": case(chain(T.discrete_ancestral, discrete.uniform(K)), STEPS + 1),
    "tau_leaping": case(chain(T.tau_leaping, discrete.masked(K), corrector=0.5), STEPS + 1),
    "any_order": case(lambda: Model(bases.uniform((D,)), T.any_order(init, read(discrete.masked(K)), [2, 0, 1])), *()),
    "first_hitting": Case(by_first_hitting, surjective=True, data=lambda rng, num: rng.integers(0, K, (num, D)).astype(float)),
}
