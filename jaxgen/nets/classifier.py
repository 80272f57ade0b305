"""A small convolutional classifier, whose last hidden layer gives the features in which images are compared."""

import flax.linen as nn
import jax

from jaxgen import checks
from jaxgen.nets.conv_layer import Conv
from jaxgen.nets.mlp import ACTIVATIONS, check
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
            # A side below four pixels is not halved.
            step = stride if min(h.shape[:2]) >= 4 else 1
            h = act(Conv(self.width * min(2**level, 2), (size, size), strides=(step, step))(h))
        features = act(nn.Dense(self.num_features)(nn.LayerNorm()(h.ravel())))
        return nn.Dense(self.num_classes)(features), features


def classifier(num_classes: int, *, num_features: int = 64, width: int = 16, activation: str = "silu") -> Net:
    """Build a classifier of images of any size: `apply(params, x (height, width, channels)) -> (logits, features)`.

    There are three convolutions, the first two of them halve the sides, and one hidden layer, whose values are the features. Logits
    are `(num_classes,)` and features `(num_features,)`.

    Args:
        num_classes: The number of classes, at least 2.
        num_features: The number of features.
        width: Channels of the first convolution; the others have twice as many.
        activation: One of `ACTIVATIONS` in `jaxgen.nets.mlp`.

    Raises:
        ValueError: There are fewer than two classes, a size is below 1, or `activation` is unknown.

    >>> import jax.numpy as jnp
    >>> net, x = classifier(3, num_features=5, width=2), jnp.ones((8, 7, 1))
    >>> [out.shape for out in jax.eval_shape(lambda: net.apply(net.init(jax.random.key(0), x), x))]
    [(3,), (5,)]
    """
    checks.count("classifier: num_classes", num_classes, 2)
    check("classifier", activation, 0, num_features=num_features, width=width)
    return from_linen(_Classifier(num_classes, num_features, width, activation))
