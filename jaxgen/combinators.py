"""Transforms made of transforms: a composition, an inverse, and a transform of one leaf of the noise."""

# JAX types its own functions in part only.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.lifting import data_init, fold_in, lifted, nfe, stages, zeros_like_shape
from jaxgen.refusals import require_transform
from jaxgen.transform import DataInit, Density, Forward, Hooks, Maps, Part, Preimage, Space, Transform, bijective
from jaxgen.types import Cond, Event, Key, Noise, Params, PyTree


def chain(*transforms: Transform) -> Transform:
    """Compose transforms, the first argument first: `chain(f, g)` maps z to `g(f(z))`.

    Log-determinants, `log_q` and numbers of function evaluations add, and the density has the weakest kind of its links. Stages of the
    output's shape are joined. The parts of all links are parts of the chain; of two parts with one name, the later link's is kept. A part
    of data sees its event through the inverse of the transforms behind it, and is dropped unless all of these are exact.

    Args:
        *transforms: At least one transform.

    Returns:
        The composition; its params are the tuple of the transforms' params.

    Raises:
        ValueError: No transform is given.

    >>> import jax, jaxgen
    >>> f = jaxgen.transforms.affine(2.0, 3.0)
    >>> g = chain(f, f)
    >>> float(g.forward(g.init(jax.random.key(0), jax.numpy.zeros(())), jax.numpy.ones(())))
    17.0
    """
    if not transforms:
        raise ValueError("chain: transforms=(); accepted: at least one transform.")
    for i, f in enumerate(transforms):
        require_transform(f"chain: transforms[{i}]", f)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        params: list[Params] = []
        for f, k in zip(transforms, jax.random.split(key, len(transforms)), strict=True):
            params.append(f.init(k, z, cond))
            z = zeros_like_shape(jax.eval_shape(f.forward, params[-1], z, cond))
        return tuple(params)

    def lift(batched: bool, /, *maps: Maps) -> Maps:
        return _composed(maps)

    return lifted(
        lambda change: chain(*map(change, transforms)),
        lift,
        init,
        *transforms,
        hooks=_chained_hooks(transforms),
        parts=_chained_parts(transforms),
    )


def invert(f: Transform) -> Transform:
    """Return the inverse of a bijection as a transform of its own: `invert(f).forward(params, x) = f.inverse(params, x).z`.

    Args:
        f: An EXACT transform that has an inverse and `forward_and_log_det` and keeps the shape of its event.

    Returns:
        The inverse, which shares the params of `f`. `init` takes an example of `f`'s noise, as `f.init` does.

    Raises:
        ValueError: `f` is not such a transform, or reports another transform's density.

    >>> import jax.numpy as jnp, jaxgen
    >>> halve = jaxgen.invert(jaxgen.transforms.affine(0.0, 2.0))
    >>> float(halve.forward((), jnp.asarray(3.0)))
    1.5
    """
    require_transform("invert: f", f)
    if f.kind is not Density.EXACT or f.proxy is not None or f.one.inverse is None or f.one.forward_and_log_det is None:
        raise ValueError(f"invert: f={f!r}; accepted: an exact transform of its own density with inverse and forward_and_log_det.")

    def lift(batched: bool, g: Maps) -> Maps:
        inverse, with_log_det = g.inverse, g.forward_and_log_det
        assert inverse is not None and with_log_det is not None

        def inverted_with_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
            return inverse(params, z, cond)[:2]

        def inverted_inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
            return Preimage(*with_log_det(params, x, cond))

        return bijective(inverted_with_log_det, inverted_inverse)

    return lifted(lambda change: invert(change(f)), lift, f.init, f, hooks=Hooks(nfe=f.hooks.nfe))


