"""The gated PixelCNN: a vertical stack that reads the rows above, and a horizontal one that reads the row to the left of a pixel."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.compiled import traced_once
from jaxgen.nets.image_blocks import image_shape
from jaxgen.nets.net import Net, Solve, call
from jaxgen.nets.pixelcnn_layers import Ends, Layer
from jaxgen.nets.pixelcnn_substitution import substitute
from jaxgen.nets.precision import compute_dtype
from jaxgen.types import Cond, Key, Params


def pixelcnn(levels: int, *, width: int = 64, depth: int = 6, reach: int = 2, dtype: str | None = None, remat: bool = False) -> Net:
    """Build a gated PixelCNN: `apply(params, x (H, W, C), cond (c,) or None) -> logits (H W C, levels)`.

    Rows of logits are in raster order, channel last. Row i depends on the pixels before i only, and on all of them within the cone of
    `depth` layers. Pixels are codes 0.0 ... levels - 1. Inputs are shifted by a row and by a pixel, so that no layer needs a mask for
    C = 1. Layers of equal shape run in one `lax.scan`. The network starts at equal probabilities. `substitute` computes every
    feature of the vertical stack once, and features of the horizontal stack once for each channel.

    Args:
        levels: How many values a pixel has, at least 2.
        width: Features of both stacks for each channel; the features of a channel read earlier channels of their own pixel.
        depth: The number of layers.
        reach: How many rows and columns away a kernel reads.
        dtype: "bfloat16" or "float32" computes in it; None computes in the dtype of the events. Parameters and logits keep theirs.
        remat: Compute the layers again in the backward pass instead of keeping their values.

    Raises:
        ValueError: A size or `dtype` cannot be used; at evaluation, the event is no image.

    Source: arXiv 1606.05328.

    >>> net, x = pixelcnn(2, width=2, depth=1, reach=1), jnp.zeros((1, 2, 1))
    >>> jax.eval_shape(net.apply, jax.eval_shape(net.init, jax.random.key(0), x), x).shape
    (2, 2)
    """
    checks.count("pixelcnn: levels", levels, 2)
    checks.counts("pixelcnn", width=width, depth=depth, reach=reach)
    computed = compute_dtype("pixelcnn", dtype)

    def modules(x: jax.Array) -> tuple[Ends, Layer]:
        channels = image_shape("pixelcnn", x)[2]
        return Ends(levels, channels, width, reach, computed), Layer(channels, width, reach, computed)

    def init(key: Key, x: jax.Array, cond: Cond = None) -> Params:
        ends, layer = modules(x)
        first, *others = jax.random.split(key, depth + 1)
        features = jnp.zeros((*x.shape[:2], x.shape[2] * width), x.dtype)
        layers = [layer.init(k, features, features, cond)["params"] for k in others]
        return {"ends": ends.init(first, x)["params"], "layers": jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)}

    def apply(params: Params, x: jax.Array, cond: Cond = None) -> jax.Array:
        ends, layer = modules(x)

        def both(state: tuple[jax.Array, jax.Array], of_layer: Params) -> tuple[tuple[jax.Array, jax.Array], None]:
            return call(layer, of_layer, *state, cond), None

        state = call(ends, params["ends"], x, method="start")
        state = jax.lax.scan(jax.checkpoint(both) if remat else both, state, params["layers"])[0]
        return call(ends, params["ends"], state[1], method="logits").reshape(x.size, levels).astype(x.dtype)

    def solve(params: Params, f: Solve, z: jax.Array, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        return substitute(*modules(z), params, f, z, cond)

    return Net(traced_once(init), traced_once(apply), solve)
