"""Laws over the zoo's forms for images: they build, train, sample valid pixels, give densities of their kind, and come back from a folder."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import zoo
from jaxgen.objective import Batch, Clock
from jaxgen.transform import Density

SHAPE = (4, 4, 1)
SHARED = {"wgan_gp": "gan", "r3gan": "gan"}
"""Entries of one base and transform, which differ in the objective: laws over the model that hold for one hold for all."""

TWO_FORMS = ("ddpm", "edm", "vdm", "meanflow", "wgan_gp", "masked_diffusion", "uniform_diffusion", "discrete_cfm")
"""Entries whose zoo function has a form for vectors too, under whose laws conditions are, with the networks of `cfm` and `gan` here."""

NUM_CLASSES = 3


def over(names):
    """A parameter a name; those of `TWO_FORMS` take several seconds each, so `-m slow` runs them."""
    slow = lambda name: [pytest.mark.slow] if name in TWO_FORMS else []
    return pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.xdist_group(f"image-{n}"), *slow(n)]) for n in names])


def small(name, cond_shape=None):
    return zoo.build(name, SHAPE, cond_shape, **zoo.small(name, SHAPE))


def pictures(name, n=32):
    rng = np.random.default_rng(0)
    codes = (rng.random((n, *SHAPE)) < np.linspace(0.2, 0.8, 4)[:, None, None]).astype(np.float32)
    return codes if zoo.pixels(name) == "discrete" else (codes + rng.random(codes.shape).astype(np.float32) - 1).astype(np.float32)


def conditions(n, which=None):
    """`n` one-hot rows: of classes in turn, or all of class `which`."""
    return jnp.asarray(np.eye(NUM_CLASSES, dtype=np.float32)[np.arange(n) % NUM_CLASSES if which is None else np.full(n, which)])


@functools.cache
def fitted(name):
    """The entry given a condition, and three steps of its fit: one compiled fit, sampler and density an entry serve every law."""
    entry, x = small(name, (NUM_CLASSES,)), pictures(name)
    return entry, jaxgen.fit(jax.random.key(0), entry, x, 3, cond=conditions(len(x)), batch_size=8, progress=False)


def drawn(model, params, which=None):
    return np.asarray(jaxgen.sample(jax.random.key(1), model, params, 12, conditions(12, which)))


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
        x = drawn(model, fit.params)
        assert x.shape == (12, *SHAPE) and x.dtype == np.float32 and np.isfinite(x).all()
        if zoo.pixels(name) == "discrete":
            assert set(np.unique(x)) <= {0.0, 1.0}


@over(n for n in zoo.IMAGES if n not in SHARED)
def test_a_density_is_of_its_kind_and_finite_and_gates_the_implicit(name):
    entry, fit = fitted(name)
    for model in entry.readings.values():
        if model.transform.kind is Density.IMPLICIT:
            with pytest.raises(jaxgen.ImplicitDensityError):
                jaxgen.log_prob(model, fit.params, pictures(name, 2), conditions(2))
            continue
        value = jaxgen.log_prob(model, fit.params, pictures(name, 4), conditions(4), key=jax.random.key(2), num_draws=2)
        assert value.density is model.transform.kind and np.isfinite(value.value).all()


@over(n for n in zoo.IMAGES if n not in (*SHARED, *TWO_FORMS))
def test_a_condition_reaches_the_samples(name):
    entry, fit = fitted(name)
    rng = np.random.default_rng(1)
    # Last layers often start at zero: only away from the start does a condition show.
    params = jax.tree.map(lambda a: a + jnp.asarray(0.6 * rng.standard_normal(a.shape), a.dtype), fit.params)
    assert not np.array_equal(drawn(entry.model, params, 0), drawn(entry.model, params, 1))


@over(n for n in zoo.IMAGES if n not in (*SHARED, *TWO_FORMS))
def test_without_a_condition_loss_samples_and_density_have_their_shapes(name):
    entry, x = small(name), jax.ShapeDtypeStruct((4, *SHAPE), jnp.float32)

    def loss(key, x):
        batch, one = Batch(x), jnp.asarray(1, jnp.int32)
        params, aux = entry.objective.init(key, jaxgen.init(key, entry.model), batch)
        return params, entry.objective.loss(params, aux, key, batch, Clock(one, one, params))[0]

    params, value = jax.eval_shape(loss, jax.random.key(0), x)
    assert value.shape == ()
    for model in entry.readings.values():
        assert jax.eval_shape(lambda p, model=model: jaxgen.sample(jax.random.key(0), model, p, 4), params).shape == x.shape
        if model.transform.kind is not Density.IMPLICIT:
            density = jax.eval_shape(lambda p, x, model=model: jaxgen.log_prob(model, p, x, key=jax.random.key(0)).value, params, x)
            assert density.shape == (4,)


@over(zoo.IMAGES)
def test_a_run_comes_back_from_its_folder(name, tmp_path):
    entry, fit = fitted(name)
    jaxgen.save(tmp_path / "run", entry, fit)
    again, loaded = jaxgen.load(tmp_path / "run")
    assert again.card.config == entry.card.config
    jax.tree.map(np.testing.assert_array_equal, loaded.params, fit.params)
