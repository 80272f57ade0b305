"""Digits: the whole numbers come back from the continuous ones."""

import numpy as np
from scipy import stats

import jaxgen.data
from jaxgen.data import digits


def test_flooring_gives_every_image_back_once():
    data = jaxgen.data.load("digits", seed=3)
    x = np.concatenate([data.train, data.valid, data.test])
    assert [len(part) for part in (data.train, data.valid, data.test)] == [1437, 180, 180]
    assert x.min() > -1 and x.max() < 1
    pixels = np.floor(data.units.restore(x))
    assert sorted(map(tuple, pixels)) == sorted(map(tuple, digits.images()))
    part = data.units.restore(x) - pixels
    assert stats.kstest(part.ravel(), "uniform").pvalue > 1e-3
    assert data.log_prob is None and data.entropy is None and data.mode is None


def test_draws_are_images_with_fresh_noise():
    x = jaxgen.data.draw("digits", 0, 50)
    pixels = np.floor(17 * (x.astype(np.float64) + 1) / 2)
    known = {tuple(image) for image in digits.images()}
    assert all(tuple(image) in known for image in pixels)
    assert not np.array_equal(x, jaxgen.data.draw("digits", 1, 50))
