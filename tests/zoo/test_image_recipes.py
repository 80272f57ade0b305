"""Guidance and the networks of images: a guided entry samples with guidance and trains without, on conditions of which some are dropped."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets, zoo
from jaxgen.objective import Batch, Clock
from jaxgen.zoo.networks import Nets

SHAPE = (2, 2, 1)
# A network of one number: linear in x, and moved by the condition.
NET = nets.Net(lambda key, x, t, cond: jnp.asarray(0.5), lambda params, x, t, cond: params * x + t + cond[0] - 3 * cond[1])


class OneNumber(Nets):
    def of_event(self, num_times, factor=1):
        return NET


IMAGES = OneNumber(SHAPE, 2)
RECIPES = {
    "ddpm": lambda guidance: zoo.diffusion.ddpm(IMAGES, num_steps=3, num_ddim_steps=3, num_ode_steps=2, guidance=guidance),
    "edm": lambda guidance: zoo.diffusion.edm(IMAGES, num_steps=3, sigma_data=0.5, num_ode_steps=2, guidance=guidance),
    "cfm": lambda guidance: zoo.flow_matching.cfm(IMAGES, num_steps=2, guidance=guidance),
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_reading_is_guided_and_the_objective_is_not(name):
    params, x, t, cond = jnp.asarray(0.5), jnp.full(SHAPE, 0.3), jnp.asarray(0.4), jnp.asarray([1.0, 2.0])
    plain, guided = RECIPES[name](1.0), RECIPES[name](3.0)
    parts = ("velocity", *(("eps", "denoiser") if name != "cfm" else ()))

    def both(params, x, t, cond):
        for reading, model in guided.models.items():
            for part in parts:
                own = plain.models[reading].transform.parts[part]
                null = own(params, x, t, cond=0 * cond)
                yield model.transform.parts[part](params, x, t, cond=cond), null + 3 * (own(params, x, t, cond=cond) - null)

    for found, expected in jax.jit(lambda *a: list(both(*a)))(params, x, t, cond):
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    batch, clock = Batch(jnp.zeros((400, *SHAPE)), jnp.tile(cond, (400, 1))), Clock(jnp.zeros(()), jnp.ones(()), params)

    def losses(params, batch):
        loss = lambda recipe, batch: recipe.objective.loss(params, (), jax.random.key(0), batch, clock)[0]
        return loss(plain, batch), loss(guided, batch), loss(plain, batch._replace(cond=0 * batch.cond))

    known, dropped, none = jax.jit(losses)(params, batch)
    # A tenth of the rows is without its condition, whatever the scale: the loss is between the two by about that much.
    assert 0.02 < (dropped - known) / (none - known) < 0.25


def test_guidance_needs_conditions_and_a_network_its_name():
    for name in ("ddpm", "edm", "cfm", "meanflow"):
        with pytest.raises(ValueError, match=f"{name}: guidance=2.0; accepted: 1.0"):
            zoo.build(name, (4, 4, 1), guidance=2.0)
    with pytest.raises(ValueError, match="network='vit'; accepted: unet, dit"):
        zoo.build("cfm", (4, 4, 1), network="vit")
    with pytest.raises(ValueError, match="remat=1; accepted: True, False"):
        zoo.build("cfm", (4, 4, 1), remat=1)


def test_a_transformer_is_an_entrys_network_too():
    entry = zoo.build("cfm", (4, 6, 1), (3,), network="dit", width=4, depth=1, dtype="bfloat16", remat=True)
    f, z, cond = entry.model.transform, jnp.zeros((4, 6, 1)), jnp.zeros(3)
    event = jax.eval_shape(lambda key: f.forward(f.init(key, z, cond), z, cond), jax.random.key(0))
    assert event.shape == (4, 6, 1) and event.dtype == jnp.float32


@pytest.mark.parametrize("name", ["glow", "tarflow"])
def test_a_flow_of_pixels_starts_in_the_middle_of_its_levels(name):
    """Untrained these flows turn and permute at most, so the middle of the noise is the middle of the levels."""
    model = zoo.build(name, (4, 4, 1), levels=6, width=8, num_layers=2, **({"num_scales": 2} if name == "glow" else {"patch": 2})).model

    def middle(key):
        noise = model.base.sample(seed=key)
        return model.transform.forward(model.transform.init(key, noise), jnp.zeros_like(noise))

    np.testing.assert_array_equal(jax.jit(middle)(jax.random.key(0)), 3.0)


@pytest.mark.parametrize(
    ("name", "weights", "weight"),
    [("gan", {}, "r1"), ("wgan_gp", {}, "gradient_penalty"), ("r3gan", {"r1": 0.0}, "r2"), ("r3gan", {"r2": 0.0}, "r1")],
)
def test_the_weight_of_each_penalty_reaches_the_game(name, weights, weight):
    x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (4, 4, 4, 1)), jnp.float32)
    batch, clock = Batch(x, None), Clock(jnp.zeros(()), jnp.ones(()), ())

    def penalty(value):
        entry = zoo.build(name, (4, 4, 1), width=4, latent_dim=2, **{**weights, weight: value})

        def of(key):
            first = entry.model.transform.init(key, entry.model.base.sample(seed=key))
            params, aux = entry.objective.init(key, first, batch)
            return entry.objective.loss(params, aux, key, batch, clock)[1]["penalty"]

        return float(jax.jit(of)(jax.random.key(0)))

    once, twice = penalty(2.0), penalty(4.0)
    assert once > 0 and twice == pytest.approx(2 * once, rel=1e-4)
