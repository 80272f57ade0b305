"""The same noise and the same data in one model after another, by closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logit, ndtri

from jaxgen import bases, combinators
from jaxgen import transforms as T
from jaxgen.evaluation.tracks import INVERSE, NEAREST, NUM_SAMPLES, POOL, SIDE, as_followed, shared_uniforms, track
from jaxgen.model import Model
from jaxgen.transform import Maps, Transform, no_params

DATA = np.random.default_rng(3).normal(size=(40, 2)).astype(np.float32)
KEY = jax.random.key(0)


def doubled(base):
    return track(KEY, Model(base, T.affine(1.0, 2.0)), (), DATA)


def test_noise_is_shared_by_quantiles_and_the_rest_is_as_the_model_says():
    u = jnp.asarray(shared_uniforms(), jnp.float32)
    for base, quantile in ((bases.normal, ndtri), (bases.logistic, logit), (bases.uniform, lambda u: u)):
        tracks = doubled(base((2,)))
        np.testing.assert_allclose(tracks.samples.noise, quantile(u), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(tracks.samples.states[-1], 1 + 2 * tracks.samples.noise, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(tracks.rows.noise, (DATA - 1) / 2, atol=1e-6)
        np.testing.assert_allclose(tracks.rows.outputs, DATA, atol=1e-6)
        assert tracks.shared and tracks.found == INVERSE
        assert len(tracks.samples.noise) == NUM_SAMPLES and len(tracks.rows.noise) == len(DATA)


def test_a_model_without_an_inverse_keeps_data_at_the_nearest_of_many_samples():
    turned = Transform(no_params, Maps(lambda params, z, cond=None: jnp.stack([-z[1], z[0]])))
    tracks = track(KEY, Model(bases.normal((2,)), turned), (), DATA)
    assert tracks.found == NEAREST and tracks.line
    distance = np.linalg.norm(tracks.rows.outputs - DATA, axis=1)
    # In the middle of a Gaussian the nearest of 4,096 points is about 1 / sqrt(4096) away; only far out is it further.
    assert np.median(distance) < 4 / np.sqrt(POOL)
    np.testing.assert_allclose(tracks.rows.noise, np.stack([tracks.rows.outputs[:, 1], -tracks.rows.outputs[:, 0]], 1))


def test_the_lattice_goes_through_the_stages_and_is_the_grid_of_a_still_picture():
    layers = combinators.chain(T.affine(0.0, 2.0), T.affine(0.0, 2.0))
    staged = layers._replace(
        hooks=layers.hooks._replace(stages=lambda params, z, cond=None: jnp.stack([2 * z, layers.forward(((), ()), z, cond)]))
    )
    tracks = track(KEY, Model(bases.normal((2,)), staged), ((), ()), DATA)
    assert tracks.lattice is not None and tracks.lattice.states.shape == (2, SIDE**2, 2) and not tracks.line
    np.testing.assert_allclose(tracks.lattice.states, np.stack([2 * tracks.lattice.noise, 4 * tracks.lattice.noise]), rtol=1e-6)
    assert tracks.steps.tolist() == [1, 2]
    followed = as_followed(tracks)
    np.testing.assert_allclose(followed.grid_states[:, :, 1], 4 * followed.grid, rtol=1e-6)
    # Half of the lines have a constant first coordinate and half a constant second one.
    spread = np.ptp(followed.grid, axis=1)
    assert sorted((spread == 0).sum(0).tolist()) == [(SIDE + 1) // 2] * 2
    np.testing.assert_array_equal(followed.states[:, 0], tracks.samples.states[0])


def test_one_coordinate_has_no_lattice_and_lies_on_the_axis():
    tracks = track(KEY, Model(bases.normal((1,)), T.affine(1.0, 2.0)), (), DATA[:, :1])
    assert tracks.lattice is None and not tracks.samples.noise[:, 1].any()
    np.testing.assert_allclose(tracks.samples.states[-1][:, 0], 1 + 2 * tracks.samples.noise[:, 0], rtol=1e-5)
    assert as_followed(tracks).grid.shape[0] == 0


def test_noise_of_several_leaves_is_shared_where_it_starts_and_held_on_the_lattice():
    chain = Transform(no_params, Maps(lambda params, z, cond=None: z["x0"] + z["increments"][0]))
    tracks = track(KEY, Model(bases.diffusion_noise((2,), 1), chain), (), DATA)
    np.testing.assert_allclose(tracks.samples.noise, ndtri(jnp.asarray(shared_uniforms(), jnp.float32)), rtol=1e-4, atol=1e-5)
    assert tracks.lattice is not None
    shift = tracks.lattice.outputs - tracks.lattice.noise
    np.testing.assert_allclose(shift, np.broadcast_to(tracks.samples.outputs[0] - tracks.samples.noise[0], shift.shape), atol=1e-6)


def test_bases_of_a_mixture_start_at_their_first_vector():
    mixed = Transform(no_params, Maps(lambda params, z, cond=None: z["parts"]["0"] + z["choice"]))
    tracks = track(KEY, Model(bases.mixture_noise(bases.normal((2,)), bases.uniform((2,))), mixed), (), DATA)
    np.testing.assert_allclose(tracks.samples.noise, ndtri(jnp.asarray(shared_uniforms(), jnp.float32)), rtol=1e-4, atol=1e-5)
