"""What is done once for all transforms: maps over a batch, the defaults of hooks, and the bookkeeping of every combinator."""

# JAX types its own functions in part only.
# pyright: reportUnknownMemberType=false

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import jax
import jax.numpy as jnp

from jaxgen.refusals import require_transform
from jaxgen.transform import NO_HOOKS, DataInit, Density, Forward, Hooks, Init, Maps, NumEvaluations, Part, Preimage, Transform, density_of
from jaxgen.types import Cond, Event, Key, Noise, Params, PyTree


class Lift(Protocol):
    """Make a combinator's maps from the maps of its transforms, which see a batch with a leading axis if `batched`, one event otherwise."""

    def __call__(self, batched: bool, /, *maps: Maps) -> Maps: ...


def lifted(
    again: Callable[[Callable[[Transform], Transform]], Transform],
    lift: Lift | Callable[[bool, Maps], Maps],
    init: Init,
    *transforms: Transform,
    kind: Density | None = None,
    hooks: Hooks = NO_HOOKS,
    parts: Mapping[str, Part] = MappingProxyType({}),
) -> Transform:
    """Build a combinator of transforms: the one place that forwards kind, shared steps, proxies and refinement.

    A combinator is a transform made of transforms, such as `chain`. It states its mathematics in `lift` and nothing else; what it would
    otherwise have to remember is done here.

    Args:
        again: `again(change)` returns the same combinator of `change(f)` for every `f` in `transforms`.
        lift: `lift(batched, *maps) -> Maps` makes the combinator's maps from the maps of its transforms. `batched` says whether the maps
            see one event or a batch with a leading axis.
        init: `(key, z, cond=None) -> params` of the combination.
        transforms: What is combined.
        kind: The kind of density; None takes the weakest kind of the transforms.
        hooks: Stages, number of function evaluations and data-dependent initialisation of the combination; its `refine` is set here.
        parts: The parts of the combination.

    Returns:
        The transform. It has maps over a batch, a proxy or a refinement if one of `transforms` has.
    """

    def refine(level: int, exact: bool = False) -> Transform:
        return again(lambda f: f if f.hooks.refine is None else f.hooks.refine(level, exact))

    return Transform(
        init,
        lift(False, *(f.one for f in transforms)),
        max(f.kind for f in transforms) if kind is None else kind,
        lift(True, *(_batched(f) for f in transforms)) if any(f.many for f in transforms) else None,
        again(density_of) if any(f.proxy for f in transforms) else None,
        hooks._replace(refine=refine if any(f.hooks.refine for f in transforms) else None),
        parts,
    )


def over_batch(f: Transform) -> Maps:
    """Return the maps of `f` over a batch: its shared steps if it has them, `jax.vmap` of the maps over one event otherwise.

    `inverse` inverts the map whose density `f` reports, as the property `f.inverse` does for one event.
    """
    require_transform("over_batch: f", f)
    return _batched(f)._replace(inverse=_batched(density_of(f)).inverse)


def _batched(f: Transform) -> Maps:
    if f.many is not None:
        return f.many
    inverse, with_log_det = f.one.inverse, f.one.forward_and_log_det

    # An absent condition or key is an empty pytree, over which vmap has nothing to map.
    def batched_forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return jax.vmap(functools.partial(f.one.forward, params))(z, cond)

    def batched_inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        assert inverse is not None
        return jax.vmap(functools.partial(inverse, params))(x, cond, key)

    def batched_with_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        assert with_log_det is not None
        return jax.vmap(functools.partial(with_log_det, params))(z, cond)

    return Maps(batched_forward, batched_inverse if inverse else None, batched_with_log_det if with_log_det else None)


def stages(f: Transform) -> Forward:
    """Return `(params, z, cond=None) -> (S, *event)`, the states on the way to the output; a single stage if `f` names none."""
    if f.hooks.stages is not None:
        return f.hooks.stages

    def with_stage_axis(a: jax.Array) -> jax.Array:
        return a[None]

    def output(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return jax.tree.map(with_stage_axis, f.forward(params, z, cond))

    return output


def nfe(f: Transform) -> NumEvaluations:
    """Return `(params, z, cond=None) -> scalar`, the number of network evaluations of one sample; 0 for a transform without a network."""
    return _no_network if f.hooks.nfe is None else f.hooks.nfe


def _no_network(params: Params, z: Noise, /, cond: Cond = None) -> int:
    return 0


def data_init(f: Transform) -> DataInit:
    """Return `(params, x, cond=None, keys=None) -> (params, z)` over a batch: what `f` sets from data, and the batch's noise.

    Args:
        f: The transform. One that sets nothing from data passes its params on unchanged.

    Returns:
        The function.

    Raises:
        ValueError: `f` has no inverse, so data cannot pass through it to the transforms before.
    """
    if f.hooks.data_init is not None:
        return f.hooks.data_init
    inverse = over_batch(f).inverse
    if inverse is None:
        raise ValueError("data_init: f=a transform without an inverse; accepted: transforms with an inverse, through which data can pass.")

    def pass_on(params: Params, x: Event, /, cond: Cond = None, keys: Key | None = None) -> tuple[Params, Noise]:
        return params, inverse(params, x, cond, keys).z

    return pass_on


def fold_in(key: Key | None, data: int) -> Key | None:
    """Fold a number into a key, or one by one into a batch of keys.

    Args:
        key: A key, a batch of keys `(n,)`, or None.
        data: The number to fold in.

    Returns:
        The new key or keys; an absent key stays absent.
    """
    if key is None:
        return None

    def fold(key: Key) -> Key:
        return jax.random.fold_in(key, data)

    return fold(key) if key.ndim == 0 else jax.vmap(fold)(key)


def zeros_like_shape(shapes: PyTree) -> PyTree:
    """Return zeros for a pytree of `jax.ShapeDtypeStruct`, which make an example event out of `jax.eval_shape`."""

    def zeros(shape: jax.ShapeDtypeStruct) -> jax.Array:
        return jnp.zeros(shape.shape, shape.dtype)

    return jax.tree.map(zeros, shapes)
