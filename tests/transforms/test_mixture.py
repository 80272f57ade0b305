"""A mixture of models has the weighted sum of their densities, also at events that some of them, or all, never give."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

import jaxgen
from jaxgen import Model, bases
from jaxgen import transforms as T
from jaxgen.evaluation import bridge


def mixed(*parts):
    return Model(bases.mixture_noise(*(part.base for part in parts)), T.mixture(*parts))


def test_a_part_that_never_gives_an_event_leaves_it_to_the_others():
    wide, box = Model(bases.normal((1,)), T.affine(1.0, 2.0)), Model(bases.uniform((1,), 2.0, 3.0), T.affine(0.0, 1.0))
    params = {"logits": jnp.log(jnp.asarray([0.25, 0.75])), "parts": ((), ())}
    x = np.array([[2.5], [0.5], [9.0]])
    for parts, weights in (((wide, box), (0.25, 0.75)), ((box, wide), (0.75, 0.25))):
        model = mixed(*parts)
        expected = np.log(
            weights[0 if parts[0] is wide else 1] * norm.pdf(x, 1, 2) + weights[1 if parts[0] is wide else 0] * ((x > 2) & (x < 3))
        )
        logits = {**params, "logits": jnp.log(jnp.asarray(weights))}
        value, slope = jax.jit(jax.value_and_grad(lambda p, m=model: jnp.sum(jaxgen.log_prob(m, p, jnp.asarray(x)).value)))(logits)
        np.testing.assert_allclose(jaxgen.log_prob(model, logits, jnp.asarray(x)).value, expected[:, 0], rtol=1e-5)
        assert np.isfinite(value) and np.isfinite(slope["logits"]).all()
    nowhere = jaxgen.log_prob(mixed(box, box), params, jnp.asarray(x)).value
    np.testing.assert_allclose(nowhere, [0.0, -np.inf, -np.inf], atol=1e-6)


def test_each_choice_is_a_continuous_map_of_its_own():
    """Two components within the first part and the second part: three maps, with the weights and the moments of each."""
    base = bases.joint({"choice": bases.uniform(()), "noise": bases.normal((1,))})
    model = mixed(Model(base, T.mixture_affine(2)), Model(bases.normal((1,)), T.affine(4.0, 0.1)))
    inner = {"logits": jnp.log(jnp.asarray([0.3, 0.7])), "loc": jnp.asarray([[-6.0], [-2.0]]), "whitener": jnp.full((2, 1, 1), 2.0)}
    maps = bridge.continuous_maps(model, {"logits": jnp.log(jnp.asarray([0.4, 0.6])), "parts": (inner, ())})
    np.testing.assert_allclose([one.weight for one in maps], [0.12, 0.28, 0.6], rtol=1e-5)
    eps = np.random.default_rng(0).standard_normal((4_000, maps[0].size)).astype(np.float32)
    params = {"logits": jnp.log(jnp.asarray([0.4, 0.6])), "parts": (inner, ())}
    moments = [(float(x.mean()), float(x.std())) for x in (one.events(params, eps) for one in maps)]
    np.testing.assert_allclose(moments, [(-6, 0.5), (-2, 0.5), (4, 0.1)], atol=0.04)
