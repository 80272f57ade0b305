"""Cases of the contract: variational models of discrete events, whose noise is a Gaussian latent beside uniforms."""

from case import WIDTH, Case, D

from jaxgen import bases, nets
from jaxgen import transforms as T
from jaxgen.model import Model

LEVELS = 3


def latent_and_uniform(latent, event):
    return bases.joint({"latent": bases.normal(latent), "noise": bases.uniform(event)})


def discrete_decoder():
    net = lambda out: nets.mlp(out, width=WIDTH, depth=1)
    return Model(latent_and_uniform((2,), (D,)), T.discrete_decoder(net(D * (LEVELS - 1)), net(4), LEVELS))


def values(rng, num):
    return rng.integers(0, LEVELS, (num, D)).astype(float)


CASES = {"discrete_decoder": Case(discrete_decoder, surjective=True, data=values)}
