"""A model is a base and a transform; sampling, densities, encoding and interpolation are pure functions of it.

A base is the first noun: a distribution without parameters, which is anything that answers `sample(seed=key, sample_shape=())` and
`log_prob(z)` as distrax does. The one identity behind every density here is `log p(x) = base.log_prob(z) + log_det - log_q`, in the sense
that the transform's `kind` states. This is the only file that batches.
"""

# JAX types its own functions in part only.
# pyright: reportUnknownMemberType=false

import functools
import math
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks, finite
from jaxgen.arguments import (
    as_array,
    calling,
    check_counts,
    check_event,
    checked_preimage,
    noise_shape,
    require_density,
    require_inverse,
    require_model,
    with_rows,
)
from jaxgen.batch_sizes import zeros
from jaxgen.cores import over_cores
from jaxgen.lifting import over_batch
from jaxgen.refusals import require_transform
from jaxgen.transform import Density, Transform
from jaxgen.types import Cond, Event, Float, Key, Noise, Params, Shape


class Base(Protocol):
    """Say which noise a model consumes: a distribution without parameters over a pytree of arrays."""

    def sample(self, *, seed: Key, sample_shape: Shape = ()) -> Noise:
        """Draw noise.

        Args:
            seed: A random key.
            sample_shape: The sizes of leading axes.

        Returns:
            Noise `(*sample_shape, *event)`, leaf by leaf.
        """
        ...

    def log_prob(self, value: Noise) -> jax.Array:
        """Return the log density in nats, event axes summed."""
        ...


class Model(NamedTuple):
    """A base and a transform. It is built once, static under `jax.jit` and compared by identity, never a traced pytree.

    Attributes:
        base: Where noise comes from.
        transform: How noise becomes data.
    """

    base: Base
    transform: Transform

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


class LogProb(NamedTuple):
    """Hold log densities, their standard errors and their kind.

    Attributes:
        value: Log densities `(n,)` in nats.
        stderr: Their standard errors `(n,)` over the draws: 0 for an exact density, NaN for a single draw of another kind.
        density: The kind of number that `value` is.
    """

    value: Float[jax.Array, " n"]
    stderr: Float[jax.Array, " n"]
    density: Density


def init(key: Key | int, model: Model, cond: Cond = None) -> Params:
    """Return fresh params of a model.

    Args:
        key: A random key, or an integer seed.
        model: The model.
        cond: One example condition, or None for a model without conditions.

    Returns:
        The params of `model.transform`.

    Raises:
        ValueError: `model` is no model, or its transform is built wrongly.
    """
    require_model("init", model)
    key = checks.key("init: key", key)
    require_transform("init: model.transform", model.transform)
    return model.transform.init(key, model.base.sample(seed=key), cond)


def sample(key: Key | int, model: Model, params: Params, num_samples: int, cond: Cond = None, *, batch_size: int | None = None) -> Event:
    """Draw samples: noise from the base, moved by the transform.

    Args:
        key: A random key, or an integer seed. Each sample gets a key of its own, so the draws do not depend on `batch_size`.
        model: The model.
        params: Its params.
        num_samples: How many samples to draw.
        cond: Conditions `(num_samples, *cond)`, one for each sample, or `(1, *cond)`, one for all; None for a model without conditions.
        batch_size: How many samples are computed at once; None computes all at once.

    Returns:
        The samples `(num_samples, *event)`.

    Raises:
        ValueError: A number is below 1, or `cond` has another number of rows.
    """
    require_model("sample", model)
    key = checks.key("sample: key", key)
    check_counts("sample", batch_size, num_samples=num_samples)
    cond = with_rows("sample", cond, num_samples)
    x = _sample((model,), num_samples, batch_size, params, key, cond)
    finite.look("sample", params, events=x, are_gaps=functools.partial(_are_gaps, model, params, x, cond), cond=cond)
    return x


