"""Couplings with any mask, and round trips through many layers of couplings and autoregressive transforms."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets
from jaxgen import transforms as T

SPLINE = T.rational_quadratic(4, 3.0)


def mlp(out):
    return nets.mlp(out, width=8, depth=1)


def test_marked_coordinates_pass_and_the_others_depend_on_them_only(key):
    mask = [False, True, False, True, False]
    f, z = T.coupling(SPLINE, mlp, mask), jnp.asarray([0.3, -1.0, 0.9, 0.2, -0.4])
    params = jax.jit(f.init)(key, z)
    jacobian = jax.jit(jax.jacfwd(f.forward, argnums=1))(params, z)
    moved = np.flatnonzero(~np.asarray(mask))
    np.testing.assert_array_equal(jacobian[np.asarray(mask)], np.eye(5)[np.asarray(mask)])
    among = np.asarray(jacobian)[np.ix_(moved, moved)]
    assert np.all(among[~np.eye(3, dtype=bool)] == 0) and np.all(np.diag(among) != 1)
    assert np.all(np.asarray(jacobian)[np.ix_(moved, np.flatnonzero(mask))] != 0)


def test_the_half_split_is_the_mask_of_the_first_half(key):
    z = jnp.asarray([0.3, -1.0, 0.9, 0.2, -0.4])
    plain, masked = T.coupling(SPLINE, mlp), T.coupling(SPLINE, mlp, [True, True, False, False, False])
    params = jax.jit(plain.init)(key, z)
    jax.tree.map(np.testing.assert_array_equal, params, jax.jit(masked.init)(key, z))
    np.testing.assert_array_equal(jax.jit(plain.forward)(params, z), jax.jit(masked.forward)(params, z))


def test_a_mask_may_leave_nothing_to_see(key):
    f = T.coupling(SPLINE, mlp, [False, False])
    params = jax.jit(f.init)(key, jnp.zeros(2), jnp.ones(3))
    x, log_det = jax.jit(f.forward_and_log_det)(params, jnp.asarray([0.1, 0.5]), jnp.ones(3))
    assert x.shape == (2,) and np.isfinite(log_det)


def moved(init, key, *args):
    """Params away from their start, where couplings are not the identity."""
    return jax.jit(lambda *args: jax.tree.map(lambda a: a + 0.3 * jax.random.normal(key, a.shape), init(key, *args)))(*args)


@pytest.mark.parametrize("wide", [2, 3])
def test_a_batch_equals_one_event_at_a_time_in_either_layout(wide, key, monkeypatch):
    """Two mapped coordinates, along which or across which the bijector runs; a mask and a condition too."""
    f, rng = T.coupling(SPLINE, mlp, [False, True, False]), np.random.default_rng(0)
    # Not by its dotted name, under which the package has the function.
    monkeypatch.setattr(importlib.import_module("jaxgen.transforms.coupling"), "WIDE", wide)
    x, cond = (jnp.asarray(rng.standard_normal((7, n)), jnp.float32) for n in (3, 2))
    params = moved(f.init, key, x[0], cond[0])
    for batched, one in zip(f.many, (f.forward, f.inverse, f.forward_and_log_det), strict=True):
        found = jax.jit(batched)(params, x, cond)
        singly = [jax.jit(one)(params, *row) for row in zip(x, cond, strict=True)]
        jax.tree.map(lambda a, *b: np.testing.assert_allclose(a, jnp.stack(b), rtol=1e-5, atol=1e-6), found, *singly)


@pytest.mark.parametrize("mask", [[True, True], [1, 0], [[True, False]], []])
def test_bad_masks_are_named(mask):
    with pytest.raises(ValueError, match="mask="):
        T.coupling(SPLINE, mlp, mask)


def test_a_mask_of_another_length_is_named(key):
    with pytest.raises(ValueError, match="2 bools for an event of shape"):
        T.coupling(SPLINE, mlp, [True, False]).init(key, jnp.zeros(3))


def layers(kind, scalar):
    one = T.coupling(scalar, mlp) if kind == "coupling" else T.autoregressive(scalar, nets.made(scalar.num_params, width=8, depth=1))
    return T.repeat(T.chain(one, T.flip()), 32)


@pytest.mark.parametrize("scalar", [T.scale_and_shift(), SPLINE], ids=["affine", "spline"])
@pytest.mark.parametrize("kind", ["coupling", "autoregressive"])
def test_round_trip_through_32_layers_in_float32(kind, scalar, key):
    """At a tenth of a unit in every weight, zero last layers too, so that no layer is the identity.

    A row at ten times the interval belongs to the splines only: 32 affine layers, each growing with what it sees, have no condition number
    there that float32 could carry.
    """
    f, rng = layers(kind, scalar), np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: f.init(key, jnp.zeros(4)))
    params = jax.tree.map(lambda s: jnp.asarray(0.1 * rng.standard_normal(s.shape), s.dtype), shapes)
    x = jnp.asarray(1.2 * rng.standard_normal((64, 4)), jnp.float32).at[:2].set(jnp.asarray([[30.0 if scalar is SPLINE else 2.0], [3.0]]))

    def there_and_back(x):
        pre = f.inverse(params, x)
        again, log_det = f.forward_and_log_det(params, pre.z)
        return pre.z, again, pre.log_det, log_det

    z, again, inverse, forward = jax.jit(jax.vmap(there_and_back))(x)
    assert np.abs(z - x).max() > 0.1
    np.testing.assert_allclose(again, x, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(forward, -inverse, rtol=1e-4, atol=1e-3)


def test_couplings_that_take_turns_are_layers_with_opposite_masks(key):
    """Five layers on three coordinates: halves of unequal size, and an odd layer left over."""
    f, masks = T.alternating(SPLINE, mlp, 5), ([True, False, False], [False, True, True])
    z = jnp.asarray([[0.3, -1.0, 0.9], [2.0, 0.1, -0.4]])
    params = moved(f.init, key, z[0])
    layers = [jax.tree.map(lambda a, i=i: a[i // 2], params[0][i % 2]) for i in range(4)] + [params[1]]
    x, found = z, jax.jit(f.hooks.stages)(params, z[0])
    for i, layer in enumerate(layers):
        x = jax.jit(T.coupling(SPLINE, mlp, masks[i % 2]).many.forward)(layer, x)
        np.testing.assert_allclose(found[i], x[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(f.many.forward)(params, z), x, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"event of shape \(1,\)"):
        f.init(key, z[0, :1])
