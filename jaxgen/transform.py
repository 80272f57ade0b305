"""The second noun: a transform, how noise becomes data, as pure functions of explicit parameters.

A deep generative model is a *probability transformation function* (arXiv 2506.17171): noise `z` from a fixed base, `x = forward(params, z)`.
Everything here sees ONE event; batching happens in `model.py`. `forward` has no key: randomness that shapes a sample lives in the base,
randomness that only estimates a number is the `key` of `inverse`.
"""

# JAX types its functions in part only, and a lambda's arguments not at all; everything else stays strict.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import enum
import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Part = Callable[..., Any]


class Density(enum.IntEnum):
    """What `base.log_prob(z) + log_det - log_q` is, from strongest to weakest. A chain takes the weakest kind of its parts."""

    EXACT = 0
    """log p(x) itself; no key is needed."""
    UNBIASED = 1
    """an unbiased estimate of log p(x); several draws are averaged."""
    LOWER_BOUND = 2
    """a lower bound of log p(x) in expectation; several draws take logmeanexp (the importance-weighted bound, arXiv 1509.00519)."""
    IMPLICIT = 3
    """no density: asking for one raises `ImplicitDensityError`."""

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class Preimage(NamedTuple):
    """What `inverse` returns: where `x` came from, and what that costs.

    z:       the noise, shaped as the base's event.
    log_det: scalar, the log-determinant of the inverse map: minus log|det J_forward| at `z` for a bijection, the likelihood contribution
             of a surjection or stochastic inverse otherwise (arXiv 2007.02731).
    log_q:   scalar, the log density of whatever `inverse` drew from its key.
    """

    z: Any
    log_det: Any
    log_q: Any = 0.0


class Batched(NamedTuple):
    """Whole-batch forms: every event argument and result has one more leading axis, keys are `(n,)`; `params` are shared."""

    forward: Callable[..., Any]
    inverse: Callable[..., Preimage] | None
    forward_and_log_det: Callable[..., tuple[Any, jax.Array]] | None


class Transform(NamedTuple):
    """A map from noise to data as a tuple of pure functions; `optax.GradientTransformation` is its model.

    init:    `(key, z, cond=None) -> params`; `z` is one example of noise, shapes are inferred from it.
    forward: `(params, z, cond=None) -> x`; deterministic, one event.
    inverse: `(params, x, cond=None, key=None) -> Preimage`; optional.
    forward_and_log_det: `(params, z, cond=None) -> (x, log|det J_forward|)`; optional.
    density: the kind of number `log_prob` returns. It, not a missing inverse, decides whether there is one.
    parts:   pure functions of the same params for objectives and pictures: velocity, denoiser, encode, decode ... Three names are read by
             the library itself: `stages (params, z, cond) -> (S, *event)`, the way to the output (which is the last stage),
             `nfe (params, z, cond) -> scalar`, how many evaluations of a network one sample costs, and
             `data_init (params, x, cond, keys) -> (params, z)`, params set from a batch (every argument after the first has a leading
             axis) and the batch's noise under them.
    batched: whole-batch forms where a shared step pays (an ODE solve); they equal the per-event ones within the solver's tolerance.
    note:    one sentence a reader of the density must know, such as "density of the ODE, the sampler takes 18 steps".
    refine:  `(level, exact=False) -> Transform`, on the same params: the map that `inverse` inverts with every tolerance `level` steps
             tighter (0: as it is), and, where `exact`, estimates replaced by what they estimate. None where there is nothing to tighten.

    `cond` is one condition (an array) or None. A transform is compared by identity, so it can be a static argument of `jax.jit`.
    """

    init: Callable[..., Any]
    forward: Callable[..., Any]
    inverse: Callable[..., Preimage] | None = None
    forward_and_log_det: Callable[..., tuple[Any, jax.Array]] | None = None
    density: Density = Density.IMPLICIT
    parts: Mapping[str, Part] = MappingProxyType({})
    batched: Batched | None = None
    note: str = ""
    refine: "Callable[..., Transform] | None" = None

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


class ImplicitDensityError(TypeError):
    """Raised when a density is asked of a model that has none; the message names what to use instead."""


def over_batch(f: Transform) -> Batched:
    """The whole-batch forms of `f`: its own where it has them, `vmap` of the per-event ones otherwise."""
    if f.batched is not None:
        return f.batched
    inverse, with_log_det = f.inverse, f.forward_and_log_det

    # An absent condition or key is an empty pytree, over which vmap has nothing to map.
    def batched_forward(params: Any, z: Any, cond: Any = None) -> Any:
        return jax.vmap(functools.partial(f.forward, params))(z, cond)

    def batched_inverse(params: Any, x: Any, cond: Any = None, key: Any = None) -> Preimage:
        assert inverse is not None
        return jax.vmap(functools.partial(inverse, params))(x, cond, key)

    def batched_with_log_det(params: Any, z: Any, cond: Any = None) -> tuple[Any, jax.Array]:
        assert with_log_det is not None
        return jax.vmap(functools.partial(with_log_det, params))(z, cond)

    return Batched(
        batched_forward, batched_inverse if inverse is not None else None, batched_with_log_det if with_log_det is not None else None
    )


