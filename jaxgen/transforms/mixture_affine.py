"""A mixture of Gaussians as a transform, whose weights, means and covariances are params."""

import math

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from jaxgen import checks
from jaxgen.numerics.small_matrices import solve_lower
from jaxgen.transform import Density, Hooks, Maps, Part, Preimage, Transform
from jaxgen.transforms.gaussian_given import Groups, questions_of_gaussians
from jaxgen.types import Cond, Event, Key, Noise, Params


def mixture_affine(num_components: int, num_kernels: int = 0) -> Transform:
    """Build the map that chooses one of several affine maps by a uniform number and applies it to Gaussian noise.

    The noise is `{"choice": (), "noise": (d,)}`, uniform on [0, 1) and standard normal, as `bases.joint` draws it. The events are then a
    mixture of Gaussians: components with covariances of their own, and kernels, which share one covariance, as in a kernel density.

    Args:
        num_components: The number K of components with a covariance of their own.
        num_kernels: The number M of kernels, which have equal weights.

    Returns:
        An EXACT transform: `inverse` returns the noise of the most probable component and adds up the others, without a key. The params are
        `{"logits": (K,), "loc": (K, d), "whitener": (K, d, d)}` and, with kernels, `{"kernel_logit": (), "centres": (M, d),
        "kernel_whitener": (d, d)}`. A whitener W is lower triangular and has the covariance `inverse(W^T W)`. The first components have
        random means and unit covariances. The parts `at_index` and `index_weights` are those of `indexed`, with an index for each component
        and, behind these, for each kernel.

    Raises:
        ValueError: A number is no count.

    >>> import jax.numpy as jnp, jaxgen
    >>> base = jaxgen.bases.joint({"choice": jaxgen.bases.uniform(()), "noise": jaxgen.bases.normal((1,))})
    >>> model = jaxgen.Model(base, mixture_affine(2))
    >>> params = {"logits": jnp.zeros(2), "loc": jnp.asarray([[-3.0], [3.0]]), "whitener": jnp.ones((2, 1, 1))}
    >>> round(float(jaxgen.log_prob(model, params, jnp.asarray([[3.0]])).value[0]), 4)  # log(1 / 2) - log sqrt(2 pi)
    -1.6121
    """
    checks.count("mixture_affine: num_components", num_components)
    checks.count("mixture_affine: num_kernels", num_kernels, 0)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        d, dtype = z["noise"].shape[0], z["noise"].dtype
        key_components, key_kernels = jax.random.split(key)
        unit = jnp.eye(d, dtype=dtype)
        components = {
            "logits": jnp.zeros(num_components, dtype),
            "loc": jax.random.normal(key_components, (num_components, d), dtype) * (num_components > 1),
            "whitener": jnp.tile(unit, (num_components, 1, 1)),
        }
        if not num_kernels:
            return components
        centres = jax.random.normal(key_kernels, (num_kernels, d), dtype)
        return {**components, "kernel_logit": jnp.zeros((), dtype), "centres": centres, "kernel_whitener": unit}

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        upper = jnp.cumsum(jnp.exp(_log_weights(params)))
        # Rounding may leave the last bound below the largest uniform number.
        chosen = jnp.minimum(jnp.searchsorted(upper, z["choice"], side="right"), len(upper) - 1)
        component = jnp.minimum(chosen, num_components - 1)
        loc, whitener = params["loc"][component], params["whitener"][component]
        if num_kernels:
            kernel = chosen - num_components
            loc = jnp.where(kernel >= 0, params["centres"][jnp.maximum(kernel, 0)], loc)
            whitener = jnp.where(kernel >= 0, params["kernel_whitener"], whitener)
        return loc + solve_lower(_lower(whitener), z["noise"])

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        log_weights = _log_weights(params)
        whitener = _lower(params["whitener"])
        z, slopes = jnp.einsum("kij,kj->ki", whitener, x[None] - params["loc"]), _log_det(whitener)
        if num_kernels:
            # The products with the centres are the same for every event.
            shared = _lower(params["kernel_whitener"])
            z = jnp.concatenate([z, (shared @ x)[None] - params["centres"] @ shared.T])
            slopes = jnp.concatenate([slopes, jnp.broadcast_to(_log_det(shared), (num_kernels,))])
        scale = log_weights + slopes
        logs = scale - 0.5 * jnp.sum(z**2, -1)
        best = jnp.argmax(logs)
        # Relative to the largest term, so that the density of its noise never has to be subtracted.
        rest = jax.nn.logsumexp(logs - logs[best])
        upper = jnp.cumsum(jnp.exp(log_weights))
        middle = upper[best] - 0.5 * jnp.exp(log_weights[best])
        return Preimage({"choice": jnp.clip(middle, 0, 1 - jnp.finfo(x.dtype).eps), "noise": z[best]}, scale[best] + rest)

    def index_weights(params: Params, *, cond: Cond = None) -> jax.Array:
        return jnp.exp(_log_weights(params))

    def at_index(params: Params, z: Noise, k: jax.Array, *, cond: Cond = None) -> Noise:
        weights = index_weights(params)
        return {**z, "choice": (jnp.cumsum(weights)[k] - 0.5 * weights[k]).astype(z["choice"].dtype)}

    parts = {"at_index": Part(at_index), "index_weights": Part(index_weights)}

    def groups(params: Params) -> list[Groups]:
        log_weights = _log_weights(params)
        own = Groups(log_weights[:num_components, None], params["loc"][:, None], _inverted(_lower(params["whitener"])))
        if not num_kernels:
            return [own]
        return [
            own,
            Groups(log_weights[None, num_components:], params["centres"][None], _inverted(_lower(params["kernel_whitener"]))[None]),
        ]

    hooks = Hooks(questions=questions_of_gaussians(init, groups))
    return Transform(init, Maps(forward, inverse), Density.EXACT, hooks=hooks, parts=parts)


def _inverted(lower: jax.Array) -> jax.Array:
    return solve_triangular(lower, jnp.broadcast_to(jnp.eye(lower.shape[-1], dtype=lower.dtype), lower.shape), lower=True)


def _log_weights(params: Params) -> jax.Array:
    logits = params["logits"]
    if "centres" in params:
        num = params["centres"].shape[0]
        logits = jnp.concatenate([logits, jnp.broadcast_to(params["kernel_logit"] - math.log(num), (num,))])
    return jax.nn.log_softmax(logits)


def _lower(whitener: jax.Array) -> jax.Array:
    """Return the lower triangle of matrices `(..., d, d)` with a positive diagonal."""
    on_diagonal = jnp.broadcast_to(jnp.eye(whitener.shape[-1], dtype=bool), whitener.shape)
    return jnp.tril(whitener, -1) + jnp.where(on_diagonal, jnp.abs(whitener), 0)


def _log_det(lower: jax.Array) -> jax.Array:
    return jnp.sum(jnp.log(jnp.diagonal(lower, axis1=-2, axis2=-1)), -1)
