"""A trained model as the target of a sampler, such as a BlackJAX kernel: its log density as a plain function."""

from collections.abc import Callable

import jax

from jaxgen.interop.exact import require_exact
from jaxgen.model import Model
from jaxgen.types import Cond, Event, Params


def logdensity(model: Model, params: Params, cond: Cond = None) -> Callable[[Event], jax.Array]:
    """Return the log density of a model as a function of ONE event, for example for `blackjax.nuts(logdensity(...), ...)`.

    The function is pure and not jitted, so that the sampler's own program can fuse it.

    Args:
        model: A model with an EXACT density.
        params: Its parameters.
        cond: One condition `(*cond,)`, or None.

    Returns:
        A function from an event `(*event)` to a scalar in nats.

    Raises:
        ValueError: The density is not EXACT, or the transform has no inverse.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(1.0, 2.0))
    >>> jax.grad(logdensity(model, ()))(jax.numpy.asarray([1.0, 5.0]))
    Array([-0., -1.], dtype=float32)
    """
    require_exact("logdensity", model)
    inverse = model.transform.inverse
    assert inverse is not None

    def log_p(x: Event) -> jax.Array:
        pre = inverse(params, x, cond)
        return model.base.log_prob(pre.z) + pre.log_det - pre.log_q

    return log_p
