"""Linear maps and their kin against dense linear algebra, at parameters where invertibility is at stake, and at their limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets
from jaxgen import transforms as T
from jaxgen.nets import mlp

MAKE = {
    "low_rank": lambda: T.low_rank(2),
    "lu": T.lu,
    "orthogonal": T.orthogonal,
    "planar": T.planar,
    "radial": T.radial,
    "sylvester": lambda: T.sylvester(3),
}


def filled(transform, d, rng, scale, dtype=jnp.float64):
    shapes = jax.eval_shape(lambda: transform.init(jax.random.key(0), jnp.zeros(d, dtype)))
    return jax.tree.map(lambda s: jnp.asarray(scale * rng.standard_normal(s.shape), dtype), shapes)


def theta(**arrays):
    return {"theta": {name: jnp.asarray(a) for name, a in arrays.items()}}


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("d", [1, 5])
def test_determinants_at_parameters_ten_times_the_default(name, d, x64):
    """Draws at which triangular factors are far from orthogonal and most planar directions must be corrected."""
    transform = MAKE[name]()
    with x64():
        rng = np.random.default_rng(d)

        def run(params, z):
            x, log_det = transform.forward_and_log_det(params, z)
            return x, log_det, jax.jacfwd(lambda z: transform.forward(params, z))(z), transform.inverse(params, x)

        draws = [filled(transform, d, rng, 4.0) for _ in range(8)]
        params = jax.tree.map(lambda *a: jnp.stack(a), *draws)
        z = jnp.asarray(0.3 * rng.standard_normal((8, d)))
        x, log_det, jacobian, pre = jax.tree.map(np.asarray, jax.jit(jax.vmap(run))(params, z))
    condition = np.linalg.cond(jacobian)
    assert np.abs(log_det).max() > 0.1 or name == "orthogonal"
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobian)[1], rtol=1e-9, atol=1e-15 * condition.max() + 1e-12)
    size = np.abs(x).max(1) + np.abs(z).max(1)
    assert np.all(np.abs(pre.z - z).max(1) < 1e-13 * condition * size)
    assert np.all(np.abs(pre.log_det + log_det) < 1e-13 * condition * size)


def test_lu_is_the_product_of_its_factors_and_grows_when_it_expands(x64):
    """The sign of the forward log-det is what a peer had wrong (normalizing-flows 27)."""
    with x64():
        rng = np.random.default_rng(0)
        params = filled(T.lu(), 4, rng, 0.7)
        lower, upper, log_diagonal, shift = (np.asarray(params["theta"][k]) for k in ("lower", "upper", "log_diagonal", "shift"))
        triangular = (np.tril(lower, -1) + np.eye(4)) @ (np.triu(upper, 1) + np.diag(np.exp(log_diagonal)))
        z = rng.standard_normal(4)
        for seed in range(3):
            rows = (T.lu(seed=seed).forward(params, jnp.asarray(z)) - shift) - np.asarray(triangular @ z)[:, None]
            assert np.all(np.abs(rows).min(0) < 1e-12) and np.all(np.abs(rows).min(1) < 1e-12)
        assert len({tuple(np.asarray(T.lu(seed=s).forward(params, jnp.asarray(z)))) for s in range(5)}) > 1
        wide = theta(lower=np.zeros((4, 4)), upper=np.zeros((4, 4)), log_diagonal=np.full(4, 0.5), shift=np.zeros(4))
        assert T.lu().forward_and_log_det(wide, jnp.asarray(z))[1] == 2.0
        assert T.lu().inverse(wide, jnp.asarray(z)).log_det == -2.0
        assert np.linalg.norm(T.lu().forward(wide, jnp.asarray(z))) > np.linalg.norm(z)


def test_reflections_are_orthogonal_whatever_the_length_of_their_vectors():
    """Lengths whose squares over- and underflow in float32, and a vector of zeros, which reflects nothing."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((4, 4)) * np.array([1e-25, 1e25, 1.0, 0.0])[:, None]
    params = theta(vectors=jnp.asarray(vectors, jnp.float32))

    def matrix(params):
        return jax.vmap(lambda e: T.orthogonal(4).forward(params, e), out_axes=1)(jnp.eye(4))

    expected = np.eye(4)
    for v in vectors[:3]:
        expected = expected @ (np.eye(4) - 2 * np.outer(v, v) / (v @ v))
    np.testing.assert_allclose(matrix(params), expected, atol=1e-6)
    scaled = theta(vectors=jnp.asarray(rng.standard_normal((4, 4)) * [[1.0], [1.0], [1.0], [0.0]], jnp.float32))
    gradient = jax.grad(lambda p: jnp.sum(jnp.sin(matrix(p))))(scaled)["theta"]["vectors"]
    assert np.isfinite(gradient).all() and np.abs(gradient[:3]).min() > 0
    np.testing.assert_allclose(jnp.sum(gradient * scaled["theta"]["vectors"], 1), 0, atol=1e-5)


