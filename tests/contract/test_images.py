"""Laws over the zoo's forms for images: they build, train, sample valid pixels, give densities of their kind, and come back from a folder."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import zoo
from jaxgen.transform import Density

SHAPE = (4, 4, 1)
SMALL = {
    "width": 8, "depth": 1, "num_layers": 2, "num_steps": 4, "latent_dim": 3, "levels": 2, "num_heads": 2, "num_blocks": 1, "num_codes": 4,
    "patch": 2, "code_dim": 2, "prior_width": 8, "state_dim": 6, "num_ddim_steps": 4, "num_ode_steps": 4, "num_scales": 2,
}  # fmt: skip
OWN = {"latent_cfm": {"network": "mlp"}}
"""Sizes of single entries where the shared ones do not serve."""

SHARED = {"wgan_gp": "gan", "r3gan": "gan"}
"""Entries of one base and transform, which differ in the objective: laws over the model that hold for one hold for all."""

RECIPES = ("ddpm", "edm", "vdm", "meanflow")
"""Entries whose recipe is that of the vector form, under whose laws conditions are, with the network of `cfm` here."""

COND = jnp.asarray([0.0, 1.0, 0.0])


def over(names):
    """A parameter a name; those of `RECIPES` take a quarter of a minute each, so `-m slow` runs them."""
    slow = lambda name: [pytest.mark.slow] if name in RECIPES else []
    return pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.xdist_group(f"image-{n}"), *slow(n)]) for n in names])


def small(name, cond_shape=None):
    known = zoo.describe(name, SHAPE)
    return zoo.build(name, SHAPE, cond_shape, **{k: v for k, v in (SMALL | OWN.get(name, {})).items() if k in known})


def pictures(name, n=32):
    rng = np.random.default_rng(0)
    codes = (rng.random((n, *SHAPE)) < np.linspace(0.2, 0.8, 4)[:, None, None]).astype(np.float32)
    return codes if zoo.pixels(name) == "discrete" else (codes + rng.random(codes.shape).astype(np.float32) - 1).astype(np.float32)


@functools.cache
def fitted(name):
    entry = small(name)
    return entry, jaxgen.fit(jax.random.key(0), entry, pictures(name), 3, batch_size=8, progress=False)


@over(zoo.IMAGES)
def test_an_entry_trains_and_every_number_is_finite(name):
    _, fit = fitted(name)
    assert fit.status == "finished" and np.isfinite(fit.history["loss"]).all()
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(fit.params))


def test_entries_that_share_a_model_have_the_same_programs():
    def program(name):
        model = small(name).model
        return str(jax.make_jaxpr(lambda key: jaxgen.sample(key, model, jaxgen.init(key, model), 2))(jax.random.key(0)))

    assert all(program(name) == program(first) for name, first in SHARED.items())


@over(n for n in zoo.IMAGES if n not in SHARED)
def test_samples_are_images_and_discrete_ones_whole_numbers(name):
    entry, fit = fitted(name)
    for model in entry.readings.values():
        x = np.asarray(jaxgen.sample(jax.random.key(1), model, fit.params, 6))
        assert x.shape == (6, *SHAPE) and x.dtype == np.float32 and np.isfinite(x).all()
        if zoo.pixels(name) == "discrete":
            assert set(np.unique(x)) <= {0.0, 1.0}


@over(n for n in zoo.IMAGES if n not in SHARED)
def test_a_density_is_of_its_kind_and_finite_and_gates_the_implicit(name):
    entry, fit = fitted(name)
    for model in entry.readings.values():
        if model.transform.density is Density.IMPLICIT:
            with pytest.raises(jaxgen.ImplicitDensityError):
                jaxgen.log_prob(model, fit.params, pictures(name, 2))
            continue
        value = jaxgen.log_prob(model, fit.params, pictures(name, 4), key=jax.random.key(2), num_draws=2)
        assert value.density is model.transform.density and np.isfinite(value.value).all()


@over(n for n in zoo.IMAGES if n not in (*SHARED, *RECIPES))
def test_a_condition_reaches_the_samples(name):
    entry = small(name, COND.shape)
    x, cond = pictures(name, 8), jnp.tile(COND, (8, 1))
    fit = jaxgen.fit(jax.random.key(0), entry, x, 3, cond=cond, batch_size=8, progress=False)
    rng = np.random.default_rng(1)
    # Last layers often start at zero: only away from the start does a condition show.
    params = jax.tree.map(lambda a: a + jnp.asarray(0.3 * rng.standard_normal(a.shape), a.dtype), fit.params)
    draw = lambda c: np.asarray(jaxgen.sample(jax.random.key(1), entry.model, params, 16, jnp.tile(c, (16, 1))))
    assert not np.array_equal(draw(COND), draw(jnp.asarray([1.0, 0.0, 0.0])))


@over(zoo.IMAGES)
def test_a_run_comes_back_from_its_folder(name, tmp_path):
    entry, fit = fitted(name)
    jaxgen.save(tmp_path / "run", entry, fit)
    again, loaded = jaxgen.load(tmp_path / "run")
    assert again.config == entry.config
    jax.tree.map(np.testing.assert_array_equal, loaded.params, fit.params)
