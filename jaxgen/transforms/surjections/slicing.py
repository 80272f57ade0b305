"""Changing the number of coordinates: dropping some on the way to the data, or adding some."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.surjections.contribution import conditional, draw, require_key, seen


def slicing(num_dropped: int, q: Transform) -> Transform:
    """`x = z[:-num_dropped]`: noise of more dimensions than the data (arXiv 2007.02731, table 2, slicing in the generative direction).

    `inverse` augments: the dropped coordinates are drawn from `q(. | x)`, contribution `-log q(z_dropped | x)`: LOWER_BOUND (augmented flows,
    arXiv 2002.07101), with nothing lost where q is the model's own conditional. `q` is an exact transform with `forward_and_log_det`, of standard
    Gaussian noise `(num_dropped,)`, whose condition is `(x, cond)` as one vector. params: `q`'s, which sampling does not use.
    """
    q = conditional("slicing", q)
    _check("slicing", "num_dropped", num_dropped)

    def init(key: jax.Array, z: jax.Array, cond: Any = None) -> Any:
        if z.shape[0] <= num_dropped:
            raise ValueError(f"slicing(num_dropped={num_dropped}): noise of shape {z.shape}; accepted: more than {num_dropped} numbers.")
        return q.init(key, z[-num_dropped:], seen(z[:-num_dropped], cond))

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        dropped, log_q = draw(q, params, require_key("slicing", key), jnp.zeros((num_dropped,), x.dtype), seen(x, cond))
        return Preimage(jnp.concatenate([x, dropped]), jnp.zeros((), x.dtype), log_q)

    return Transform(init, lambda params, z, cond=None: z[:-num_dropped], inverse, None, Density.LOWER_BOUND)


def augmentation(num_added: int, f: Transform) -> Transform:
    """`x = (event, f(extra | event))` from the noise `{"event": (d,), "extra": (num_added,)}`: coordinates that join late, as in a multi-scale flow.

    Slicing in the inference direction (arXiv 2007.02731, table 2): the event keeps the first coordinates of x, contribution `log p(x_added | event)`.
    That density is the base's of `extra` moved by `f`, whose condition is `(event, cond)` as one vector: of `f`'s own kind. params: `f`'s.
    """
    _check("augmentation", "num_added", num_added)
    f_inverse, f_log_det = f.inverse, f.forward_and_log_det

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        assert f_inverse is not None
        event = x[:-num_added]
        pre = f_inverse(params, x[-num_added:], seen(event, cond), key)
        return pre._replace(z={"event": event, "extra": pre.z})

    def forward_and_log_det(params: Any, z: Any, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        assert f_log_det is not None
        added, log_det = f_log_det(params, z["extra"], seen(z["event"], cond))
        return jnp.concatenate([z["event"], added]), log_det

    return Transform(
        lambda key, z, cond=None: f.init(key, z["extra"], seen(z["event"], cond)),
        lambda params, z, cond=None: jnp.concatenate([z["event"], f.forward(params, z["extra"], seen(z["event"], cond))]),
        inverse if f_inverse is not None else None,
        forward_and_log_det if f_log_det is not None else None,
        f.density,
        note=f.note,
    )


def _check(factory: str, name: str, value: int) -> None:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{factory}: {name}={value!r}; accepted: an integer of at least 1.")