def test_low_rank_is_woodburys_inverse_and_singular_where_it_must_be(x64):
    with x64():
        rng = np.random.default_rng(1)
        params = filled(T.low_rank(2), 6, rng, 1.0)
        u, v, shift = (np.asarray(params["theta"][k]) for k in ("u", "v", "shift"))
        dense, x = np.eye(6) + u @ v.T, rng.standard_normal(6)
        pre = T.low_rank(2).inverse(params, jnp.asarray(x))
        np.testing.assert_allclose(pre.z, np.linalg.solve(dense, x - shift), rtol=1e-10)
        np.testing.assert_allclose(pre.log_det, -np.linalg.slogdet(dense)[1], rtol=1e-12)
        flat = theta(u=[[-1.0], [0.0]], v=[[1.0], [0.0]], shift=[0.0, 0.0])
        assert T.low_rank(1).forward_and_log_det(flat, jnp.ones(2))[1] == -np.inf


def test_a_hostile_planar_direction_is_still_increasing_in_float32():
    """Without its constraint w.u = -100 folds the space; a constraint that rounds to -1 has a log-det of -inf at the bend."""
    w = jnp.asarray([3.0, -4.0])
    params = theta(u=-4 * w, w=w, b=0.0)
    z = jnp.linspace(-1.0, 1.0, 201)[:, None] * w[None] / 25
    x, log_det = jax.jit(jax.vmap(lambda z: T.planar().forward_and_log_det(params, z)))(z)
    assert np.all(np.diff(x @ w) > 0)
    assert np.isfinite(log_det).all() and np.exp(log_det.min()) > 5e-4
    back = jax.jit(jax.vmap(lambda x: T.planar().inverse(params, x).z))(x)
    np.testing.assert_allclose(back, z, atol=1e-3)


def test_a_planar_transform_without_a_normal_is_a_shift_and_near_it_almost_one():
    u, z = jnp.asarray([-2.0, 1.0]), jnp.asarray([0.3, 0.4])
    for size in (0.0, 1e-30, 1e-15, 1e-5):
        params = theta(u=u, w=jnp.asarray([size, 2 * size]), b=0.7)
        value, gradient = jax.value_and_grad(lambda p: jnp.sum(T.planar().forward(p, z)))(params)
        np.testing.assert_allclose(value, np.sum(z + u * np.tanh(0.7)), rtol=1e-4)
        assert all(np.isfinite(a).all() for a in jax.tree.leaves(gradient))


def test_a_radial_transform_at_its_centre_and_at_the_identity(x64):
    with x64():
        centre, width, strength = np.array([0.4, -1.0, 2.0]), 0.3, -1.7
        params = theta(centre=centre, width=width, strength=strength)
        ratio = 0.999 * np.expm1(strength / 0.999)
        forward, inverse = jax.jit(T.radial().forward_and_log_det), jax.jit(T.radial().inverse)
        x, log_det = forward(params, centre)
        np.testing.assert_allclose(x, centre, rtol=1e-14)
        np.testing.assert_allclose(log_det, 3 * np.log1p(ratio), rtol=1e-12)
        pre = inverse(params, centre)
        np.testing.assert_allclose(pre.log_det, -3 * np.log1p(ratio), rtol=1e-12)
        gradient = jax.jit(jax.jacfwd(lambda x: T.radial().inverse(params, x).log_det))(centre)
        assert np.isfinite(gradient).all()
        same = theta(centre=centre, width=width, strength=0.0)
        x, log_det = forward(same, np.ones(3))
        assert np.array_equal(x, np.ones(3)) and log_det == 0


