"""Weights decay by the number of rows where an entry leaves it open and a fit validates, and not otherwise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen.training.decay import decay_for, suited
from jaxgen.training.optimizers import adam


@pytest.mark.parametrize(("num_rows", "decay"), [(1, 1.0), (2_000, 1.0), (20_000, 0.1)])
def test_the_decay_falls_as_the_number_of_rows_grows(num_rows, decay):
    assert decay_for(num_rows) == pytest.approx(decay)


def an_entry(weight_decay):
    """A Gaussian; in these fits its params get no gradient that Adam could take for one but from the data."""
    model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.triangular_affine())
    return jaxgen.Entry(model, jaxgen.objectives.maximum_likelihood(model), adam(0.1, weight_decay=weight_decay))


def test_only_an_optimiser_that_leaves_its_decay_open_is_given_one():
    left_open = an_entry(None)
    assert suited(left_open, 4_000).optimizer.weight_decay == 0.5
    assert suited(left_open, 4_000) is suited(left_open, 4_000), "its programs would be compiled again"
    for entry in (an_entry(0.0), an_entry(0.3), left_open._replace(optimizer=adam(0.1)(3))):
        assert suited(entry, 4_000) is entry


def test_a_fit_takes_the_decay_of_its_rows_if_it_validates():
    x = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)

    def last(weight_decay, **options):
        fitted = jaxgen.fit(0, an_entry(weight_decay), x, 5, batch_size=8, ema=0.0, progress=False, **options)
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(fitted.params)])

    validated = {"valid": x, "eval_every": 5}
    assert jnp.array_equal(last(None, **validated), last(1.0, **validated))
    assert jnp.array_equal(last(None), last(0.0))
