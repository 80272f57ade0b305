"""What the laws over transforms read: values and derivatives of one case, compiled once in float64 and once in float32."""

import functools
import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params
from jax.flatten_util import ravel_pytree
from transform_cases import CASES

from jaxgen.lifting import over_batch, stages
from jaxgen.model import Model
from jaxgen.transform import Density

N = 10
READINGS = ("probabilities", "ratios", "rates")
"""The parts of a sampler of discrete data."""


class Outputs(NamedTuple):
    """Arrays of numpy in float64; `at` holds `evaluate` at noise `z` and data `x`, `back` at the preimages of `x` and the images of `z`."""

    model: Model
    params: Any
    z: Any
    x: Any
    cond: Any
    keys: Any
    at: dict[str, Any]
    back: dict[str, Any]


def ravel(tree):
    return ravel_pytree(tree)[0]


def filled(rng, shapes, dtype, scale):
    """Arrays for a pytree of shapes by numpy, which compiles nothing: params far from their initial values, where a wrong sign can hide."""
    return jax.tree.map(lambda s: (scale * rng.standard_normal(s.shape)).astype(dtype), shapes)


@functools.cache
def inputs(name, dtype, cond_dim=2):
    """Params, and `N` rows of noise, data, conditions and keys, some of them on and outside the edges of the interval."""
    case = CASES[name]
    model, rng = case.make(), np.random.default_rng(zlib.crc32(name.encode()))
    one = jax.eval_shape(lambda: model.base.sample(seed=jax.random.key(0)))
    cond = None if cond_dim is None else rng.standard_normal((N, cond_dim)).astype(dtype)
    first = None if cond is None else jax.ShapeDtypeStruct((cond_dim,), dtype)
    shapes = jax.eval_shape(lambda z, c: model.transform.init(jax.random.key(0), z, c), one, first)
    params = filled(rng, shapes, dtype, 0.4)
    event = jax.eval_shape(model.transform.forward, params, one, first)
    rows = jax.tree.map(lambda s: jax.ShapeDtypeStruct((N, *s.shape), dtype), (one, event))
    z, x = filled(rng, rows, dtype, 1.3)
    if name.endswith("binned"):
        z = rng.uniform(size=z.shape).astype(dtype)
    elif not isinstance(z, dict):
        z = at_edges(z, case.edge)
    x = jax.tree.map(lambda a: at_edges(a, case.edge), x)
    if name.endswith("binned"):
        # Next to the edges: on one, where this density steps, a rounding decides which of two bins the point is in.
        x = x + np.asarray(1e-9, dtype)
    z = z if case.noise is None else np.asarray(case.noise(rng, N), dtype)
    x = x if case.data is None else np.asarray(case.data(rng, N), dtype)
    # In numpy up to here, as each operation of JAX outside a program is compiled as a program of its own.
    params, z, x, cond = jax.tree.map(jnp.asarray, (params, z, x, cond))
    return model, params, z, x, cond, jax.random.split(jax.random.key(0), N)


def at_edges(a, edge):
    rows = np.array([edge, -edge, 1.5 * edge, -4 * edge, 0.0, edge / 2], a.dtype).reshape(-1, *(1,) * (a.ndim - 1))
    return np.concatenate([np.broadcast_to(rows, (6, *a.shape[1:])), a[6:]])


def inputs_for_parts(name):
    """A case's transform and params, arguments `(positional, named)` for each of its parts, and a condition; float32, one event.

    A part under a new name wants a line here, or the laws over parts would not know it.
    """
    model, params, z, x, cond, keys = inputs(name, jnp.float32)
    z, x, cond, key = jax.tree.map(lambda a: a[-1], (z, x, cond, keys))
    latent, t, s = z.get("latent", z.get("codes")) if isinstance(z, dict) else z, jnp.float32(0.3), jnp.float32(0.8)
    of_state = dict.fromkeys(("velocity", "score", "eps", "denoiser", "v", "drift", "backward_drift", *READINGS), ((x, t), {}))
    of_pair = dict.fromkeys(("mean_velocity", "jump"), ((x, t, s), {}))
    of_data = dict.fromkeys(("encode", "codes", "quantisation_error", "preimages", "num_preimages", "inside"), ((x,), {}))
    other = {"decode": ((latent,), {}), "distortion_and_rate": ((x,), {"key": key}), "times": ((), {})}
    other |= {"at_index": ((z, jnp.asarray(1)), {}), "index_weights": ((), {})}
    other |= {"mixed": ((x, t), {})}
    known = {**of_state, **of_pair, **of_data, **other}
    return model.transform, params, {part: known[part] for part in model.transform.parts}, cond


def forward_side(case, transform, params, z, cond):
    flat, unravel = ravel_pytree(z)

    def image(v):
        x = transform.forward(params, unravel(v), cond)
        return ravel(x if case.whole is None else case.whole(params, unravel(v), cond)), x

    out = {}
    if case.adaptive:
        out["jacobian"], out["x"] = jax.jacfwd(image, has_aux=True)(flat)
    else:
        (whole, out["x"]), out["jacobian"], pull = both_modes(image, flat)
        out["jacobian"] = out["jacobian"][0]
        out["pullback"] = pull((jnp.zeros_like(whole), jax.tree.map(jnp.cos, out["x"])))[0]
    out["last_stage"] = stages(transform)(params, z, cond)[-1] if not isinstance(out["x"], dict) else out["x"]
    if transform.forward_and_log_det is not None:
        out["x_too"], out["log_det"] = transform.forward_and_log_det(params, z, cond)
    return out