def sample_and_log_prob(
    key: Key | int, model: Model, params: Params, num_samples: int, cond: Cond = None, *, num_draws: int = 1, batch_size: int | None = None
) -> tuple[Event, LogProb]:
    """Draw samples and return their log densities, in one pass if the transform has `forward_and_log_det`.

    Args:
        key: A random key, or an integer seed; `sample` draws the same samples with the same key.
        model: The model.
        params: Its params.
        num_samples: How many samples to draw.
        cond: Conditions `(num_samples, *cond)` or `(1, *cond)`, or None.
        num_draws: How many draws estimate a density that is not exact.
        batch_size: How many samples are computed at once; None computes all at once.

    Returns:
        The samples `(num_samples, *event)` and their log densities.

    Raises:
        ImplicitDensityError: The model has no density.
        ValueError: A number is below 1, or `cond` has another number of rows.
    """
    require_density("sample_and_log_prob", model)
    key = checks.key("sample_and_log_prob: key", key)
    check_counts("sample_and_log_prob", batch_size, num_samples=num_samples, num_draws=num_draws)
    cond = with_rows("sample_and_log_prob", cond, num_samples)
    transform = model.transform
    if transform.kind is Density.EXACT and transform.proxy is None and transform.forward_and_log_det is not None:
        x, value = _sample_and_log_prob((model,), num_samples, batch_size, params, key, cond)
        finite.look("sample_and_log_prob", params, events=x, density=value, cond=cond)
        return x, LogProb(value, zeros(value), Density.EXACT)
    x = sample(key, model, params, num_samples, cond, batch_size=batch_size)
    return x, log_prob(model, params, x, cond, key=jax.random.fold_in(key, 1), num_draws=num_draws, batch_size=batch_size)


def log_prob(
    model: Model,
    params: Params,
    x: Event,
    cond: Cond = None,
    *,
    key: Key | int | None = None,
    num_draws: int = 1,
    batch_size: int | None = None,
) -> LogProb:
    """Return the log density of events in nats, its standard error and its kind.

    An UNBIASED density averages the logarithms of its draws. A LOWER_BOUND takes their logmeanexp (arXiv 1509.00519, eq. 8), with a
    standard error by the delta method. `jaxgen.certify` bounds the numerical error of the same numbers.

    Args:
        model: The model.
        params: Its params.
        x: Events `(n, *event)`.
        cond: Conditions `(n, *cond)`, or `(1, *cond)` for all events, or None.
        key: A random key or an integer seed, needed if the density is not exact.
        num_draws: How many draws estimate a density that is not exact.
        batch_size: How many events are computed at once; by default at most 65,536 event-draws and 2^25 numbers of noise.

    Returns:
        Values and standard errors `(n,)`, and the kind of density.

    Raises:
        ImplicitDensityError: The model has no density.
        ValueError: `key` is missing, a number is below 1, or shapes disagree.

    >>> import jaxgen, numpy as np
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(1.0, 2.0))
    >>> float(jaxgen.log_prob(model, (), np.ones((1, 1))).value[0])
    -1.612
    """
    density = require_density("log_prob", model)
    check_counts("log_prob", batch_size, num_draws=num_draws)
    if density is not Density.EXACT and key is None:
        raise ValueError(f"log_prob: key=None; accepted: a key such as jax.random.key(0), because this density is {density!s}.")
    if key is not None:
        key = checks.key("log_prob: key", key)
    x = as_array("log_prob", x)
    num = x.shape[0] if x.ndim else -1
    cond = with_rows("log_prob", cond, num)
    draws = 1 if density is Density.EXACT else num_draws
    value, stderr = _log_prob((model, draws), num, batch_size or _default_batch(model, num_draws), params, key, x, cond)
    # Before the look, which waits for the densities.
    stderr = zeros(value) if stderr is None else stderr
    finite.look("log_prob", params, density=value, x=x, cond=cond)
    return LogProb(value, stderr, density)


def encode(model: Model, params: Params, x: Event, cond: Cond = None, *, key: Key | int | None = None) -> Noise:
    """Return the noise behind events.

    Args:
        model: The model.
        params: Its params.
        x: Events `(n, *event)`.
        cond: Conditions `(n, *cond)`, or `(1, *cond)` for all events, or None.
        key: A random key or an integer seed, needed if the inverse is stochastic.

    Returns:
        The noise, `(n, *noise)` leaf by leaf. If the model reports the density of an ODE, it is that ODE's noise.

    Raises:
        ValueError: The transform has no inverse, or shapes disagree.
    """
    require_model("encode", model)
    if key is not None:
        key = checks.key("encode: key", key)
    x = as_array("encode", x)
    num = x.shape[0] if x.ndim else -1
    cond = with_rows("encode", cond, num)
    z = _encode((model,), num, None, params, key, x, cond)
    finite.look("encode", params, events=z, x=x, cond=cond)
    return z


def sample_rows(model: Model, params: Params, keys: Key, cond: Cond = None) -> Event:
    """Return one sample for each key: what `sample` computes, without slices and cores, and so for a batch of symbolic size too.

    Args:
        model: The model.
        params: Its params.
        keys: Random keys `(n,)`.
        cond: Conditions `(n, *cond)`, or None.
    """
    forward = over_batch(model.transform).forward
    with calling("sample", cond):
        return forward(params, _noise(model, keys), cond)


