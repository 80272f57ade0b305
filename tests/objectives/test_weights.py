"""Weights over noise levels against their formulas, the bound against a mutual information, and the change from one reading to another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import paths
from jaxgen.objectives import weights

PATH = paths.vp_cosine(last=0.05)
T = np.array([0.1, 0.4, 0.8])


def snr(t):
    return np.asarray((PATH.alpha(t) / PATH.sigma(t)) ** 2)


def test_formulas(x64):
    with x64():
        t = jnp.asarray(T)
        r, h = snr(t), 1e-6
        rate = (np.log(snr(t + h)) - np.log(snr(t - h))) / (2 * h)
        expected = {
            weights.elbo(): rate / 2,
            weights.sigmoid(1.5): rate / 2 / (1 + r * np.exp(-1.5)),
            weights.min_snr(0.5): np.minimum(r, 0.5) / r,
            weights.p2(2.0, 0.7): 1 / (0.7 + r) ** 2,
            weights.edm(0.5): (1 / r + 0.25) / 0.25,
        }
        for weight, value in expected.items():
            np.testing.assert_allclose(jax.jit(jax.vmap(lambda t, w=weight: w(PATH, t)))(t), value, rtol=1e-7)


def test_edms_weight_is_the_papers_on_its_denoiser(x64):
    with x64():
        path, t = paths.edm(), jnp.asarray(T)
        sigma = np.asarray(path.sigma(t))
        found = jax.jit(jax.vmap(lambda t: weights.of_part(weights.edm(0.5), "denoiser")(path, t)))(t)
        np.testing.assert_allclose(found, (sigma**2 + 0.25) / (0.5 * sigma) ** 2, rtol=1e-9)


@pytest.mark.parametrize("part", ["denoiser", "score", "velocity", "v"])
def test_the_same_loss_on_another_reading(part, x64):
    with x64():
        t, x = jnp.asarray(0.4), jnp.asarray([0.3, -1.0])
        first, second = (paths.prediction(PATH, lambda params, x, t, cond, c=c: jnp.sin(c * x), "eps") for c in (1.0, 2.0))
        eps = jnp.sum((first.eps((), x, t) - second.eps((), x, t)) ** 2)
        other = jnp.sum((first.parts()[part]((), x, t) - second.parts()[part]((), x, t)) ** 2)
        w = weights.min_snr(0.5)
        np.testing.assert_allclose(weights.of_part(w, part)(PATH, t) * other, w(PATH, t) * eps, rtol=1e-9)


def test_the_bound_of_the_truth_is_the_information_between_its_ends(x64):
    """For Gaussian data of variance v, E|z - z_hat|^2 = SNR v / (1 + SNR v), whose integral with the weight is a difference of logs."""
    with x64():
        v, t = 0.3, (jnp.arange(4_000) + 0.5) / 4_000
        r = snr(t)
        loss = np.mean(jax.jit(jax.vmap(lambda t: weights.elbo()(PATH, t)))(t) * r * v / (1 + r * v))
        first, last = snr(jnp.zeros(())), snr(jnp.ones(()))
        np.testing.assert_allclose(loss, 0.5 * np.log((1 + last * v) / (1 + first * v)), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: weights.sigmoid(np.nan), "bias=nan"),
        (lambda: weights.min_snr(0.0), r"gamma=0\.0"),
        (lambda: weights.p2(k=-1.0), r"k=-1\.0"),
        (lambda: weights.edm(0.0), r"sigma_data=0\.0"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
