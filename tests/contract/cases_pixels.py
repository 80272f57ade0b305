"""Cases of the contract: the pixels of an image one after another, whole numbers, and its patches, continuous values."""

from case import Case

from jaxgen import bases, nets
from jaxgen import transforms as T
from jaxgen.model import Model

SHAPE, LEVELS = (2, 2, 2), 3


def pixels(net):
    return lambda: Model(bases.uniform(SHAPE), T.autoregressive(T.categorical(LEVELS), net))


def case(net):
    noise = lambda rng, num: rng.uniform(size=(num, *SHAPE))
    return Case(pixels(net), surjective=True, noise=noise, data=lambda rng, num: rng.integers(0, LEVELS, (num, *SHAPE)).astype(float))


CASES = {
    "autoregressive-pixelcnn": case(nets.pixelcnn(LEVELS, width=4, depth=2, reach=1)),
    "autoregressive-causal_transformer": case(nets.causal_transformer(LEVELS, width=8, depth=2, num_heads=2, reach=1)),
}

ROWS = nets.causal_rows(2, width=8, depth=2, num_heads=2)
CASES |= {
    "autoregressive_rows": Case(lambda: Model(bases.normal((3, 2)), T.autoregressive_rows(T.scale_and_shift(), ROWS))),
    "patches": Case(lambda: Model(bases.normal((2, 8)), T.patches((4, 2, 2), 2)), network=False),
}
