"""Convolution as a product with patches: XLA's own, values and gradients, and no convolution is left where a loop would make it slow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.compiled import traced_for
from jaxgen.nets.conv_layer import Conv, convolved

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


@pytest.mark.parametrize(
    ("size", "window", "strides", "padding"),
    [
        ((7, 4), (3, 3), (1, 1), "SAME"),
        ((7, 4), (3, 3), (2, 2), "SAME"),
        ((6, 5), (2, 3), (2, 1), "VALID"),
        ((5, 6), (3, 2), (1, 2), ((2, 0), (1, 3))),
    ],
)
def test_it_is_the_convolution(size, window, strides, padding):
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((2, *size, 3)), rng.standard_normal((*window, 3, 4))

    def by(f):
        return lambda x, k: f(x, k, strides, padding, dimension_numbers=DIMENSIONS)

    def value_and_gradients(f):
        out, back = jax.vjp(by(f), jnp.asarray(x), jnp.asarray(kernel))
        return out, back(jnp.cos(jnp.arange(out.size, dtype=out.dtype)).reshape(out.shape))

    ours, theirs = (value_and_gradients(f) for f in (convolved, jax.lax.conv_general_dilated))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), ours, theirs)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_a_batch_under_vmap_leaves_no_convolution_on_a_cpu_and_one_elsewhere(platform):
    net = Conv(4, (3, 3), strides=2)
    params = net.init(jax.random.key(0), jnp.zeros((8, 8, 2)))
    loss = lambda params, x: jnp.sum(jax.vmap(lambda x: net.apply(params, x))(x) ** 2)
    with traced_for(platform):
        text = str(jax.make_jaxpr(jax.grad(loss))(params, jnp.zeros((16, 8, 8, 2))))
    assert ("conv_general_dilated[" in text, "dot_general[" in text) == (platform != "cpu", platform == "cpu")


def test_dilated_and_grouped_ones_are_left_to_xla():
    x, options = jnp.ones((1, 6, 6, 2)), {"dimension_numbers": DIMENSIONS}
    dilated = convolved(x, jnp.ones((3, 3, 2, 1)), (1, 1), "SAME", rhs_dilation=(2, 2), **options)
    grouped = convolved(x, jnp.ones((3, 3, 1, 2)), (1, 1), "SAME", feature_group_count=2, **options)
    assert float(dilated[0, 2, 2, 0]) == 18.0 and float(grouped[0, 2, 2, 0]) == 9.0