def test_a_sylvester_transform_of_one_bend_is_a_planar_one(x64):
    with x64():
        vectors, a, b, shift = np.array([[0.3, -1.2, 0.5]]), 0.8, -0.6, 0.2
        q = np.array([1.0, 0, 0]) - 2 * vectors[0] * vectors[0, 0] / np.sum(vectors**2)
        slopes = np.sqrt(0.999) * np.tanh([a, b])
        z = jnp.asarray([0.4, -0.2, 1.1])
        ours = T.sylvester(1).forward_and_log_det(theta(vectors=vectors, a=[[a]], b_matrix=[[b]], b=[shift]), z)
        bent = np.tanh(slopes[1] * (q @ z) + shift)
        np.testing.assert_allclose(ours[0], z + slopes[0] * bent * q, rtol=1e-12)
        np.testing.assert_allclose(ours[1], np.log1p(slopes.prod() * (1 - bent**2)), rtol=1e-12)


def test_an_unconditional_transform_ignores_a_condition_and_a_net_needs_one(key):
    z, cond = jnp.asarray([0.4, -0.2]), jnp.asarray([1.0, 2.0, 3.0])
    for make in (T.low_rank, T.lu, T.orthogonal, T.planar, T.radial, T.sylvester):
        plain, moved = make(), make(net=small)
        with_cond, without = (jax.eval_shape(f.init, key, z, *c) for f, c in ((plain, (cond,)), (moved, ())))
        assert jax.tree.structure(with_cond) == jax.tree.structure(without)
    params = moved.init(key, z, cond)
    np.testing.assert_array_equal(moved.forward(params, z), plain.forward(params, z, cond))
    assert not np.allclose(moved.forward(params, z, cond), moved.forward(params, z, -cond))


@pytest.mark.parametrize("name", MAKE)
def test_every_head_is_moved_by_its_slice_of_the_network_and_no_other(name, key):
    """The network's output is its only bias, 1, 2, 3, ...: each head is moved by consecutive numbers that no other head has."""
    heads = {"low_rank": "shift u", "lu": "shift log_diagonal", "orthogonal": "vectors", "planar": "u w b"}
    heads |= {"radial": "centre width strength", "sylvester": "vectors a b_matrix b"}
    counting = nets.Net(lambda key, *inputs: (), lambda params, cond: jnp.arange(1.0, sizes[-1] + 1))
    sizes = []
    make = {"low_rank": lambda net: T.low_rank(2, net=net), "sylvester": lambda net: T.sylvester(3, net=net)}
    conditional = make.get(name, lambda net: getattr(T, name)(net=net))(lambda num_outputs: sizes.append(num_outputs) or counting)
    z, cond = jnp.asarray([0.4, -0.2, 1.1]), jnp.ones(2)
    params = jax.jit(conditional.init)(key, z, cond)
    moved, start = {}, 1.0
    for head in heads[name].split():
        old = params["theta"][head]
        moved[head] = np.asarray(old) + start + np.arange(old.size, dtype=old.dtype).reshape(old.shape)
        start += old.size
    assert sizes[-1] == start - 1
    x, log_det = jax.jit(MAKE[name]().forward_and_log_det)({"theta": {**params["theta"], **moved}}, z)
    forward, (_, of_conditional) = jax.jit(lambda *a: (conditional.forward(*a), conditional.forward_and_log_det(*a)))(params, z, cond)
    np.testing.assert_allclose(forward, x, rtol=1e-5)
    np.testing.assert_allclose(of_conditional, log_det, rtol=1e-5)


def small(out):
    return mlp(out, width=8, depth=1)


@pytest.mark.parametrize("make", [T.low_rank, T.orthogonal, T.sylvester])
@pytest.mark.parametrize("number", [0, 1.5])
def test_a_count_below_one_is_named(make, number):
    with pytest.raises(ValueError, match=f"={number}; accepted: an integer of at least 1"):
        make(number)
