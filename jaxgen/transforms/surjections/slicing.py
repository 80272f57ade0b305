"""Changing the number of coordinates: dropping some on the way to the data, or adding some."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.lifting import lifted, nfe
from jaxgen.refusals import require_transform
from jaxgen.transform import Density, Hooks, Maps, Preimage, Transform, require_key
from jaxgen.transforms.surjections.contribution import as_vector, as_vectors, conditional, draw
from jaxgen.types import Cond, Event, Key, Noise, Params


def slicing(num_dropped: int, q: Transform) -> Transform:
    """Drop the last coordinates of the noise, `x = z[:-num_dropped]`, so that the noise may have more dimensions than the data.

    `inverse` augments: it draws the dropped coordinates from `q(. | x)`, with the contribution `-log q(z_dropped | x)`. Nothing is lost if
    q is the model's own conditional.

    Args:
        num_dropped: How many coordinates are dropped.
        q: An EXACT transform of standard Gaussian noise `(num_dropped,)` with `forward_and_log_det`. Its condition is `(x, cond)` as one
            vector.

    Returns:
        A LOWER_BOUND transform, with the params of `q`; sampling does not use them.

    Raises:
        ValueError: `num_dropped` is below 1 or `q` is not such a transform.

    Source: arXiv 2007.02731, table 2 (slicing in the generative direction); augmented flows, arXiv 2002.07101.

    >>> import jax.numpy as jnp, jaxgen
    >>> slicing(1, jaxgen.transforms.affine(0.0, 1.0)).forward((), jnp.asarray([1.0, 2.0, 3.0])).tolist()
    [1.0, 2.0]
    """
    q = conditional("slicing", q)
    checks.count("slicing: num_dropped", num_dropped)

    def init(key: Key, z: jax.Array, /, cond: Cond = None) -> Params:
        if z.shape[0] <= num_dropped:
            raise ValueError(f"slicing: noise of shape {z.shape}; accepted: more than {num_dropped} numbers.")
        return q.init(key, z[-num_dropped:], as_vector(z[:-num_dropped], cond))

    def lift(batched: bool, g: Maps) -> Maps:
        def inverse(params: Params, x: jax.Array, /, cond: Cond = None, key: Key | None = None) -> Preimage:
            like = jnp.zeros((*x.shape[:-1], num_dropped), x.dtype)
            dropped, log_q = draw(g, params, require_key("slicing", key), like, as_vectors(batched)(x, cond), batched)
            return Preimage(jnp.concatenate([x, dropped], -1), jnp.zeros(x.shape[:-1], x.dtype), log_q)

        return Maps(lambda params, z, cond=None: z[..., :-num_dropped], inverse)

    return lifted(lambda change: slicing(num_dropped, change(q)), lift, init, q, kind=Density.LOWER_BOUND)


def augmentation(num_added: int, f: Transform) -> Transform:
    """Add coordinates that join late, as in a multi-scale flow: `x = (event, f(extra | event))`.

    The event keeps the first coordinates of x, with the contribution `log p(x_added | event)`. That density is the base's of `extra`, moved
    by `f`.

    Args:
        num_added: How many coordinates are added.
        f: A transform of events `(num_added,)`, whose condition is `(event, cond)` as one vector.

    Returns:
        A transform of the noise `{"event": (d,), "extra": (num_added,)}`, whose params and kind of density are those of `f`.

    Raises:
        ValueError: `num_added` is below 1.

    Source: arXiv 2007.02731, table 2 (slicing in the inference direction).

    >>> import jax.numpy as jnp, jaxgen
    >>> wider = augmentation(1, jaxgen.transforms.affine(0.0, 2.0))
    >>> wider.forward((), {"event": jnp.ones(2), "extra": jnp.ones(1)}).tolist()
    [1.0, 1.0, 2.0]
    """
    require_transform("augmentation: f", f)
    checks.count("augmentation: num_added", num_added)

    def lift(batched: bool, g: Maps) -> Maps:
        g_inverse, g_log_det, told = g.inverse, g.forward_and_log_det, as_vectors(batched)

        def inverse(params: Params, x: jax.Array, /, cond: Cond = None, key: Key | None = None) -> Preimage:
            assert g_inverse is not None
            event = x[..., :-num_added]
            pre = g_inverse(params, x[..., -num_added:], told(event, cond), key)
            return pre._replace(z={"event": event, "extra": pre.z})

        def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
            assert g_log_det is not None
            added, log_det = g_log_det(params, z["extra"], told(z["event"], cond))
            return jnp.concatenate([z["event"], added], -1), log_det

        return Maps(
            lambda params, z, cond=None: jnp.concatenate([z["event"], g.forward(params, z["extra"], told(z["event"], cond))], -1),
            inverse if g_inverse else None,
            forward_and_log_det if g_log_det else None,
        )

    return lifted(
        lambda change: augmentation(num_added, change(f)),
        lift,
        lambda key, z, cond=None: f.init(key, z["extra"], as_vector(z["event"], cond)),
        f,
        hooks=Hooks(nfe=lambda params, z, cond=None: nfe(f)(params, z["extra"], as_vector(z["event"], cond))),
    )
