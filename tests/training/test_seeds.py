"""Seeds in one program: each is what `fit` makes of its key alone, one that diverges leaves the others alone, and what is refused."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import Fitted, TrainingDiverged, fit, zoo
from jaxgen.training import fit_seeds, one_seed

seeds_module = sys.modules["jaxgen.training.seeds"]
ONE = {"progress": False, "batch_size": 8, "steps_per_chunk": 4}


def alone(key, seed, num, entry, data, num_steps):
    return fit(jax.random.split(key, num)[seed], entry, data, num_steps, devices=jax.devices()[:1], **ONE)


def equal(a, b, **tol):
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(left, right, **tol)


@pytest.mark.parametrize("side_by_side", [False, True])
@pytest.mark.parametrize("num", [1, 3])
def test_a_seed_is_the_fit_of_its_key_alone(num, side_by_side, gaussian_entry, data, key, monkeypatch):
    """Three seeds on two devices, ten steps in chunks of four: params, auxiliaries and the loss of every step, batches included."""
    monkeypatch.setattr(seeds_module, "side_by_side", lambda mesh: side_by_side)
    entry = gaussian_entry(
        init=lambda key, params, batch: (params, {"count": jnp.zeros(())}),
        update=lambda params, aux, key, batch, clock: {"count": aux["count"] + 1},
        finish=lambda params, aux, data: {**params, "loc": params["loc"] + jnp.sum(data.x)},
    )
    fitted = fit(key, entry, data, 10, seeds=num, **ONE)
    assert fitted.history["loss"].shape == (num, 10) and fitted.history["num_steps"] == 10 and fitted.status == "finished"
    for seed in {0, num - 1}:
        one, other = one_seed(fitted, seed), alone(key, seed, num, entry, data, 10)
        equal((one.params, one.aux), (other.params, other.aux), rtol=2e-5, atol=1e-6)
        for name in ("loss", "nll", "gradient_norm"):
            np.testing.assert_allclose(one.history[name], other.history[name], rtol=2e-5)
        assert float(one.aux["count"]) == 10
    if num > 1:
        assert not np.allclose(fitted.params["loc"][0], fitted.params["loc"][1])


def test_a_seed_that_diverges_stands_still_and_the_others_go_on(gaussian_entry, data, key):
    """The loss of a seed is not a number from step 6 on if the first number of its batch is the largest of all seeds' there."""
    keys = jax.random.split(key, 3)
    whole = gaussian_entry()

    def wrap(loss):
        def marked(params, aux, key, batch, clock):
            value, metrics = loss(params, aux, key, batch, clock)
            return value, {**metrics, "first": batch.x[0, 0]}

        return marked

    firsts = fit_seeds(keys, gaussian_entry(wrap), data, 10, **ONE).history["first"][:, 6]
    bad = int(np.argmax(firsts))

    def breaking(loss):
        def broken(params, aux, key, batch, clock):
            value, metrics = loss(params, aux, key, batch, clock)
            return jnp.where((clock.step == 6) & (batch.x[0, 0] >= firsts[bad]), jnp.nan, 1.0) * value, metrics

        return broken

    with pytest.raises(TrainingDiverged, match="at step 6") as caught:
        fit_seeds(keys, gaussian_entry(breaking), data, 10, **ONE)
    fitted = caught.value.fitted
    assert fitted.status == "diverged" and caught.value.step == 6 and np.isfinite(caught.value.metrics["loss"])
    good = fit_seeds(keys, whole, data, 10, **ONE)
    for seed in range(3):
        same = all(
            np.array_equal(a, b)
            for a, b in zip(jax.tree.leaves(one_seed(fitted, seed).params), jax.tree.leaves(one_seed(good, seed).params), strict=True)
        )
        assert same == (seed != bad)
    assert np.isfinite(fitted.params["loc"]).all()


def test_conditions_are_shared_by_the_seeds_which_may_be_integers():
    cond = np.random.default_rng(0).standard_normal((50, 1)).astype(np.float32)
    entry = zoo.build("realnvp", (1,), (1,), width=4, depth=1, num_layers=1)
    fitted = fit_seeds([0, 3], entry, 3 * cond, 2, cond=cond, **ONE)
    assert fitted.history["loss"].shape == (2, 2) and fitted.history["loss"][0, 0] != fitted.history["loss"][1, 0]
    assert np.isfinite(fitted.history["loss"]).all()


def test_what_seeds_do_not_go_with_is_refused(gaussian_entry, data, key):
    entry = gaussian_entry()
    for name, value in (("valid", data), ("patience", 3), ("eval_every", 2), ("start", ((), ()))):
        with pytest.raises(ValueError, match=f"fit: {name}=<.*accepted: None with seeds=2"):
            fit(key, entry, data, 4, seeds=2, **{name: value}, **ONE)
    with pytest.raises(ValueError, match="fit: seeds=0"):
        fit(key, entry, data, 4, seeds=0, **ONE)
    with pytest.raises(ValueError, match=r"fit_seeds: keys of shape \(\)"):
        fit_seeds(key, entry, data, 4, **ONE)
    for keys in (3, []):
        with pytest.raises(ValueError, match=r"fit_seeds: keys=(3|\[\]); accepted: a key or an integer for each seed"):
            fit_seeds(keys, entry, data, 4, **ONE)
    with pytest.raises(ValueError, match="fit_seeds: num_steps=0"):
        fit_seeds(key[None], entry, data, 0, **ONE)
    with pytest.raises(ValueError, match=r"devices=\[\]"):
        fit_seeds(key[None], entry, data, 1, devices=[], **ONE)
    with pytest.raises(ValueError, match="objective prepares batches on the host.*couplings.entropic"):
        fit(key, gaussian_entry(prepare=lambda key, batch: batch), data, 4, seeds=2, **ONE)


def test_only_a_seed_that_was_trained_can_be_taken():
    """JAX would clamp the place of a seed, and cut the params of a single seed along an axis of their own."""
    two = Fitted(jnp.ones((2, 3)), (), {"loss": np.zeros((2, 4))})
    assert one_seed(two, 1).params.shape == (3,)
    for seed in (2, -1, 0.5):
        with pytest.raises(ValueError, match=f"one_seed: seed={seed}; accepted: "):
            one_seed(two, seed)
    with pytest.raises(ValueError, match="one_seed: fitted=the fit of one seed"):
        one_seed(two._replace(history={"loss": np.zeros(4)}), 0)
