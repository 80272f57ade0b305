"""What the study of an autoencoder measures, against the parts of the model: which images are which, and where the plane lies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxgen import evaluation, zoo
from jaxgen.evaluation import gradient_magnitude

X = (np.random.default_rng(0).random((40, 4, 5, 1)) < 0.3).astype(np.float32)


@pytest.fixture(scope="module")
def trained():
    """An autoencoder away from its start, so that its units differ."""
    model = zoo.build("beta_vae", X.shape[1:], latent_dim=3, width=6, depth=1).model
    shapes = jax.eval_shape(lambda k: model.transform.init(k, model.base.sample(seed=k)), jax.random.key(0))
    rng = np.random.default_rng(1)
    return model, jax.tree.map(lambda a: jnp.asarray(rng.standard_normal(a.shape), a.dtype), shapes)


def test_the_figures_are_those_of_the_images_and_posteriors(trained):
    model, params = trained
    key = jax.random.key(2)
    figures = evaluation.autoencoder_figures(key, model, params, X, 20)
    np.testing.assert_allclose(figures["nll_bound"], figures["rate"] + figures["distortion"])
    np.testing.assert_allclose(sum(figures["rates"]), figures["rate"], rtol=1e-4)
    # 50 draws tighten the bound by much where the posterior is far from the true one.
    assert 0 < figures["nll_50_draws"] < figures["nll_bound"]
    images = evaluation.generated(jax.random.fold_in(key, 2), model, params, X[:20])
    data = gradient_magnitude(X[:20])
    assert figures["gradient_of_data"] == data
    for name, of in images._asdict().items():
        assert figures[f"sharpness_{name}"] == pytest.approx(gradient_magnitude(of) / data)
    assert figures["laplacian_variance_of_means"] == pytest.approx(evaluation.laplacian_variance(images.means))


def test_samples_are_black_and_white_and_means_are_between(trained):
    model, params = trained
    images = evaluation.generated(jax.random.key(0), model, params, X)
    assert set(np.unique(images.samples)) == {0, 1}
    for means in (images.means, images.reconstructions):
        assert means.shape == X.shape and means.min() >= 0 and means.max() <= 1 and len(np.unique(means)) > 50
    decode = lambda x: model.transform.hooks.stages(
        params, {**model.base.sample(seed=jax.random.key(1)), "latent": model.transform.parts["encode"](params, x)[0]}
    )
    np.testing.assert_allclose(images.reconstructions[3], decode(jnp.asarray(X[3]))[0], atol=1e-5)


def test_the_plane_spans_the_two_units_that_vary_most_and_the_second_grows_with_the_rows(trained):
    model, params = trained
    view = evaluation.latent_view(jax.random.key(0), model, params, X, np.arange(40))
    mean = evaluation.posteriors(model, params, X).mean
    order = np.argsort(-mean.std(0))[:2]
    np.testing.assert_allclose(view.codes, mean[:, order])
    assert view.codes.std(0)[0] >= view.codes.std(0)[1] > np.sort(mean.std(0))[0]
    latent = np.zeros(3, np.float32)
    quantiles = scipy.stats.norm.ppf((np.arange(10) + 0.5) / 10)
    latent[order[0]], latent[order[1]] = quantiles[7], quantiles[2]
    noise = model.base.sample(seed=jax.random.key(1))
    np.testing.assert_allclose(view.plane[2, 7], model.transform.hooks.stages(params, {**noise, "latent": latent})[0], atol=1e-5)
    assert view.reach == pytest.approx(quantiles[-1]) and view.labels.tolist() == list(range(40))
    np.testing.assert_array_equal(view.data, X[:10])
    assert set(np.unique(view.samples)) == {0, 1} and len(np.unique(view.means)) > 50
    assert view.reconstructions.shape == view.means.shape == (10, 4, 5, 1)