def chain(*transforms: Transform) -> Transform:
    """The composition that applies its first argument first: `chain(f, g).forward = g(f(z))`. Params are the tuple of the parts' params.

    log-dets and `log_q` add, the density is the weakest of the parts', `parts` are lifted to the tuple of params (the later one wins where
    names clash), `nfe` adds, `stages` are joined where their shapes agree. Raises ValueError without a transform.

    >>> import jax, jaxgen
    >>> f = jaxgen.transforms.affine(2.0, 3.0)
    >>> g = chain(f, f)
    >>> float(g.forward(g.init(jax.random.key(0), jax.numpy.zeros(())), jax.numpy.ones(())))
    17.0
    """
    if not transforms:
        raise ValueError("chain() needs at least one transform.")

    def init(key: jax.Array, z: Any, cond: Any = None) -> Any:
        params: list[Any] = []
        for f, k in zip(transforms, jax.random.split(key, len(transforms)), strict=True):
            params.append(f.init(k, z, cond))
            z = zeros_like_shape(jax.eval_shape(f.forward, params[-1], z, cond))
        return tuple(params)

    return Transform(
        init,
        *_composed(transforms),
        max(f.density for f in transforms),
        _chained_parts(transforms),
        _composed([over_batch(f) for f in transforms]) if any(f.batched for f in transforms) else None,
        " ".join(f.note for f in transforms if f.note),
        refined_through(lambda *parts: chain(*parts), *transforms),
    )


def _composed(parts: Sequence[Transform | Batched]) -> Batched:
    """The forms of a chain from those of its parts, over one event or over a batch as the parts are."""
    inverses, forwards = [f.inverse for f in parts], [f.forward_and_log_det for f in parts]

    def forward(params: Any, z: Any, cond: Any = None) -> Any:
        for f, p in zip(parts, params, strict=True):
            z = f.forward(p, z, cond)
        return z

    def inverse(params: Any, x: Any, cond: Any = None, key: Any = None) -> Preimage:
        z, log_det, log_q = x, 0.0, 0.0
        for i, (f, p) in reversed(list(enumerate(zip(inverses, params, strict=True)))):
            assert f is not None
            pre = f(p, z, cond, fold_in(key, i))
            z, log_det, log_q = pre.z, log_det + pre.log_det, log_q + pre.log_q
        return Preimage(z, log_det, log_q)

    def forward_and_log_det(params: Any, z: Any, cond: Any = None) -> tuple[Any, Any]:
        total = 0.0
        for f, p in zip(forwards, params, strict=True):
            assert f is not None
            z, log_det = f(p, z, cond)
            total = total + log_det
        return z, total

    return Batched(forward, inverse if all(inverses) else None, forward_and_log_det if all(forwards) else None)


def invert(f: Transform) -> Transform:
    """The inverse of a bijection as a transform of its own, sharing its params: `invert(f).forward(params, x) = f.inverse(params, x).z`.

    `init` takes an example of `f`'s noise, as `f.init` does, so events must keep their shape. Raises ValueError unless `f` is EXACT, has an
    inverse and `forward_and_log_det`.
    """
    inverse, with_log_det = f.inverse, f.forward_and_log_det
    if f.density is not Density.EXACT or inverse is None or with_log_det is None:
        raise ValueError(f"invert() needs an EXACT transform with inverse and forward_and_log_det; got density {f.density}.")

    def forward_and_log_det(params: Any, z: Any, cond: Any = None) -> tuple[Any, jax.Array]:
        pre = inverse(params, z, cond)
        return pre.z, pre.log_det

    return Transform(
        f.init,
        lambda params, z, cond=None: inverse(params, z, cond).z,
        lambda params, x, cond=None, key=None: Preimage(*with_log_det(params, x, cond)),
        forward_and_log_det,
        Density.EXACT,
        {name: f.parts[name] for name in ("nfe",) if name in f.parts},
        note=f.note,
        refine=refined_through(invert, f),
    )


