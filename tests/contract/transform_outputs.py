"""What the laws over transforms read: values and derivatives of one case, compiled once in float64 and once in float32."""

import functools
import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from transform_cases import CASES, shifted

from jaxgen.model import Model
from jaxgen.transform import Density, over_batch, stages

N = 10
# The tests' budget is compile time, not run time.
FAST_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


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


def seed(name):
    return jax.random.key(zlib.crc32(name.encode()))


def noise_rows(key, model, edge):
    """Draws of the base and, for Gaussian and logistic noise, rows on and outside the edges of the interval."""
    z = jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, N))
    if not isinstance(z, dict) and model.base.log_prob(jnp.full_like(z[0], 2.0)) > -jnp.inf:
        z = z.at[0].set(edge).at[1].set(-edge).at[2].set(1.5 * edge).at[3].set(-4 * edge).at[4].set(0.0)
    return z


def data_rows(key, like, edge):
    x = 1.3 * jax.random.normal(key, like.shape)
    return x.at[0].set(edge).at[1].set(-edge).at[2].set(1.5 * edge).at[3].set(-4 * edge).at[4].set(0.0).at[5].set(edge / 2)


def inputs(name, dtype, cond_dim=2):
    """Shifted params and `N` rows of noise, data, conditions and keys."""
    case, key = CASES[name], seed(name)
    model = case.make()
    cond = None if cond_dim is None else jax.random.normal(jax.random.fold_in(key, 0), (N, cond_dim))
    first = None if cond is None else cond[0]
    z = noise_rows(jax.random.fold_in(key, 1), model, case.edge)
    params = shifted(key, model.transform.init(key, jax.tree.map(lambda a: a[0], z), first), dtype)
    like = jax.eval_shape(lambda z, c: over_batch(model.transform).forward(params, z, c), z, cond)
    x = jax.tree.map(lambda a: data_rows(jax.random.fold_in(key, 2), a, case.edge), like)
    z, x, cond = jax.tree.map(lambda a: a.astype(dtype), (z, x, cond))
    return model, params, z, x, cond, jax.random.split(jax.random.fold_in(key, 3), N)


def forward_side(case, transform, params, z, cond):
    flat, unravel = ravel_pytree(z)
    whole = case.whole or transform.forward

    def image(v):
        y = ravel(whole(params, unravel(v), cond))
        return y, y

    jacobian, y = jax.jacfwd(image, has_aux=True)(flat)
    x, pull = jax.vjp(lambda v: transform.forward(params, unravel(v), cond), flat)
    out = {"x": x, "whole": y, "jacobian": jacobian, "pullback": pull(jax.tree.map(jnp.cos, x))[0]}
    out["last_stage"] = stages(transform)(params, z, cond)[-1] if not isinstance(x, dict) else x
    if transform.forward_and_log_det is not None:
        out["x_too"], out["log_det"] = transform.forward_and_log_det(params, z, cond)
    return out


def inverse_side(transform, params, x, cond, key):
    flat, unravel = ravel_pytree(x)

    def preimage(v):
        pre = transform.inverse(params, unravel(v), cond, key)
        log_q = jnp.asarray(pre.log_q, flat.dtype)
        return jnp.concatenate([ravel(pre.z), jnp.stack([pre.log_det, log_q])]), pre._replace(log_q=log_q)

    jacobian, pre = jax.jacfwd(preimage, has_aux=True)(flat)
    y, pull = jax.vjp(lambda v: preimage(v)[0], flat)
    return {"pre": pre, "inverse_jacobian": jacobian, "inverse_pullback": pull(jnp.cos(y))[0], "inverse_flat": y}


def evaluate(case, transform, params, z, x, cond, keys):
    def one(z, x, cond, key):
        out = forward_side(case, transform, params, z, cond)
        return out | inverse_side(transform, params, x, cond, key) if transform.inverse is not None else out

    out = jax.vmap(one)(z, x, cond, keys)
    if transform.batched is not None:
        out["batched_x"] = transform.batched.forward(params, z, cond)
        out["batched_pre"] = transform.batched.inverse(params, x, cond, keys)
        if transform.batched.forward_and_log_det is not None:
            out["batched_with_log_det"] = transform.batched.forward_and_log_det(params, z, cond)
    return out


@functools.cache
def outputs(name) -> Outputs:
    """The float64 values of a case, with a condition."""
    case = CASES[name]
    with jax.enable_x64(True):
        model, params, z, x, cond, keys = inputs(name, jnp.float64)

        def run(params, z, x, cond, keys):
            return evaluate(case, model.transform, params, z, x, cond, keys)

        compiled = jax.jit(run).lower(params, z, x, cond, keys).compile(compiler_options=FAST_COMPILE)
        at = compiled(params, z, x, cond, keys)
        back = compiled(params, at["pre"].z if "pre" in at else z, at["x"], cond, keys)
        at, back = jax.tree.map(np.asarray, (at, back))
    return Outputs(model, params, z, x, cond, keys, at, back)


@functools.cache
def far_gradients(name) -> dict[str, Any]:
    """Float32 values and gradients with rows at 10 and 1,000 times the interval (at both ends of a uniform's)."""
    model, params, z, x, cond, keys = inputs(name, jnp.float32)
    transform, edge = model.transform, CASES[name].edge
    x = jax.tree.map(lambda a: a.at[6].set(10 * edge).at[7].set(-10 * edge).at[8].set(1000 * edge).at[9].set(-1000 * edge), x)
    if name.endswith("binned"):
        z = z.at[6].set(0.0).at[7].set(jnp.finfo(z.dtype).tiny).at[8].set(1 - jnp.finfo(z.dtype).epsneg).at[9].set(1e-9)
    elif not isinstance(z, dict):
        z = z.at[6].set(10 * edge).at[7].set(-10 * edge).at[8].set(1000 * edge).at[9].set(-1000 * edge)

    def total(params, z, x, cond):
        image = over_batch(transform).forward(params, z, cond)
        value = sum(jnp.sum(jnp.tanh(leaf / edge)) for leaf in jax.tree.leaves(image))
        if transform.density is Density.IMPLICIT:
            return value, (image, jnp.zeros(N))
        pre = over_batch(transform).inverse(params, x, cond, keys)
        log_prob = jax.vmap(model.base.log_prob)(pre.z) + pre.log_det - pre.log_q
        return value + jnp.sum(log_prob), (image, log_prob)

    run = jax.jit(jax.value_and_grad(total, (0, 2), has_aux=True)).lower(params, z, x, cond).compile(compiler_options=FAST_COMPILE)
    (_, (image, log_prob)), (by_params, by_x) = run(params, z, x, cond)
    return {"x": image, "log_prob": log_prob, "gradient by params": by_params, "gradient by x": by_x}
