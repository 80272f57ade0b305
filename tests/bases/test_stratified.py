"""Stratified noise: quantiles against scipy, the law of each draw, one draw in every stratum, and means that vary less."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import bases
from jaxgen.bases.stratified import generating_vector, uniform_lattice

COV = np.array([[1.0, 0.5], [0.5, 2.0]])
QUANTILES = {
    "normal": (bases.normal((2,)), scipy.stats.norm.ppf),
    "uniform": (bases.uniform((2,), -3.0, 5.0), scipy.stats.uniform(-3, 8).ppf),
    "logistic": (bases.logistic((2,)), scipy.stats.logistic.ppf),
    "student_t": (bases.student_t((2,), 2.5), scipy.stats.t(2.5).ppf),
    "cauchy": (bases.student_t((2,), 1.0), scipy.stats.cauchy.ppf),
    "heavy": (bases.student_t((2,), 0.7), scipy.stats.t(0.7).ppf),
    "diagonal": (bases.diagonal_gaussian([1.0, -2.0], [0.5, 3.0]), scipy.stats.norm([1.0, -2.0], [0.5, 3.0]).ppf),
    "full": (bases.full_gaussian([1.0, -2.0], COV), lambda u: [1.0, -2.0] + scipy.stats.norm.ppf(u) @ np.linalg.cholesky(COV).T),
}
U = np.array([[1e-6, 0.2], [0.3, 0.5], [0.5001, 0.74], [0.76, 1 - 1e-6]])


@pytest.mark.parametrize("name", QUANTILES)
@pytest.mark.parametrize("precise", [True, False], ids=["float64", "float32"])
def test_quantiles_are_scipys(name, precise, x64):
    base, expected = QUANTILES[name]
    if precise:
        with x64():
            np.testing.assert_allclose(
                base.quantile(jnp.asarray(U)), expected(U), rtol=1e-6 if name in ("diagonal", "full") else 1e-9, atol=1e-9
            )
    else:
        found = base.quantile(jnp.asarray(U, jnp.float32))
        assert found.dtype == jnp.float32
        # The last of the numbers is known to 6e-8 of 1e-6 only.
        np.testing.assert_allclose(found, expected(U.astype(np.float32).astype(float)), rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("dim", [1, 3, 40])
def test_every_draw_is_uniform_and_every_interval_of_each_coordinate_holds_one(dim):
    """Over keys, the first and the last point are uniform in each coordinate, and their coordinates are uncorrelated."""
    n, num = 16, 3_000
    points = np.asarray(jax.jit(jax.vmap(lambda k: uniform_lattice(k, n, dim, jnp.float32)))(jax.random.split(jax.random.key(0), num)))
    assert points.min() > 0 and points.max() < 1
    for i in (0, n - 1):
        for j in (0, dim - 1):
            assert scipy.stats.kstest(points[:, i, j], "uniform").pvalue > 1e-3
        if dim > 1:
            off = np.corrcoef(points[:, i].T) - np.eye(dim)
            assert np.abs(off).max() < 5 / np.sqrt(num)
    # Within a batch all points of a coordinate have one shift of the grid of width 1 / n.
    ranks = np.floor(n * ((points - points[:, :1]) % 1) + 0.5) % n
    np.testing.assert_array_equal(np.sort(ranks, 1), np.broadcast_to(np.arange(n)[None, :, None], ranks.shape))


PLAIN = {
    "normal": (bases.normal((2,)), lambda z: z),
    "joint": (bases.joint({"a": bases.normal((1,)), "b": bases.normal((1,))}), lambda z: jnp.concatenate([z["a"], z["b"]], 1)),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_mean_is_unbiased_and_varies_far_less(name):
    """The mean of `z^2 + z z' + z'` over 64 draws, whose expectation is 1, and the same without the product."""
    plain, rows = PLAIN[name]

    def means(base, key):
        z = rows(base.sample(seed=key, sample_shape=(64,)))
        return jnp.stack([jnp.mean(z[:, 0] ** 2 + z[:, 0] * z[:, 1] + z[:, 1]), jnp.mean(z[:, 0] ** 2 + z[:, 1])])

    keys = jax.random.split(jax.random.key(1), 400)
    even, free = (np.asarray(jax.jit(jax.vmap(lambda k, b=b: means(b, k)))(keys)) for b in (bases.stratified(plain), plain))
    assert np.all(np.abs(even.mean(0) - 1) < 4 * even.std(0) / 20)
    assert np.all(even.var(0) < free.var(0) / [4, 15])


def test_stratified_noise_has_the_shapes_and_the_density_of_its_base(key):
    plain = bases.diffusion_noise((2,), 3)
    even = bases.stratified(plain)
    for shape in ((), (5,), (2, 3)):
        assert jax.tree.map(jnp.shape, even.sample(seed=key, sample_shape=shape)) == jax.tree.map(
            jnp.shape, plain.sample(seed=key, sample_shape=shape)
        )
    z = even.sample(seed=key)
    assert even.log_prob(z) == plain.log_prob(z)


def test_the_generating_vector_beats_a_bad_one_and_is_made_of_units():
    """The worst lattice puts all points on the diagonal; a good one of 64 points in the plane keeps them an eighth apart."""
    z = generating_vector(64, 2)
    assert np.gcd(z, 64).tolist() == [1, 1]
    steps = np.arange(1, 64)[:, None] * z % 64 / 64
    shortest = np.min(np.linalg.norm(np.minimum(steps, 1 - steps), axis=1))
    assert shortest > 0.08
    assert len(set(generating_vector(512, 32).tolist())) == 32 and len(generating_vector(4, 5)) == 5


@pytest.mark.parametrize(
    "base", [bases.data_set(np.zeros((3, 2))), bases.joint({"a": bases.normal((1,)), "b": bases.data_set(np.zeros((3, 2)))})]
)
def test_a_base_without_quantiles_is_refused(base):
    with pytest.raises(ValueError, match="stratified: base=<.*> without quantile; accepted"):
        bases.stratified(base)
