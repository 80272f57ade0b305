"""Random series for log-dets against dense determinants; fixed points against an unrolled solve."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.numerics import contraction_root, contraction_steps, roulette_log_det

RNG = np.random.default_rng(0)
MIX = RNG.standard_normal((3, 3))
MIX *= 0.8 / np.linalg.norm(MIX, 2)


def bent(matrix, x):
    return matrix @ jnp.tanh(x)


def exact(matrix, x):
    return jnp.linalg.slogdet(jnp.eye(len(x), dtype=x.dtype) + jax.jacfwd(lambda x: bent(matrix, x))(x))[1]


def within(draws, truth, num=4.0):
    """`num` standard errors of the mean of `draws` `(n, ...)`."""
    stderr = draws.std(0) / np.sqrt(len(draws))
    return np.all(np.abs(draws.mean(0) - truth) < num * stderr + 1e-12)


def test_a_truncated_series_weighted_by_its_survival_has_the_mean_of_the_whole(x64):
    """At -0.8 I every term has the same sign, and the terms after the first two are 45 % of the sum: the weights must be right."""
    with x64():
        keys = jax.random.split(jax.random.key(0), 20_000)

        def draw(key):
            return roulette_log_det(lambda a, x: a * x, jnp.asarray(-0.8), jnp.zeros(2), key, 2, 0.75)[1]

        draws = np.asarray(jax.jit(jax.vmap(draw))(keys))
    assert within(draws, 2 * np.log(0.2))
    assert not within(np.minimum(draws, -2 * (0.8 + 0.32)), -2 * (0.8 + 0.32))


def test_estimates_and_their_gradients_are_unbiased_in_both_modes(x64):
    with x64():
        matrix, x = jnp.asarray(MIX), jnp.asarray([0.3, -0.5, 0.8])
        keys = jax.random.split(jax.random.key(1), 6_000)

        def estimate(matrix, x, key):
            return roulette_log_det(bent, matrix, x, key, 3, 0.8)[1]

        def draw(key):
            value, gradient = jax.value_and_grad(estimate, (0, 1))(matrix, x, key)
            _, along = jax.jvp(lambda m: estimate(m, x, key), (matrix,), (matrix,))
            return value, *gradient, along

        value, by_matrix, by_x, along = (np.asarray(a) for a in jax.jit(jax.vmap(draw))(keys))
        assert within(value, exact(matrix, x)) and value.std() > 0.05
        assert within(by_matrix, jax.grad(exact)(matrix, x)) and within(by_x, jax.grad(exact, 1)(matrix, x))
        np.testing.assert_allclose(along, np.sum(by_matrix * MIX, (1, 2)), rtol=1e-10, atol=1e-12)


def test_the_value_of_the_map_comes_with_the_estimate():
    x = jnp.asarray([0.3, -0.5, 0.8])
    y, _ = roulette_log_det(bent, jnp.asarray(MIX, jnp.float32), x, jax.random.key(0), 1, 0.5)
    np.testing.assert_allclose(y, MIX @ np.tanh(x), rtol=1e-5)


def test_implicit_derivatives_are_those_of_a_tight_unrolled_solve(x64):
    with x64():
        matrix, target = jnp.asarray(MIX), jnp.asarray([0.3, -2.0, 0.8])

        def implicit(matrix, target):
            return contraction_root(lambda x: bent(matrix, x), target, 0.8)

        def unrolled(matrix, target):
            return jax.lax.scan(lambda x, _: (target - bent(matrix, x), None), target, length=200)[0]

        np.testing.assert_allclose(implicit(matrix, target), unrolled(matrix, target), rtol=1e-14)
        for mode in (jax.jacfwd, jax.jacrev):
            for ours, theirs in zip(
                jax.jit(mode(implicit, (0, 1)))(matrix, target), jax.jit(jax.jacrev(unrolled, (0, 1)))(matrix, target), strict=True
            ):
                np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)
        ours, theirs = (jax.jit(jax.jacfwd(jax.jacrev(f, 1), 1))(matrix, target) for f in (implicit, unrolled))
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_solve_ends_at_the_precision_of_its_dtype():
    x = jnp.asarray([1e-20, -3.0, 4e5])
    matrix = jnp.asarray(MIX, jnp.float32)
    solved = contraction_root(lambda x: bent(matrix, x), x, 0.8)
    np.testing.assert_allclose(solved + bent(matrix, solved), x, rtol=1e-6, atol=1e-6)
    assert 0 < contraction_steps(lambda x: bent(matrix, x), x, 0.8) < 80
    slow = contraction_steps(lambda x: -0.8 * x, jnp.ones(2), 0.8)
    assert 40 < slow < 90