@over_cores
def _sample_and_log_prob(model: Model, params: Params, keys: Key, cond: Cond) -> tuple[Event, jax.Array]:
    with_log_det = over_batch(model.transform).forward_and_log_det
    assert with_log_det is not None
    z = _noise(model, keys)
    with calling("sample_and_log_prob", cond):
        x, log_det = with_log_det(params, z, cond)
    return x, jax.vmap(model.base.log_prob)(z) - log_det


def log_prob_rows(
    model: Model, num_draws: int, params: Params, keys: Key | None, x: Event, cond: Cond = None
) -> tuple[jax.Array, jax.Array | None]:
    """Return log densities and their standard errors: what `log_prob` computes, without slices and cores.

    Args:
        model: The model, which has a density.
        num_draws: How many draws estimate a density that is not exact.
        params: Its params.
        keys: Random keys `(n,)`, or None for an exact density.
        x: Events `(n, *event)`.
        cond: Conditions `(n, *cond)`, or None.

    Returns:
        The log densities `(n,)` in nats, and the standard errors, None for an exact density.
    """
    inverse = require_inverse("log_prob", model)
    check_event("log_prob", model, params, x, cond)

    def one_draw(keys: Key | None) -> jax.Array:
        with calling("log_prob", cond):
            pre = checked_preimage("log_prob", inverse(params, x, cond, keys), x.shape[0])
        return jax.vmap(model.base.log_prob)(pre.z) + pre.log_det - pre.log_q

    def keys_of_draws(key: Key) -> Key:
        return jax.random.split(key, num_draws)

    if model.transform.kind is Density.EXACT:
        return one_draw(keys), None
    assert keys is not None
    draws = jax.vmap(keys_of_draws, out_axes=1)(keys)
    return _combine(jax.vmap(one_draw)(draws), model.transform.kind)


def encode_rows(model: Model, params: Params, keys: Key | None, x: Event, cond: Cond = None) -> Noise:
    """Return the noise behind events: what `encode` computes, given a key for each event.

    Args:
        model: The model.
        params: Its params.
        keys: Random keys `(n,)`, or None for an inverse that draws nothing.
        x: Events `(n, *event)`.
        cond: Conditions `(n, *cond)`, or None.
    """
    inverse = require_inverse("encode", model)
    check_event("encode", model, params, x, cond)
    with calling("encode", cond):
        return checked_preimage("encode", inverse(params, x, cond, keys), x.shape[0]).z


_sample, _log_prob, _encode = over_cores(sample_rows), over_cores(log_prob_rows), over_cores(encode_rows)


def _combine(logs: jax.Array, kind: Density) -> tuple[jax.Array, jax.Array]:
    """Return the estimate and its standard error, both `(n,)`, from draws `(num_draws, n)`."""
    num = logs.shape[0]
    if kind is Density.UNBIASED:
        mean, deviation = jnp.mean(logs, 0), jnp.sqrt(jnp.sum((logs - jnp.mean(logs, 0, keepdims=True)) ** 2, 0))
    else:
        mean = jax.nn.logsumexp(logs, 0) - jnp.log(jnp.asarray(num, logs.dtype))
        top = jnp.where(jnp.isfinite(mean), mean, 0)
        weights = jnp.exp(logs - top[None])
        deviation = jnp.sqrt(jnp.sum((weights - jnp.mean(weights, 0, keepdims=True)) ** 2, 0))
    return mean, deviation / jnp.sqrt(jnp.asarray((num - 1) * num, logs.dtype)) if num > 1 else jnp.full_like(mean, jnp.nan)


def _are_gaps(model: Model, params: Params, x: Event, cond: Cond, rows: np.ndarray) -> np.ndarray:
    """Return whether samples that are not finite have a finite log density, as rows of a table with gaps have."""
    if model.transform.kind is Density.IMPLICIT or not isinstance(x, jax.Array):
        return np.zeros(len(rows), bool)
    with finite.unsaid():
        return np.isfinite(np.asarray(log_prob(model, params, x[rows], None if cond is None else cond[rows], key=0).value))


def _noise(model: Model, keys: Key) -> Noise:
    def one_noise(key: Key) -> Noise:
        return model.base.sample(seed=key)

    return jax.vmap(one_noise)(keys)


@functools.lru_cache(maxsize=256)
def _default_batch(model: Model, num_draws: int) -> int:
    """Return how many events are computed at once, so that neither activations nor long noise paths fill the memory."""
    size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(noise_shape(model)))
    most = max(1, min(65_536, 2**25 // size) // num_draws)
    # A round number, which cores can share.
    return most - most % 1024 or most
