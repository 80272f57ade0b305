"""Networks of numbers as networks of codes: each code becomes a row of a table, and outputs become one row for each site."""

import jax

from jaxgen import checks
from jaxgen.nets.net import Net, from_linen
from jaxgen.nets.pixel_codes import Codes, num_features
from jaxgen.types import Cond, Key, Params


def on_codes(net: Net, num_codes: int, out: int) -> Net:
    """Make a network on numbers one on codes, `apply(params, x (*event), *inputs) -> (*event, out)`.

    Each code is embedded as e = min(num_codes, 16) numbers of a learned table, and these stand side by side in the last axis: a vector of d
    codes is one of d e numbers to `net`, an image `(H, W, C)` one of C e channels.

    Args:
        net: A network whose output has d out numbers for a vector of d codes, or C out channels for an image, such as `time_unet(C * out)`.
        num_codes: How many codes 0.0, 1.0, ... a site has, the mask among them; another number is read as none.
        out: Numbers that each site becomes.

    Raises:
        ValueError: A number is below 1.

    >>> import jax.numpy as jnp
    >>> from jaxgen.nets import mlp
    >>> net = on_codes(mlp(3 * 2, width=4), 3, 2)
    >>> net.apply(net.init(jax.random.key(0), jnp.zeros(3)), jnp.zeros(3)).shape
    (3, 2)
    """
    checks.counts("on_codes", num_codes=num_codes, out=out)
    table = from_linen(Codes(num_codes))

    def embedded(params: Params, x: jax.Array) -> jax.Array:
        features = table.apply(params, x)
        return features.reshape(*x.shape[:-1], x.shape[-1] * num_features(num_codes))

    def init(key: Key, x: jax.Array, *inputs: Cond) -> Params:
        of_table, of_net = jax.random.split(key)
        params = table.init(of_table, x)
        return {"codes": params, "net": net.init(of_net, embedded(params, x), *inputs)}

    def apply(params: Params, x: jax.Array, *inputs: Cond) -> jax.Array:
        return net.apply(params["net"], embedded(params["codes"], x), *inputs).reshape(*x.shape, out)

    return Net(init, apply)


def timeless(net: Net) -> Net:
    """Make a network in `(x, cond)` one in `(x, t, cond)` that does not read the time.

    On a masked path the posterior of the data does not depend on the time (arXiv 2406.03736, theorem 1), so a network need not either.

    >>> import jax.numpy as jnp
    >>> from jaxgen.nets import mlp
    >>> net, x, t = timeless(mlp(2, width=4)), jnp.ones(3), jnp.asarray(0.5)
    >>> net.apply(net.init(jax.random.key(0), x, t), x, t).shape
    (2,)
    """

    def init(key: Key, x: jax.Array, t: jax.Array, *inputs: Cond) -> Params:
        return net.init(key, x, *inputs)

    def apply(params: Params, x: jax.Array, t: jax.Array, *inputs: Cond) -> jax.Array:
        return net.apply(params, x, *inputs)

    return Net(init, apply)