def inverse_side(case, transform, params, x, cond, key):
    flat, unravel = ravel_pytree(x)

    def preimage(v):
        pre = transform.inverse(params, unravel(v), cond, key)
        pre = pre._replace(log_q=jnp.asarray(pre.log_q, flat.dtype))
        return jnp.concatenate([ravel(pre.z), jnp.stack([pre.log_det, pre.log_q])]), pre

    out = {}
    if case.adaptive:
        out["inverse_jacobian"], out["pre"] = jax.jacfwd(preimage, has_aux=True)(flat)
    else:
        (out["inverse_flat"], out["pre"]), (out["inverse_jacobian"], _), pull = both_modes(preimage, flat)
        out["inverse_pullback"] = pull((jnp.cos(out["inverse_flat"]), jax.tree.map(jnp.zeros_like, out["pre"])))[0]
    return out


def both_modes(f, v):
    """Value, Jacobian by forward mode and the reverse mode's pullback of `f`, traced once: the pullback transposes what is pushed forward."""
    value, push = jax.linearize(f, v)
    jacobian = jax.vmap(push, out_axes=-1)(jnp.eye(v.size, dtype=v.dtype))
    return value, jacobian, jax.linear_transpose(push, v)


def far_out(a, edge):
    rows = edge * np.array([10.0, -10.0, 1000.0, -1000.0], a.dtype).reshape(-1, *(1,) * (a.ndim - 1))
    return jnp.asarray(np.concatenate([a[:6], np.broadcast_to(rows, (4, *a.shape[1:]))]))


def evaluate(case, transform, params, z, x, cond, keys):
    def one(z, x, cond, key):
        out = forward_side(case, transform, params, z, cond)
        return out | inverse_side(case, transform, params, x, cond, key) if transform.inverse is not None else out

    out = jax.vmap(one)(z, x, cond, keys)
    if transform.many is not None:
        batch = over_batch(transform)
        out["batched_x"] = batch.forward(params, z, cond)
        out["batched_pre"] = batch.inverse(params, x, cond, keys)
        if batch.forward_and_log_det is not None:
            out["batched_with_log_det"] = batch.forward_and_log_det(params, z, cond)
    return out


@functools.cache
def outputs(name) -> Outputs:
    """The float64 values of a case, with a condition."""
    case = CASES[name]
    with jax.enable_x64(True):
        model, params, z, x, cond, keys = inputs(name, jnp.float64)

        @jax.jit
        def compiled(params, z, x, cond, keys):
            return evaluate(case, model.transform, params, z, x, cond, keys)

        at = compiled(params, z, x, cond, keys)
        back = compiled(params, at["pre"].z if "pre" in at else z, at["x"], cond, keys)
        z, x, at, back = jax.tree.map(np.asarray, (z, x, at, back))
    return Outputs(model, params, z, x, cond, keys, at, back)


@functools.cache
def far_gradients(name) -> dict[str, Any]:
    """Float32 values and gradients with rows at 10 and 1,000 times the interval (at both ends of a uniform's)."""
    model, params, z, x, cond, keys = inputs(name, jnp.float32)
    transform, edge = model.transform, CASES[name].edge
    if CASES[name].data is None:
        x = jax.tree.map(lambda a: far_out(a, edge), x)
    if CASES[name].noise is not None:
        pass
    elif name.endswith("binned"):
        tiny, ulp = np.finfo(z.dtype).tiny, np.finfo(z.dtype).epsneg
        z = jnp.asarray(np.concatenate([z[:6], np.broadcast_to(np.array([[0.0], [tiny], [1e-9], [1 - ulp]], z.dtype), (4, *z.shape[1:]))]))
    elif not isinstance(z, dict):
        z = far_out(z, edge)

    def total(params, z, x, cond):
        image = over_batch(transform).forward(params, z, cond)
        value = sum(jnp.sum(jnp.tanh(leaf / edge)) for leaf in jax.tree.leaves(image))
        if transform.kind is Density.IMPLICIT:
            return value, (image, jnp.zeros(N))
        pre = over_batch(transform).inverse(params, x, cond, keys)
        log_prob = jax.vmap(model.base.log_prob)(pre.z) + pre.log_det - pre.log_q
        return value + jnp.sum(log_prob), (image, log_prob)

    traced = jax.jit(jax.value_and_grad(total, (0, 2), has_aux=True)).trace(params, z, x, cond)
    solvers[name] = batched_solvers(traced.jaxpr.jaxpr)
    (_, (image, log_prob)), (by_params, by_x) = traced.lower().compile()(params, z, x, cond)
    return {"x": image, "log_prob": log_prob, "gradient by params": by_params, "gradient by x": by_x}


solvers: dict[str, set[str]] = {}
"""Of each case that `far_gradients` has traced, the solvers of LAPACK that get a matrix for each event."""


def batched_solvers(jaxpr):
    found = set()
    for eqn in jaxpr.eqns:
        if eqn.primitive.name in (
            "triangular_solve",
            "cholesky",
            "lu",
            "qr",
            "geqrf",
            "householder_product",
            "eigh",
            "eig",
            "svd",
            "schur",
        ):
            found |= {eqn.primitive.name} if eqn.invars[0].aval.ndim > 2 else set()
        for inner in jaxprs_in_params(eqn.params):
            found |= batched_solvers(getattr(inner, "jaxpr", inner))
    return found