def on(leaf: str, f: Transform) -> Transform:
    """Apply `f` to one leaf of a noise that is a dict; the other leaves pass. `on("latent", f)` is a learnable base.

    Args:
        leaf: The name of the leaf.
        f: A transform of that leaf's events.

    Returns:
        A transform of dicts, with the params and the kind of density of `f`.

    Raises:
        ValueError: `f` is no transform, or, when the transform is called, the noise has no such leaf.

    >>> import jax.numpy as jnp, jaxgen
    >>> doubled = jaxgen.on("a", jaxgen.transforms.affine(0.0, 2.0))
    >>> doubled.forward((), {"a": jnp.ones(()), "b": jnp.ones(())})["a"].item()
    2.0
    """
    require_transform("on: f", f)

    def at(z: Noise) -> Noise:
        leaves: list[str] = sorted(z) if hasattr(z, "keys") else []
        if leaf not in leaves:
            raise ValueError(f"on: leaf={leaf!r} of a noise with the leaves {leaves}; accepted: the name of a leaf of a dict.")
        return z[leaf]

    def lift(batched: bool, g: Maps) -> Maps:
        inverse, with_log_det = g.inverse, g.forward_and_log_det

        def on_forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
            return {**z, leaf: g.forward(params, at(z), cond)}

        def on_inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
            assert inverse is not None
            pre = inverse(params, at(x), cond, key)
            return pre._replace(z={**x, leaf: pre.z})

        def on_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
            assert with_log_det is not None
            y, log_det = with_log_det(params, at(z), cond)
            return {**z, leaf: y}, log_det

        return Maps(on_forward, on_inverse if inverse else None, on_log_det if with_log_det else None)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        return f.init(key, at(z), cond)

    def leaf_nfe(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array | int:
        return nfe(f)(params, at(z), cond)

    def leaf_from_data(params: Params, x: Event, /, cond: Cond = None, keys: Key | None = None) -> tuple[Params, Noise]:
        params, z = data_init(f)(params, x[leaf], cond, keys)
        return params, {**x, leaf: z}

    hooks = Hooks(nfe=leaf_nfe, data_init=leaf_from_data if f.hooks.data_init else None)
    return lifted(lambda change: on(leaf, change(f)), lift, init, f, hooks=hooks)


def _composed(maps: Sequence[Maps]) -> Maps:
    """Return the maps of a chain from the maps of its links, over one event or over a batch as the links are."""
    inverses, forwards = [f.inverse for f in maps], [f.forward_and_log_det for f in maps]

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        for f, p in zip(maps, params, strict=True):
            z = f.forward(p, z, cond)
        return z

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        z, log_det, log_q = x, 0.0, 0.0
        for i, (f, p) in reversed(list(enumerate(zip(inverses, params, strict=True)))):
            assert f is not None
            pre = f(p, z, cond, fold_in(key, i))
            z, log_det, log_q = pre.z, log_det + pre.log_det, log_q + pre.log_q
        return Preimage(z, log_det, log_q)  # pyright: ignore[reportArgumentType]

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        total: Any = 0.0
        for f, p in zip(forwards, params, strict=True):
            assert f is not None
            z, log_det = f(p, z, cond)
            total = total + log_det
        return z, total

    return Maps(forward, inverse if all(inverses) else None, forward_and_log_det if all(forwards) else None)


def _chained_hooks(transforms: Sequence[Transform]) -> Hooks:
    """Return what the library reads of a chain; `stages` and `data_init` exist if a link has them."""

    def chained_nfe(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array | int:
        total: Any = 0
        for f, p in zip(transforms, params, strict=True):
            total = total + nfe(f)(p, z, cond)
            z = f.forward(p, z, cond)
        return total

    return Hooks(
        _chained_stages(transforms) if any(f.hooks.stages for f in transforms) else None,
        chained_nfe,
        _chained_data_init(transforms) if any(f.hooks.data_init for f in transforms) else None,
    )


def _chained_stages(transforms: Sequence[Transform]) -> Forward:
    def chained(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        states: list[Event] = []
        for f, p in zip(transforms, params, strict=True):
            states.append(stages(f)(p, z, cond))
            z = f.forward(p, z, cond)
        return jnp.concatenate([s for s in states if isinstance(s, jax.Array) and s.shape[1:] == states[-1].shape[1:]])

    return chained


def _chained_data_init(transforms: Sequence[Transform]) -> DataInit:
    def chained(params: Params, x: Event, /, cond: Cond = None, keys: Key | None = None) -> tuple[Params, Noise]:
        after: list[Params] = []
        for i, (f, p) in reversed(list(enumerate(zip(transforms, params, strict=True)))):
            p, x = data_init(f)(p, x, cond, fold_in(keys, i))
            after.insert(0, p)
        return tuple(after), x

    return chained


def _chained_parts(transforms: Sequence[Transform]) -> Mapping[str, Part]:
    """Return the parts of all links; a part of data is asked at the event before the links behind it."""
    lifted_parts: dict[str, Part] = {}
    for i, f in enumerate(transforms):
        behind = transforms[i + 1 :]
        passable = all(g.kind is Density.EXACT and g.inverse is not None for g in behind)
        for name, part in f.parts.items():
            if part.space is Space.STATE:
                lifted_parts[name] = Part(_of_link(part, i), Space.STATE)
            elif passable:
                lifted_parts[name] = Part(_behind(part, i, behind), Space.DATA)
    return lifted_parts


def _of_link(part: Part, i: int) -> Any:
    def of_link(params: Params, *args: PyTree, cond: Cond = None, **keywords: PyTree) -> Any:
        return part(params[i], *args, cond=cond, **keywords)

    return of_link


def _behind(part: Part, i: int, behind: Sequence[Transform]) -> Any:
    def at_data_of_link(params: Params, x: Event, *args: PyTree, cond: Cond = None, **keywords: PyTree) -> Any:
        for f, p in reversed(list(zip(behind, params[i + 1 :], strict=True))):
            assert f.inverse is not None
            x = f.inverse(p, x, cond).z
        return part(params[i], x, *args, cond=cond, **keywords)

    return at_data_of_link
