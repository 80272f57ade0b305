"""Linear algebra of a matrix for each event against NumPy, in batches, with its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.numerics.small_matrices import cholesky, log_abs_det, orthonormal, solve, solve_lower


@pytest.mark.parametrize("d", [1, 2, 7])
def test_a_batch_is_that_of_numpy(d, x64):
    g = np.random.default_rng(d)
    roots = np.tril(g.normal(size=(5, d, d))) + 2 * d * np.eye(d)
    right = g.normal(size=(5, d, 3))
    with x64():
        lower = jax.vmap(cholesky)(jnp.asarray(roots @ roots.swapaxes(1, 2)))
        np.testing.assert_allclose(lower, roots, atol=1e-10)
        found = jax.vmap(solve_lower)(jnp.asarray(roots + np.triu(np.ones((d, d)), 1)), jnp.asarray(right))
        np.testing.assert_allclose(found, np.linalg.solve(roots, right), atol=1e-12)
        np.testing.assert_allclose(jax.vmap(solve_lower)(jnp.asarray(roots), jnp.asarray(right[..., 0])), found[..., 0], atol=1e-12)


def test_gradients_are_those_of_lapack(x64):
    g = np.random.default_rng(0)
    root = np.tril(g.normal(size=(4, 4))) + 6 * np.eye(4)
    with x64():
        matrix, right = jnp.asarray(root @ root.T), jnp.asarray(g.normal(size=4))

        def of(factor, solve):
            return lambda m: jnp.sum(jnp.sin(solve(factor(m), right)))

        ours = jax.grad(of(cholesky, solve_lower))(matrix)
        theirs = jax.grad(of(jnp.linalg.cholesky, lambda a, b: jax.scipy.linalg.solve_triangular(a, b, lower=True)))(matrix)
        # Only the symmetric part of a gradient with respect to a symmetric matrix has a meaning.
        np.testing.assert_allclose(ours + ours.T, theirs + theirs.T, atol=1e-10)


def test_what_is_not_positive_definite_is_nan():
    assert np.isnan(cholesky(jnp.array([[1.0, 2.0], [2.0, 1.0]]))).any()


@pytest.mark.parametrize("d", [1, 2, 6])
def test_systems_and_determinants_are_those_of_numpy(d, x64):
    g = np.random.default_rng(d)
    matrices, right = g.normal(size=(20, d, d)), g.normal(size=(20, d, 2))
    matrices[0] = np.eye(d)[::-1]  # a zero pivot, unless rows are exchanged
    with x64():
        found = jax.vmap(solve)(jnp.asarray(matrices), jnp.asarray(right))
        np.testing.assert_allclose(np.asarray(matrices) @ found, right, atol=1e-9)
        np.testing.assert_allclose(jax.vmap(solve)(jnp.asarray(matrices), jnp.asarray(right[..., 0])), found[..., 0], atol=1e-9)
        np.testing.assert_allclose(jax.vmap(log_abs_det)(jnp.asarray(matrices)), np.linalg.slogdet(matrices)[1], atol=1e-10)
        ours, theirs = (jax.vmap(jax.grad(f))(jnp.asarray(matrices)) for f in (log_abs_det, lambda m: jnp.linalg.slogdet(m)[1]))
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)
        pull = [jax.grad(lambda m, f=f: jnp.sum(jnp.sin(f(m, right[1]))))(jnp.asarray(matrices[1])) for f in (solve, jnp.linalg.solve)]
        np.testing.assert_allclose(*pull, rtol=1e-8, atol=1e-8)


def test_the_determinant_is_differentiated_twice(x64):
    with x64():
        matrix = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3)))
        ours, theirs = (jax.hessian(f)(matrix) for f in (log_abs_det, lambda m: jnp.linalg.slogdet(m)[1]))
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


def test_a_basis_is_orthonormal_and_spans_the_rows_even_if_they_are_nearly_parallel():
    g = np.random.default_rng(0)
    rows = g.normal(size=(4, 7)).astype(np.float32)
    rows[1] = rows[0] + 1e-5 * rows[1]
    basis = np.asarray(orthonormal(jnp.asarray(rows)))
    np.testing.assert_allclose(basis @ basis.T, np.eye(4), atol=1e-5)
    np.testing.assert_allclose(rows - rows @ basis.T @ basis, 0, atol=1e-5)
    rows[2] = rows[0] - rows[3]
    np.testing.assert_allclose(np.asarray(orthonormal(jnp.asarray(rows[[0, 3, 2]])))[2], 0, atol=1e-6)


@pytest.mark.parametrize("function", [cholesky, log_abs_det, orthonormal, lambda m: solve(m, m[0]), lambda m: solve_lower(m, m)])
def test_no_dtype_or_rank_is_promoted(function, strict):
    with strict(), jax.enable_x64(True):
        assert jax.eval_shape(jax.vmap(function), jax.ShapeDtypeStruct((2, 3, 3), jnp.float32)).dtype == jnp.float32