def on(leaf: str, f: Transform) -> Transform:
    """`f` applied to one leaf of a noise that is a dict; the other leaves pass through. `on("latent", f)` is a learnable base."""
    inverse, with_log_det = f.inverse, f.forward_and_log_det

    def on_inverse(params: Any, x: Any, cond: Any = None, key: Any = None) -> Preimage:
        assert inverse is not None
        pre = inverse(params, x[leaf], cond, key)
        return pre._replace(z={**x, leaf: pre.z})

    def on_log_det(params: Any, z: Any, cond: Any = None) -> tuple[Any, jax.Array]:
        assert with_log_det is not None
        y, log_det = with_log_det(params, z[leaf], cond)
        return {**z, leaf: y}, log_det

    return Transform(
        lambda key, z, cond=None: f.init(key, z[leaf], cond),
        lambda params, z, cond=None: {**z, leaf: f.forward(params, z[leaf], cond)},
        on_inverse if inverse is not None else None,
        on_log_det if with_log_det is not None else None,
        f.density,
        {"nfe": lambda params, z, cond=None: nfe(f)(params, z[leaf], cond)},
        note=f.note,
        refine=refined_through(lambda g: on(leaf, g), f),
    )


def stages(f: Transform) -> Callable[..., jax.Array]:
    """`(params, z, cond=None) -> (S, *event)`: the states on the way to the output, which is the last; one stage where `f` names none."""
    return f.parts.get("stages", lambda params, z, cond=None: jax.tree.map(lambda a: a[None], f.forward(params, z, cond)))


def nfe(f: Transform) -> Callable[..., Any]:
    """`(params, z, cond=None) -> scalar`: network evaluations one sample costs; 0 for a transform without a network."""
    return f.parts.get("nfe", lambda params, z, cond=None: 0)


def refined_through(rebuild: Callable[..., Transform], *transforms: Transform) -> "Callable[..., Transform] | None":
    """The `refine` of `rebuild(*transforms)`: the same combination of the refined parts; None where no part has anything to tighten."""
    if all(f.refine is None for f in transforms):
        return None
    return lambda level, exact=False: rebuild(*(f if f.refine is None else f.refine(level, exact) for f in transforms))


def data_init(f: Transform) -> Callable[..., tuple[Any, Any]]:
    """`(params, x, cond=None, keys=None) -> (params, z)` over a batch: what `f` sets from data; params as they are where it sets nothing.

    Raises ValueError for a transform without an inverse, through which data cannot pass to the ones before it.
    """
    if "data_init" in f.parts:
        return f.parts["data_init"]
    inverse = over_batch(f).inverse
    if inverse is None:
        raise ValueError("data_init: accepted: transforms with an inverse; this one has none.")
    return lambda params, x, cond=None, keys=None: (params, inverse(params, x, cond, keys).z)


def fold_in(key: jax.Array | None, data: int) -> jax.Array | None:
    """`jax.random.fold_in` that lets an absent key stay absent; a batch of keys is folded one by one."""
    if key is None:
        return None
    return jax.random.fold_in(key, data) if key.ndim == 0 else jax.vmap(lambda k: jax.random.fold_in(k, data))(key)


def zeros_like_shape(shapes: Any) -> Any:
    """Zeros for a pytree of `jax.ShapeDtypeStruct`: an example event from `jax.eval_shape`."""
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)


def _chained_parts(transforms: Sequence[Transform]) -> Mapping[str, Part]:
    def lift(part: Part, i: int) -> Part:
        return lambda params, *args, **kwargs: part(params[i], *args, **kwargs)

    def chained_stages(params: Any, z: Any, cond: Any = None) -> jax.Array:
        found: list[Any] = []
        for f, p in zip(transforms, params, strict=True):
            found.append(stages(f)(p, z, cond))
            z = f.forward(p, z, cond)
        return jnp.concatenate([s for s in found if isinstance(s, jax.Array) and s.shape[1:] == found[-1].shape[1:]])

    def chained_nfe(params: Any, z: Any, cond: Any = None) -> Any:
        total: Any = 0
        for f, p in zip(transforms, params, strict=True):
            total = total + nfe(f)(p, z, cond)
            z = f.forward(p, z, cond)
        return total

    def chained_data_init(params: Any, x: Any, cond: Any = None, keys: Any = None) -> tuple[Any, Any]:
        found: list[Any] = []
        for i, (f, p) in reversed(list(enumerate(zip(transforms, params, strict=True)))):
            p, x = data_init(f)(p, x, cond, fold_in(keys, i))
            found.insert(0, p)
        return tuple(found), x

    lifted = {name: lift(part, i) for i, f in enumerate(transforms) for name, part in f.parts.items()}
    joined = {"stages": chained_stages, "data_init": chained_data_init}
    return MappingProxyType({**lifted, "nfe": chained_nfe} | {name: part for name, part in joined.items() if name in lifted})
