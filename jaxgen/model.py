"""A model is a base and a transform; sampling, densities, encoding and interpolation are jitted free functions of it.

A base is the first noun, a distribution without parameters: anything that answers `sample(seed=key, sample_shape=())` and `log_prob(z)` as
distrax does. With `log_weight = log_det - log_q` from `Transform.inverse`, `base.log_prob(z) + log_weight` is log p(x) in the sense that
`transform.density` states. This is the only file that batches.
"""

# JAX types its functions in part only, and a lambda's arguments not at all; everything else stays strict.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import spread
from jaxgen.compiled import compiled
from jaxgen.transform import Density, ImplicitDensityError, Transform, over_batch

if TYPE_CHECKING:
    from jaxgen.certificate import Certificate


class Base(Protocol):
    """What noise is consumed: a distribution without parameters over a pytree of arrays."""

    def sample(self, *, seed: Any, sample_shape: Any = ()) -> Any:
        """Noise `(*sample_shape, *event)` per leaf."""
        ...

    def log_prob(self, value: Any) -> Any:
        """Log density in nats, event axes summed."""
        ...


class Model(NamedTuple):
    """A base and a transform. Built once; static under `jax.jit` and compared by identity, never a traced pytree."""

    base: Base
    transform: Transform

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


class LogProb(NamedTuple):
    """`value` `(n,)` in nats, `stderr` `(n,)` over the draws (0 where exact, NaN for a single draw), and which `density` it is.

    certificate: the error bound of each value by source, where one was asked for.
    """

    value: jax.Array
    stderr: jax.Array
    density: Density
    certificate: "Certificate | None" = None


def init(key: jax.Array, model: Model, cond: Any = None) -> Any:
    """Params of `model.transform` for noise shaped as its base's; `cond` is one example condition."""
    return model.transform.init(key, model.base.sample(seed=key), cond)


def sample(key: jax.Array, model: Model, params: Any, num_samples: int, cond: Any = None, *, batch_size: int | None = None) -> Any:
    """`num_samples` draws `(num_samples, *event)`; `cond` is `(num_samples, *cond)` or None.

    Each sample has its own key, so the draws do not depend on `batch_size`, which bounds how many noises exist at once.
    """
    _check_count("num_samples", num_samples)
    _check_count("batch_size", batch_size, optional=True)
    _check_rows("cond", cond, num_samples)
    mesh = spread.mesh_for(num_samples if batch_size is None else min(batch_size, num_samples), params, key, cond)
    return spread.gathered(mesh, _sample(model, num_samples, batch_size, mesh, spread.everywhere(mesh, params), key, cond))


def sample_and_log_prob(
    key: jax.Array, model: Model, params: Any, num_samples: int, cond: Any = None, *, num_draws: int = 1, batch_size: int | None = None
) -> tuple[Any, LogProb]:
    """Draws `(num_samples, *event)` and their log density; one pass where the transform has `forward_and_log_det`, else `log_prob` of the draws.

    Raises ImplicitDensityError for a model without a density.
    """
    _require_density(model)
    _check_count("num_samples", num_samples)
    _check_count("batch_size", batch_size, optional=True)
    _check_rows("cond", cond, num_samples)
    if model.transform.density is Density.EXACT and over_batch(model.transform).forward_and_log_det is not None:
        x, value = _sample_and_log_prob(model, num_samples, batch_size, params, key, cond)
        return x, LogProb(value, jnp.zeros_like(value), Density.EXACT)
    x = sample(key, model, params, num_samples, cond, batch_size=batch_size)
    return x, log_prob(model, params, x, cond, key=jax.random.fold_in(key, 1), num_draws=num_draws, batch_size=batch_size)


