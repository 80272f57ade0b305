"""A small convolutional classifier, whose last hidden layer gives the features in which images are compared."""

import flax.linen as nn
import jax

from jaxgen import checks
from jaxgen.nets.conv import Conv
from jaxgen.nets.mlp import ACTIVATIONS
from jaxgen.nets.net import Net, from_linen


class _Classifier(nn.Module):
    num_classes: int
    num_features: int
    width: int
    activation: str

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        act, h = ACTIVATIONS[self.activation], x
        for level, (size, stride) in enumerate(((5, 2), (3, 2), (3, 1))):
            # Below four pixels a side there is nothing left to halve.
            step = stride if min(h.shape[:2]) >= 4 else 1
            h = act(Conv(self.width * min(2**level, 2), (size, size), strides=(step, step))(h))
        features = act(nn.Dense(self.num_features)(nn.LayerNorm()(h.ravel())))
        return nn.Dense(self.num_classes)(features), features


def classifier(num_classes: int, *, num_features: int = 64, width: int = 16, activation: str = "silu") -> Net:
    """`apply(params, x (height, width, channels)) -> (logits (num_classes,), features (num_features,))`, images of any size.

    Three convolutions, of which the first two halve the sides, and one hidden layer, the features.
    Raises ValueError for fewer than two classes, sizes below 1, or an unknown activation.
    """
    checks.count("num_classes", num_classes, 2)
    checks.count("num_features", num_features)
    checks.count("width", width)
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation={activation!r}; accepted: {', '.join(ACTIVATIONS)}.")
    return from_linen(_Classifier(num_classes, num_features, width, activation))
