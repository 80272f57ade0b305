"""Distributions over codes: log probabilities sum to one, entropies are theirs, draws have them, and texts become codes and back."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import data
from jaxgen.data.codes import CodeSource, choice
from jaxgen.data.gray import BOUND
from jaxgen.data.grids import checkerboard

SMALL = {
    "markov_chain": data.markov_chain(4, 3),
    "hidden_markov": data.hidden_markov(4, 3, 2),
    "ising_chain": data.ising_chain(1.3, 5),
    "ising_square": data.ising_square(2.0, 3),
}


def every(source: CodeSource, num_sites: int) -> np.ndarray:
    return np.array(list(itertools.product(range(source.levels), repeat=num_sites)), np.float32)


@pytest.mark.parametrize(("name", "num_sites"), [("markov_chain", 4), ("hidden_markov", 4), ("ising_chain", 5), ("ising_square", 9)])
def test_log_probabilities_are_those_of_the_draws_and_give_the_entropy(name, num_sites):
    source = SMALL[name]
    x = every(source, num_sites)
    with jax.enable_x64(True):
        log_p = np.asarray(jax.jit(jax.vmap(source.log_prob))(jnp.asarray(x, float)))
    p = np.exp(log_p)
    assert p.sum() == pytest.approx(1, abs=1e-9)
    if source.entropy is not None:
        assert -(p * log_p).sum() == pytest.approx(source.entropy, abs=1e-9)
    drawn = source.sample(np.random.default_rng(0), 50_000) @ source.levels ** np.arange(num_sites - 1, -1, -1)
    expected = 50_000 * p
    some = expected > 10
    z = (np.bincount(drawn, minlength=len(p)) - expected)[some] / np.sqrt(expected[some])
    assert np.sum(z**2) / some.sum() < 1 + 5 * np.sqrt(2 / some.sum())


def test_an_ising_square_favours_neighbours_that_agree():
    """Two facts of the physics: the ground states are uniform, and at a temperature near zero they have all the mass."""
    log_p = data.ising_square(0.3, 3).log_prob
    assert float(log_p(np.zeros(9))) == pytest.approx(-np.log(2), abs=1e-3)
    assert float(log_p(np.ones(9))) == pytest.approx(float(log_p(np.zeros(9))))
    flipped = np.eye(9)[4]
    assert float(log_p(flipped) - log_p(np.zeros(9))) == pytest.approx(-8 / 0.3, rel=1e-4)


def test_gray_codes_of_neighbours_differ_in_one_bit_and_are_undone():
    source = data.gray_coded(checkerboard(), 6)
    width = 2 * BOUND / 2**6
    middles = np.stack([(np.arange(64) + 0.5) * width - BOUND] * 2, 1)
    bits = data.gray_coded(checkerboard()._replace(sample=lambda rng, n: middles), 6).sample(np.random.default_rng(0), 64)
    assert (np.abs(np.diff(bits[:, :6], axis=0)).sum(1) == 1).all() and (bits[:, :6] == bits[:, 6:]).all()
    np.testing.assert_allclose(data.decoded(bits), middles, atol=1e-12)
    codes = bits[np.arange(64)[:, None].repeat(64, 1).ravel()][:, :6], bits[np.arange(64)[None].repeat(64, 0).ravel()][:, :6]
    log_p = np.asarray(jax.jit(jax.vmap(source.log_prob))(jnp.asarray(np.concatenate(codes, 1), jnp.float32)), float)
    some = np.isfinite(log_p)
    # The squares of the checkerboard have their edges inside cells of this grid, by a tenth of a cell at most.
    assert np.exp(log_p[some]).sum() == pytest.approx(1, abs=0.07)
    assert source.entropy == pytest.approx(np.log(32) - 2 * np.log(width))


@pytest.mark.parametrize("name", ["markov_chain", "gray_two_moons", "ising_square"])
def test_load_gives_codes_with_their_truth(name):
    found = data.load(name, num_train=300, num_valid=10, num_test=2_000)
    assert found.train.dtype == np.float32 and set(np.unique(found.train)) <= set(range(found.levels))
    log_p = np.asarray(jax.jit(jax.vmap(found.log_prob))(found.test), float)
    assert np.isfinite(log_p).all()
    assert abs(-log_p.mean() - found.entropy) < 5 * log_p.std() / np.sqrt(len(log_p))
    assert np.isneginf(found.log_prob(found.test[0] + 0.5))
    assert data.draw(name, 0, 3).shape == (3, found.train.shape[1])


def test_a_text_is_split_by_place_and_comes_back(tmp_path):
    path = tmp_path / "song.txt"
    path.write_text("abracadabra, " * 50, encoding="utf-8")
    found = data.load(path, length=8, num_train=20)
    assert found.train.shape == (20, 8) and found.levels == 7 and found.test.shape == (8, 8)
    assert all(row in "abracadabra, " * 3 for row in data.decode_text(found.train, found))
    assert "".join(data.decode_text(found.test, found)) == ("abracadabra, " * 50)[585:649]
    again = data.encode_text("cab", list(found.vocabulary))
    assert data.decode_text(again[None], found) == ["cab"]
    for wrong in (7.0, -1.0, 0.5, np.nan):
        with pytest.raises(data.DataError, match=f"decode_text: x holds {wrong}; accepted: the codes 0 to 6"):
            data.decode_text(np.asarray([[0.0, wrong]]), found)
    with pytest.raises(data.DataError, match="decode_text: dataset='two_moons'; accepted: a data set of a text"):
        data.decode_text(again[None], data.load("two_moons", num_train=2, num_valid=2, num_test=2))


def test_the_default_text_is_there_without_a_download():
    found = data.load("text", length=32)
    assert len(found.train) > 10_000 and 40 < found.levels < 100 and "Python" in found.source
    assert "the" in "".join(data.decode_text(found.test[:50], found))


def test_bad_texts_and_options_are_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("aaaa" * 200, encoding="utf-8")
    with pytest.raises(data.DataError, match="vocabulary is 'a'; accepted: a text of at least two"):
        data.load(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(data.DataError, match="0 characters; accepted"):
        data.load(path)
    path.write_text("ab" * 300 + "z", encoding="utf-8")
    with pytest.raises(data.DataError, match="character 'z' at place 60 was never seen in training; accepted: 'ab'"):
        data.load(path, length=8)
    with pytest.raises(data.DataError, match="text: the vocabulary is empty; accepted: at least one character"):
        data.encode_text("a", [])
    with pytest.raises(data.DataError, match="cannot be read"):
        data.load(tmp_path / "absent.txt")
    with pytest.raises(data.DataError, match="length=8; accepted: none, because only a text"):
        data.load("two_moons", length=8)
    with pytest.raises(data.DataError, match="columns=.*because 'markov_chain' holds codes"):
        data.load("markov_chain", columns=["a"])
    with pytest.raises(ValueError, match="ising_square: side=5"):
        data.ising_square(1.0, 5)
    with pytest.raises(ValueError, match=r"log_prob: x of shape \(3,\)"):
        SMALL["markov_chain"].log_prob(np.zeros(3))


def test_codes_are_chosen_with_their_probabilities():
    drawn = choice(np.random.default_rng(0), np.broadcast_to([0.2, 0.0, 0.8], (20_000, 3)))
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 20_000, [0.2, 0, 0.8], atol=0.02)
