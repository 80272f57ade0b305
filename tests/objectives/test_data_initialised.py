"""Data-dependent initialisation: the first batch's noise is standardised, layer by layer, through chains and repeated layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, nets, objectives
from jaxgen import transforms as T
from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.objective import Batch, PairingError

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.standard_normal((256, 3)) * [5.0, 0.1, 1.0] + [100.0, 0.0, -3.0], jnp.float32)
COND = jnp.asarray(RNG.standard_normal((256, 2)), jnp.float32)


def flow():
    layer = T.chain(T.actnorm(), T.coupling(T.scale_and_shift(), lambda out: nets.mlp(out, width=8, depth=1)), T.flip())
    seen = T.on_condition(lambda c: c[::-1], T.repeat(layer, 3))
    return Model(bases.normal((3,)), T.chain(seen, T.affine(0.0, 2.0)))


def initialised(model, x, cond=None):
    objective = objectives.data_initialised(objectives.maximum_likelihood(model), model)
    params = model.transform.init(jax.random.key(0), x[0], None if cond is None else cond[0])
    return params, jax.jit(lambda p: objective.init(jax.random.key(1), p, Batch(x, cond)))(params)


@pytest.mark.parametrize("cond", [None, COND], ids=["plain", "conditional"])
def test_the_first_batch_is_standardised_before_every_layer(cond):
    model = flow()
    before, (params, aux) = initialised(model, X, cond)
    assert aux == () and jax.tree.structure(before) == jax.tree.structure(params)
    assert jax.tree.map(jnp.shape, before) == jax.tree.map(jnp.shape, params)
    z = np.asarray(over_batch(model.transform).inverse(params, X, cond).z)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(z.std(0), 1, rtol=1e-3)
    # Each layer, not only the last that data reach, has statistics of its own; networks stay as they were.
    actnorms, networks = params[0][0], params[0][1]
    assert np.all(np.ptp(np.asarray(actnorms["log_scale"]), 0) > 1e-3)
    jax.tree.map(np.testing.assert_array_equal, networks, before[0][1])


def test_a_constant_coordinate_stays_finite():
    model = Model(bases.normal((2,)), T.actnorm())
    _, (params, _) = initialised(model, jnp.ones((8, 2)))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
    np.testing.assert_allclose(model.transform.inverse(params, jnp.ones(2)).z, 0)


def test_a_model_without_such_a_part_is_refused():
    model = Model(bases.normal((2,)), T.flip())
    with pytest.raises(PairingError, match="data_init"):
        objectives.data_initialised(objectives.maximum_likelihood(model), model)
