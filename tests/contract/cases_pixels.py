"""Cases of the contract: transforms of images, autoregressive over whole-numbered pixels or patches, and the layers of a multi-scale flow."""

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


def multi_scale():
    coupled = lambda: T.channel_coupling(T.scale_and_shift(), lambda out: nets.coupling_cnn(out, width=4))
    layers = lambda: (coupled(), T.pixelwise(T.chain(T.lu(), T.actnorm())), T.squeeze())
    deeper = T.chain(T.invert(T.squeeze()), *layers())
    return Model(bases.normal((4, 4, 1)), T.chain(T.invert(T.squeeze()), T.on_channels(deeper, 2), coupled(), *layers()))


CASES = {
    "multi_scale": Case(multi_scale),
    "autoregressive-pixelcnn": case(nets.pixelcnn(LEVELS, width=4, depth=2, reach=1)),
    "autoregressive-causal_transformer": case(nets.causal_transformer(LEVELS, width=8, depth=2, num_heads=2, reach=1)),
}

ROWS = nets.causal_row_transformer(2, width=8, depth=2, num_heads=2)
CASES |= {
    "autoregressive_rows": Case(lambda: Model(bases.normal((3, 2)), T.autoregressive_rows(T.scale_and_shift(), ROWS))),
    "patches": Case(lambda: Model(bases.normal((2, 8)), T.patches((4, 2, 2), 2)), network=False),
}
