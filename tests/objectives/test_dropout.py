"""Dropout without a network that knows of it: units fall out as often as asked, the mean stays, and what judges has all of them."""

import jax
import jax.numpy as jnp
import pytest

import jaxgen
from jaxgen import nets
from jaxgen.objective import Objective, PairingError, no_aux
from jaxgen.objectives.dropout import dropout, with_dropped_units


@pytest.mark.parametrize(
    ("net", "inputs"),
    [
        (nets.mlp(3, width=8), (jnp.ones(3),)),
        (nets.made(2, width=8), (jnp.ones(3),)),
        (nets.time_mlp(3, width=8), (jnp.ones(3), jnp.ones(()))),
    ],
)
def test_only_what_reads_hidden_units_is_dropped(net, inputs):
    params = jax.tree.map(jnp.ones_like, net.init(jax.random.key(0), *inputs))
    dropped = with_dropped_units(jax.random.key(1), params, 0.5)
    same = jax.tree_util.tree_leaves_with_path(jax.tree.map(jnp.array_equal, params, dropped))
    changed = {jax.tree_util.keystr(path) for path, equal in same if not equal}
    assert changed and all("kernel" in path and "_0']['kernel" not in path for path in changed)


def test_a_unit_is_dropped_for_all_that_reads_it_and_the_mean_stays():
    layers = ({"Dense_3": {"kernel": jnp.ones((2, 500, 4)), "bias": jnp.ones((2, 4))}},)
    kernel = with_dropped_units(jax.random.key(0), layers, 0.2)[0]["Dense_3"]["kernel"]
    assert jnp.allclose(kernel, kernel[..., :1])
    assert abs(float(kernel.mean()) - 1) < 0.1 and abs(float((kernel == 0).mean()) - 0.2) < 0.05


def test_no_rate_is_no_change_and_bad_pairs_are_refused():
    objective = Objective(no_aux, lambda params, aux, key, batch, clock: (jnp.zeros(()), {}))
    assert dropout(objective, 0.0) is objective
    with pytest.raises(ValueError, match="dropout: rate"):
        dropout(objective, 1.0)
    with pytest.raises(PairingError, match="host"):
        dropout(objective._replace(prepare=lambda key, batch: batch), 0.1)


def test_a_fit_with_dropout_validates_with_all_units():
    entry = jaxgen.zoo.build("realnvp", (2,), width=4, depth=1, num_layers=2)
    entry = entry._replace(objective=dropout(entry.objective, 0.5))
    x = jax.random.normal(jax.random.key(0), (20, 2))
    fitted = jaxgen.fit(0, entry, x, 4, batch_size=8, valid=x, eval_every=4, progress=False)
    exact = -jaxgen.log_prob(entry.model, fitted.params, x).value.mean()
    assert float(fitted.history["valid_loss"][-1]) == pytest.approx(float(exact), rel=1e-4)
