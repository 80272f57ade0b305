"""The documented loop over a stream trains what `fit` would: here every pixel's mean, known from the images."""

import jax
import numpy as np
import pytest

import jaxgen
from jaxgen import bases, objectives, transforms
from jaxgen.training import Entry, init_state, make_step, optimizers


def test_the_loop_over_a_stream_finds_the_mean_of_each_pixel(key, tmp_path):
    pytest.importorskip("grain")
    images = np.random.default_rng(0).normal([[40, 200], [90, 140]], 12, (96, 2, 2)).clip(0, 255).astype(np.uint8)
    np.save(tmp_path / "x.npy", images)
    model = jaxgen.Model(bases.normal((2, 2, 1)), transforms.diagonal_affine())
    entry = Entry(model, objectives.maximum_likelihood(model), optimizers.adam(0.1))
    batches = jaxgen.data.stream(tmp_path / "x.npy", 32, num_threads=1)
    state = init_state(key, entry, next(batches), 100)
    step = jax.jit(make_step(entry, 100, ema=0.9), donate_argnums=0)
    for i, batch in zip(range(100), batches, strict=False):
        state, metrics = step(state, batch, jax.random.fold_in(key, i))
    assert int(state.step) == 100 and bool(metrics["ok"])
    np.testing.assert_allclose(128 * (np.asarray(state.ema["loc"])[..., 0] + 1), images.mean(0) + 0.5, atol=4)