def log_prob(
    model: Model,
    params: Any,
    x: Any,
    cond: Any = None,
    *,
    key: jax.Array | None = None,
    num_draws: int = 1,
    batch_size: int | None = None,
    certify: float | None = None,
) -> LogProb:
    """Log density of the events `x` `(n, *event)` in nats, its standard error over `num_draws` draws, and its kind.

    UNBIASED averages the draws' logs; LOWER_BOUND takes logmeanexp of them (arXiv 1509.00519, eq. 8), its standard error by the delta method;
    EXACT ignores `num_draws`. `batch_size` is how many events are held at once (default: at most 65,536 event-draws and 2^25 noises).

    `certify=atol` bounds each value's distance to the model's own log density (`certificate.bound`, in nats, at 95 % confidence where it is
    estimated), tightens what dominates until the bound is at most `atol`, or says that it cannot (`certificate.holds`). Float32 and the
    model's own solver where they suffice, then float64, tighter solves, up to 4,096 estimates of `num_draws` draws or the exact trace;
    the results are float64 arrays of numpy. A Jacobian close to singular on the way to `x` is reported. For a LOWER_BOUND what is
    certified is the bound of `num_draws` draws, that is the mean over independent estimates of it; log p(x) itself lies above, by a gap
    that no draw can certify.

    Raises ImplicitDensityError for a model without a density, ValueError where `key` is missing, shapes disagree or `certify` is not positive.
    """
    density = _require_density(model)
    _check_count("num_draws", num_draws)
    _check_count("batch_size", batch_size, optional=True)
    if density is not Density.EXACT and key is None:
        raise ValueError(f"log_prob: key=None, but this density is {density!s} and its estimate needs a key such as jax.random.key(0).")
    if certify is not None:
        # Before any cast: the density that is certified is the one at the x that was given.
        from jaxgen.certificate import certify as certified

        return certified(model, params, x, cond, key, num_draws, batch_size, certify)
    x = x if isinstance(x, jax.Array) else jnp.asarray(x)
    _check_rows("cond", cond, x.shape[0] if x.ndim else -1)
    draws = 1 if density is Density.EXACT else num_draws
    mesh = spread.mesh_for(x.shape[0] if batch_size is None else min(batch_size, x.shape[0]), params, x, cond, key)
    value, stderr = spread.gathered(mesh, _log_prob(model, draws, batch_size, mesh, spread.everywhere(mesh, params), x, cond, key))
    return LogProb(value, jnp.asarray(np.zeros(value.shape, value.dtype)) if stderr is None else stderr, density)


def encode(model: Model, params: Any, x: Any, cond: Any = None, *, key: jax.Array | None = None) -> Any:
    """The noise `(n, *noise)` behind the events `x` `(n, *event)`; `key` where the inverse is stochastic. ValueError without an inverse."""
    x = jnp.asarray(x)
    _check_rows("cond", cond, x.shape[0] if x.ndim else -1)
    return _encode(model, params, x, cond, key)


def interpolate(
    model: Model,
    params: Any,
    x0: Any,
    x1: Any,
    num_points: int = 9,
    cond: Any = None,
    *,
    key: jax.Array | None = None,
    path: str = "linear",
) -> Any:
    """`num_points` events `(num_points, *event)` from `x0` to `x1` (one event each), straight in the noise between their preimages.

    `path="spherical"` follows the great circle instead, which keeps a Gaussian noise's norm typical. Both ends share one `key`.
    Raises ValueError for another `path`, fewer than one point, or a model without an inverse.
    """
    if path not in ("linear", "spherical"):
        raise ValueError(f'interpolate: path={path!r}; accepted: "linear", "spherical".')
    _check_count("num_points", num_points)
    pair = jnp.stack([jnp.asarray(x0), jnp.asarray(x1)])
    conds = None if cond is None else jnp.broadcast_to(cond, (2, *jnp.shape(cond)))
    ends = encode(model, params, pair, conds, key=key)
    t = jnp.linspace(0.0, 1.0, num_points)
    z = jax.tree.map(lambda e: _between(e, t, path), ends)
    return _forward(model, params, z, None if cond is None else jnp.broadcast_to(cond, (num_points, *jnp.shape(cond))))


