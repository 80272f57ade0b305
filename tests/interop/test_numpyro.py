"""Models as priors and guides in NumPyro; without NumPyro, an error that says what to install."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jaxgen
from jaxgen import bases
from jaxgen import transforms as T
from jaxgen.model import Model

LOC, SCALE = np.array([1.0, -2.0], np.float32), np.array([0.5, 3.0], np.float32)
GAUSSIAN = Model(bases.normal((2,)), T.affine(LOC, SCALE))
LEARNED = Model(bases.normal((2,)), T.triangular_affine())


def test_without_numpyro_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpyro", None)
    with pytest.raises(ImportError, match=r'as_numpyro: NumPyro is not installed.*pip install "jaxgen\[interop\]"'):
        bases.as_numpyro(GAUSSIAN, ())


def test_a_numpyro_distribution_has_the_models_density_and_shapes(key):
    pytest.importorskip("numpyro")
    distribution = bases.as_numpyro(GAUSSIAN, ())
    x = distribution.sample(key, (4, 3))
    assert x.shape == (4, 3, 2) and distribution.event_shape == (2,) and distribution.batch_shape == ()
    np.testing.assert_allclose(distribution.log_prob(x), scipy.stats.norm(LOC, SCALE).logpdf(np.asarray(x)).sum(-1), rtol=1e-4, atol=1e-5)
    assert distribution.sample(key, (0,)).shape == (0, 2)
    leaves = jax.tree.leaves(bases.as_numpyro(LEARNED, {"loc": jnp.zeros(2), "tril": jnp.eye(2)}))
    assert sorted(leaf.shape for leaf in leaves) == [(2,), (2, 2)]


def test_the_model_as_a_prior_in_numpyro(key):
    """Conjugate: a Gaussian prior, one observation of its sum with unit noise; the posterior's moments are known."""
    numpyro = pytest.importorskip("numpyro")
    from numpyro.infer import MCMC, NUTS

    def program(y):
        x = numpyro.sample("x", bases.as_numpyro(GAUSSIAN, ()))
        numpyro.sample("y", numpyro.distributions.Normal(jnp.sum(x), 1.0), obs=y)

    mcmc = MCMC(NUTS(program), num_warmup=300, num_samples=2_000, progress_bar=False)
    mcmc.run(key, jnp.asarray(4.0))
    x = np.asarray(mcmc.get_samples()["x"])
    gain = SCALE**2 / (SCALE @ SCALE + 1)
    np.testing.assert_allclose(x.mean(0), LOC + gain * (4.0 - LOC.sum()), atol=0.15)
    np.testing.assert_allclose(np.cov(x.T), np.diag(SCALE**2) - np.outer(gain, SCALE**2), atol=0.35)


def test_the_model_as_a_guide_in_numpyro(key):
    """SVI trains the flow's params through `numpyro.param` and finds the posterior of the conjugate program."""
    numpyro = pytest.importorskip("numpyro")
    from numpyro.infer import SVI, Trace_ELBO

    def program(y):
        x = numpyro.sample("x", numpyro.distributions.Normal(jnp.zeros(2), 1.0).to_event(1))
        numpyro.sample("y", numpyro.distributions.Normal(jnp.sum(x), 1.0), obs=y)

    start = jaxgen.init(jax.random.key(0), LEARNED)

    def guide(y):
        numpyro.sample("x", bases.as_numpyro(LEARNED, numpyro.param("flow", start)))

    svi = SVI(program, guide, numpyro.optim.Adam(0.03), Trace_ELBO(num_particles=16))
    result = svi.run(key, 600, jnp.asarray(3.0), progress_bar=False)
    found = result.params["flow"]
    lower = np.tril(found["tril"])
    np.testing.assert_allclose(found["loc"], [1.0, 1.0], atol=0.1)
    np.testing.assert_allclose(lower @ lower.T, np.eye(2) - 1 / 3, atol=0.1)


def test_a_smaller_support_is_named_for_hmc():
    numpyro = pytest.importorskip("numpyro")
    constraints = numpyro.distributions.constraints
    assert bases.as_numpyro(GAUSSIAN, ()).support == constraints.independent(constraints.real, 1)
    assert bases.as_numpyro(GAUSSIAN, (), support=constraints.positive).support == constraints.independent(constraints.positive, 1)
