"""Cases of the contract: autoencoders of discrete events, whose noise is a latent beside uniforms."""

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


def ladder():
    """Two rungs of one latent each on a state of four numbers."""
    net = lambda out: nets.mlp(out, width=8, depth=1)
    base = bases.joint({"latent": bases.normal((2, 1)), "noise": bases.uniform((D,))})
    return Model(base, T.ladder_decoder(T.Rung(net(2), net(2), net(4)), net(D * (LEVELS - 1)), net(5), 4, LEVELS))


def quantised():
    """Two codes of four, of two numbers each, in front of them a masked prior."""
    net = lambda out: nets.mlp(out, width=8, depth=1)
    prior = T.autoregressive_columns(
        (4, 4), T.scale_and_shift(), lambda out, seen: nets.column_made(out, seen, width=8, depth=1), "uniform"
    )
    base = bases.joint({"codes": bases.uniform((2,)), "noise": bases.uniform((D,))})
    return Model(base, T.chain(T.on("codes", prior), T.quantised_decoder(net(D * (LEVELS - 1)), net(4), 4, 2, LEVELS)))


def values(rng, num):
    return rng.integers(0, LEVELS, (num, D)).astype(float)


CASES = {
    "discrete_decoder": Case(discrete_decoder, surjective=True, data=values),
    "ladder_decoder": Case(ladder, surjective=True, data=values),
    "quantised_decoder": Case(quantised, surjective=True, data=values),
}