def sampling_params(model: Model, params: Any, cond: Any = None) -> Any:
    """Which leaves of `params` sampling depends on: a pytree of bools, found by dead-code elimination of the traced `forward`.

    A conservative superset, read off the program and not declared. Shapes suffice: leaves may be `jax.ShapeDtypeStruct`.
    `cond` is one example condition.
    """
    leaves, treedef = jax.tree.flatten(params)
    z = jax.eval_shape(lambda k: model.base.sample(seed=k), jax.random.key(0))

    def forward(*flat: Any) -> Any:
        *flat_params, noise, condition = flat
        return model.transform.forward(jax.tree.unflatten(treedef, flat_params), noise, condition)

    abstract = [jax.ShapeDtypeStruct(jnp.shape(a), a.dtype) for a in leaves]
    exported = jax.export.export(jax.jit(forward), platforms=("cpu",))(*abstract, z, cond)
    kept = set(exported.module_kept_var_idx)
    return jax.tree.unflatten(treedef, [i in kept for i in range(len(leaves))])


@compiled(0, 1, 2, 3)
def _sample(model: Model, num: int, batch_size: int | None, mesh: Any, params: Any, key: jax.Array, cond: Any) -> Any:
    def draw(params: Any, keys: Any, c: Any) -> Any:
        return over_batch(model.transform).forward(params, _noise(model, keys), c)

    return _in_batches(functools.partial(spread.split(mesh, draw), params), num, batch_size, jax.random.split(key, num), cond)


@compiled(0, 1, 2)
def _sample_and_log_prob(model: Model, num: int, batch_size: int | None, params: Any, key: jax.Array, cond: Any) -> Any:
    def draw(keys: Any, c: Any) -> Any:
        with_log_det = over_batch(model.transform).forward_and_log_det
        assert with_log_det is not None
        z = _noise(model, keys)
        x, log_det = with_log_det(params, z, c)
        return x, jax.vmap(model.base.log_prob)(z) - log_det

    return _in_batches(draw, num, batch_size, jax.random.split(key, num), cond)


@compiled(0, 1, 2, 3)
def _log_prob(model: Model, num_draws: int, batch_size: int | None, mesh: Any, params: Any, x: Any, cond: Any, key: Any) -> Any:
    inverse = _require_inverse(model)
    _check_event(model, params, x, cond)

    def one_draw(params: Any, x: Any, c: Any, keys: Any) -> jax.Array:
        pre = inverse(params, x, c, keys)
        return jax.vmap(model.base.log_prob)(pre.z) + pre.log_det - pre.log_q

    def estimate(params: Any, x: Any, c: Any, keys: Any) -> tuple[jax.Array, jax.Array | None]:
        if model.transform.density is Density.EXACT:
            return one_draw(params, x, c, keys), None
        draws = jax.vmap(lambda k: jax.random.split(k, num_draws), out_axes=1)(keys)
        logs = jax.vmap(lambda k: one_draw(params, x, c, k))(draws)
        return _combine(logs, model.transform.density)

    keys = None if key is None else jax.random.split(key, x.shape[0])
    whole = functools.partial(spread.split(mesh, estimate), params)
    return _in_batches(whole, x.shape[0], batch_size or _default_batch(model, num_draws), x, cond, keys)


@compiled(0)
def _encode(model: Model, params: Any, x: Any, cond: Any, key: Any) -> Any:
    inverse = _require_inverse(model)
    _check_event(model, params, x, cond)
    return inverse(params, x, cond, None if key is None else jax.random.split(key, x.shape[0])).z


@compiled(0)
def _forward(model: Model, params: Any, z: Any, cond: Any) -> Any:
    return over_batch(model.transform).forward(params, z, cond)


def _noise(model: Model, keys: jax.Array) -> Any:
    return jax.vmap(lambda k: model.base.sample(seed=k))(keys)


