"""Adapters to distrax: a trained model as a distribution, a bijector as a transform, and a transform as a bijector."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import jax
import jax.numpy as jnp

from jaxgen.interop.exact import require_exact
from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.transform import Density, Maps, Preimage, Transform
from jaxgen.types import Cond, Key, Params

if TYPE_CHECKING:
    import distrax

BijectorLike: TypeAlias = "distrax.Bijector | Callable[[jax.Array], jax.Array]"
"""What `distrax.as_bijector` takes: a bijector, or a function that it can invert."""


def as_distribution(model: Model, params: Params, cond: Cond = None, *, cond_ndims: int = 1) -> "distrax.Distribution":
    """Return a model at its parameters as a distrax distribution, which can also be the base of another model.

    The distribution is a pytree of `params` and `cond`: it may be built inside `jit`, `grad` or `vmap` and passed through them.

    Args:
        model: A model with an EXACT density, because distrax has no key for an estimate.
        params: Its parameters.
        cond: Conditions `(*batch, *cond)`, one distribution of the batch for each, or None.
        cond_ndims: Number of axes of one condition.

    Returns:
        A distribution with the batch shape of `cond` and the event shape of the model.

    Raises:
        ValueError: The density is not EXACT, or the transform has no inverse.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(1.0, 2.0))
    >>> distribution = as_distribution(model, ())
    >>> distribution.event_shape, distribution.sample(seed=jax.random.key(0), sample_shape=(5, 3)).shape
    ((2,), (5, 3, 2))
    """
    from jaxgen.interop.distrax_classes import ModelDistribution, Opaque

    require_exact("as_distribution", model)
    return ModelDistribution(Opaque((model, cond_ndims)), params, None if cond is None else jnp.asarray(cond))


def from_distrax(bijector: "BijectorLike | Callable[[Params], BijectorLike]", params: Params = None) -> Transform:
    """Return a distrax bijector as an EXACT transform.

    Axes of the event beyond the bijector's `event_ndims_in` are mapped alike, and their log-determinants are summed. An `x` outside the
    image of the bijector, such as beyond the interval of a Tanh, has log-determinant -inf and so density 0 with gradient 0, where distrax
    itself returns NaN. An `x` that is NaN stays NaN.

    Args:
        bijector: Without `params`, a constant that `distrax.as_bijector` takes. With `params`, a function from params to such a bijector.
        params: Initial parameters, or None for a bijector without parameters.

    Returns:
        An EXACT transform whose params are `params`, or `()`.

    >>> import distrax, jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), from_distrax(distrax.Tanh()))
    >>> jaxgen.log_prob(model, (), jax.numpy.asarray([[0.0, 0.5], [0.0, 1.5]])).value
    Array([-1.70...,  -inf], dtype=float32)
    """
    import distrax

    learnable = params is not None
    start = params if learnable else ()
    constant = None if learnable else distrax.as_bijector(bijector)  # pyright: ignore[reportArgumentType]

    def build(params: Params) -> "distrax.Bijector":
        return constant if constant is not None else distrax.as_bijector(bijector(params))  # pyright: ignore[reportArgumentType, reportCallIssue]

    def forward_and_log_det(params: Params, z: jax.Array, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        x, log_det = build(params).forward_and_log_det(z)
        return jnp.asarray(x), jnp.sum(log_det)

    def raw_inverse(params: Params, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        z, log_det = build(params).inverse_and_log_det(x)
        return jnp.asarray(z), jnp.sum(log_det)

    def inverse(params: Params, x: jax.Array, cond: Cond = None, key: Key | None = None) -> Preimage:
        z, log_det = jax.lax.stop_gradient(raw_inverse(params, x))
        inside = jnp.all(jnp.isfinite(z)) & jnp.isfinite(log_det)
        # A point of the image takes the place of one outside, so that no NaN enters the gradient.
        inner = jax.lax.stop_gradient(build(params).forward(jnp.full(z.shape, 0.5, z.dtype)))
        z, log_det = raw_inverse(params, jnp.where(inside, x, inner))
        outside = jnp.where(jnp.any(jnp.isnan(x)), jnp.nan, -jnp.inf)
        return Preimage(z, jnp.where(inside, log_det, outside.astype(log_det.dtype)))

    def forward(params: Params, z: jax.Array, cond: Cond = None) -> jax.Array:
        return jnp.asarray(build(params).forward(z))

    return Transform(lambda key, z, cond=None: jax.tree.map(jnp.asarray, start), Maps(forward, inverse, forward_and_log_det), Density.EXACT)


def to_distrax(transform: Transform, params: Params, cond: Cond = None, *, event_ndims: int = 1) -> "distrax.Bijector":
    """Return a transform at its parameters as a distrax bijector.

    Args:
        transform: An EXACT transform with `inverse` and `forward_and_log_det`.
        params: Its parameters.
        cond: One condition `(*cond,)` for all events, or None.
        event_ndims: Number of axes of an event; axes before them are a batch.

    Returns:
        A bijector of events with `event_ndims` axes.

    Raises:
        ValueError: The transform is not EXACT or lacks one of these functions.

    >>> import jax, jaxgen
    >>> bijector = to_distrax(jaxgen.transforms.affine(1.0, 2.0), ())
    >>> y, log_det = bijector.forward_and_log_det(jax.numpy.zeros((5, 3)))
    >>> y.shape, log_det.shape
    ((5, 3), (5,))
    """
    from jaxgen.interop.distrax_classes import Opaque, TransformBijector

    maps = over_batch(transform)
    if transform.kind is not Density.EXACT or maps.inverse is None or maps.forward_and_log_det is None:
        accepted = "an exact transform with inverse and forward_and_log_det"
        raise ValueError(f"to_distrax: transform=one of density {transform.kind}; accepted: {accepted}.")
    return TransformBijector(Opaque(transform), params, None if cond is None else jnp.asarray(cond), event_ndims)
