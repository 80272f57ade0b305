"""Games with instance noise: what the critic sees has the stated variance at every step, on both sides, and none at the end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, nets, objectives
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock

SQUARE = nets.Net(lambda key, x, cond: jnp.ones(()), lambda phi, x, cond: phi * x**2)
SCALE, NOISE = 0.5, 2.0


@pytest.mark.parametrize("step", [0, 25, 100])
def test_the_noise_falls_linearly_to_nothing_on_both_sides(step):
    """The critic is x^2: the generator's Wasserstein loss is minus its noisy variance, from the critic's own the noise cancels."""
    model = Model(bases.normal((1,)), T.affine(0.0, SCALE))
    objective = objectives.adversarial(model, SQUARE, "wasserstein", instance_noise=NOISE, r1=1.0)
    batch = Batch(jnp.full((40_000, 1), 3.0))
    _, metrics = jax.jit(objective.loss)((), jnp.ones(()), jax.random.key(0), batch, Clock(jnp.asarray(step), jnp.asarray(100), ()))
    variance = (NOISE * (1 - step / 100)) ** 2
    np.testing.assert_allclose(metrics["generator"], -(SCALE**2 + variance), rtol=0.03)
    np.testing.assert_allclose(metrics["critic"], SCALE**2 - 9, rtol=0.02)
    # Where the noise has ended, 3 has a larger square than what the generator draws.
    assert metrics["accuracy"] > 0.99 if step == 100 else 0.6 < metrics["accuracy"] < 0.99
    # R1 is taken where the critic is: |2 x|^2 / 2 at noisy events.
    np.testing.assert_allclose(metrics["penalty"], 2 * (9 + variance), rtol=0.03)


def test_a_negative_noise_is_refused():
    with pytest.raises(ValueError, match=r"adversarial: instance_noise=-1\.0; accepted: .*at least 0"):
        objectives.adversarial(Model(bases.normal((1,)), T.affine(0.0, 1.0)), SQUARE, instance_noise=-1.0)