def _default_batch(model: Model, num_draws: int) -> int:
    """Events at once such that neither network activations nor long noise paths fill the memory."""
    noise = jax.eval_shape(lambda k: model.base.sample(seed=k), jax.random.key(0))
    size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(noise))
    return max(1, min(65_536, 2**25 // size) // num_draws)


def _combine(logs: jax.Array, density: Density) -> tuple[jax.Array, jax.Array]:
    """Draws `(num_draws, n)` into estimate and standard error, both `(n,)`."""
    num = logs.shape[0]
    if density is Density.UNBIASED:
        mean, spread = jnp.mean(logs, 0), jnp.sqrt(jnp.sum((logs - jnp.mean(logs, 0, keepdims=True)) ** 2, 0))
    else:
        mean = jax.nn.logsumexp(logs, 0) - jnp.log(jnp.asarray(num, logs.dtype))
        top = jnp.where(jnp.isfinite(mean), mean, 0)
        weights = jnp.exp(logs - top[None])
        spread = jnp.sqrt(jnp.sum((weights - jnp.mean(weights, 0, keepdims=True)) ** 2, 0))
    return mean, spread / jnp.sqrt(jnp.asarray((num - 1) * num, logs.dtype)) if num > 1 else jnp.full_like(mean, jnp.nan)


def _in_batches(fn: Callable[..., Any], num: int, batch_size: int | None, *args: Any) -> Any:
    if batch_size is None or batch_size >= num:
        return fn(*args)
    whole = num - num % batch_size
    head = jax.tree.map(lambda a: a[:whole].reshape(-1, batch_size, *a.shape[1:]), args)
    out = jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), jax.lax.map(lambda a: fn(*a), head))
    if whole == num:
        return out
    tail = fn(*jax.tree.map(lambda a: a[whole:], args))
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), out, tail)


def _between(ends: jax.Array, t: jax.Array, path: str) -> jax.Array:
    a, b = ends[0], ends[1]
    s = t.reshape(-1, *(1,) * a.ndim).astype(a.dtype)
    if path == "linear":
        return (1 - s) * a[None] + s * b[None]
    cosine = jnp.sum(a * b) / jnp.maximum(jnp.linalg.norm(a) * jnp.linalg.norm(b), jnp.finfo(a.dtype).tiny)
    angle = jnp.arccos(jnp.clip(cosine, -1.0, 1.0))
    straight = jnp.sin(angle) < 1e-4
    safe = jnp.where(straight, 1.0, angle)
    left = jnp.where(straight, 1 - s, jnp.sin((1 - s) * safe) / jnp.sin(safe))
    right = jnp.where(straight, s, jnp.sin(s * safe) / jnp.sin(safe))
    return left * a[None] + right * b[None]


def _require_density(model: Model) -> Density:
    if model.transform.density is Density.IMPLICIT:
        raise ImplicitDensityError(
            "this model's density is implicit: it can be sampled but not evaluated. Compare samples instead (sliced_w2, mmd in "
            "jaxgen.evaluation), or train a model whose density is exact or a bound: jaxgen.zoo.build('nsf', ...), 'cfm', 'vae'."
        )
    return model.transform.density


def _require_inverse(model: Model) -> Callable[..., Any]:
    inverse = over_batch(model.transform).inverse
    if inverse is None:
        raise ValueError("this model's transform has no inverse: it maps noise to data only; keep the noise z of a sample instead.")
    return inverse


def _check_event(model: Model, params: Any, x: Any, cond: Any) -> None:
    first = None if cond is None else jax.tree.map(lambda c: c[0], cond)
    z = jax.eval_shape(lambda k: model.base.sample(seed=k), jax.random.key(0))
    event = jax.eval_shape(model.transform.forward, params, z, first)
    if hasattr(event, "shape") and x.shape[1:] != event.shape:
        raise ValueError(f"x has shape {x.shape}; expected (n, {', '.join(map(str, event.shape))}), a batch of this model's events.")


def _check_rows(name: str, rows: Any, num: int) -> None:
    if rows is not None and jnp.shape(rows)[:1] != (num,):
        raise ValueError(f"{name} has shape {jnp.shape(rows)}; its first axis must be {num}, one condition for each event.")


def _check_count(name: str, value: int | None, *, optional: bool = False) -> None:
    if not (optional and value is None) and (not isinstance(value, int) or value < 1):
        raise ValueError(f"{name}={value!r}; accepted: an integer of at least 1.")
