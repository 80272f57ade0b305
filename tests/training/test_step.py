"""One step: what it leaves as it was, and the average that it keeps."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgen.compiled import traced_for
from jaxgen.objective import Batch
from jaxgen.training import init_state, make_step


def equal(a, b):
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(left, right)


def infinite_value(params):
    """Infinite, with a gradient of zero."""
    return jax.lax.stop_gradient(jnp.inf) + 0 * jnp.sum(params["loc"])


def infinite_slope(params):
    """Zero, with a gradient that is not a number."""
    return jnp.sum(jnp.sqrt(0 * params["loc"]))


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
@pytest.mark.parametrize("term", [infinite_value, infinite_slope])
def test_a_loss_or_a_gradient_that_is_not_finite_leaves_the_state_as_it_was(term, platform, gaussian_entry, data, key):
    """In the form of an accelerator too."""

    def wrap(loss):
        def broken(params, aux, key, batch, clock):
            value, metrics = loss(params, aux, key, batch, clock)
            return value + term(params), metrics

        return broken

    entry = gaussian_entry(wrap)
    state = init_state(key, entry, Batch(data), 5)
    with traced_for(platform):
        after, metrics = jax.jit(make_step(entry, 5))(state, Batch(data), key)
    assert np.isfinite(metrics["loss"]) == (term is infinite_slope) != bool(np.isfinite(metrics["gradient_norm"]))
    assert not metrics["ok"]
    equal(after, state)


def test_a_step_on_an_accelerator_has_no_branch_and_is_the_same_step(gaussian_entry, data, key):
    """A branch there waits for the host in every step. Branches on the platform are gone once a program is lowered."""
    entry, batch = gaussian_entry(), Batch(data)
    state = init_state(key, entry, batch, 5)

    def traced(platform):
        with traced_for(platform):
            return jax.jit(make_step(entry, 5)).trace(state, batch, key)

    def branches(traced):
        text = str(traced.jaxpr)
        return text.count(" cond[") - text.count("branches_platforms=(")

    on_cpu, elsewhere = traced("cpu"), traced("gpu")
    assert branches(on_cpu) > 0 == branches(elsewhere)
    for a, b in zip(*(jax.tree.leaves(t.lower().compile()(state, batch, key)[0]) for t in (on_cpu, elsewhere)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_an_objective_that_is_not_additive_is_not_split(gaussian_entry):
    with pytest.raises(ValueError, match=r"make_step: axis_name='batch'; accepted: None"):
        make_step(gaussian_entry(additive=False), 5, axis_name="batch")


@pytest.mark.parametrize(("ema", "decays"), [(0.2, (1 / 10, 2 / 11, 0.2, 0.2)), (0.999, (1 / 10, 2 / 11, 3 / 12, 4 / 13))])
def test_the_average_is_short_at_first_and_then_as_asked(ema, decays, gaussian_entry, data, key):
    """Decays of 1/10, 2/11, 3/12 ... until they reach the decay that is asked for; the params move in every step."""
    entry, batch = gaussian_entry()._replace(optimizer=lambda num_steps: optax.sgd(0.1)), Batch(data)
    state = init_state(key, entry, batch, 40)
    step, average = jax.jit(make_step(entry, 40, ema=ema)), np.asarray(state.params["loc"], np.float64)
    for decay in decays:
        state, _ = step(state, batch, key)
        average = decay * average + (1 - decay) * np.asarray(state.params["loc"])
        np.testing.assert_allclose(state.ema["loc"], average, rtol=1e-5)
    assert np.all(np.abs(average - state.params["loc"]) > 1e-3)
