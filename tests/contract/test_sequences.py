"""Laws over the zoo's entries for sequences of codes: they train, sample codes, and every density is a distribution, by enumeration."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import zoo
from jaxgen.lifting import over_batch
from jaxgen.objective import Batch, Clock
from jaxgen.transform import Density

SITES, LEVELS = 3, 2
DATA = np.array(list(itertools.product(range(LEVELS), repeat=SITES)), np.float32)
READINGS = [(n, r) for n in zoo.DISCRETE for r in zoo.build(n, (SITES,), **zoo.small(n, (SITES,))).readings]


def group(name):
    return pytest.mark.xdist_group(f"sequence-{name}")


def over(names):
    return pytest.mark.parametrize("name", [pytest.param(n, marks=group(n)) for n in names])


def over_readings(law=lambda kind: True):
    kinds = {(n, r): small(n).readings[r].transform.kind for n, r in READINGS}
    marks = [pytest.param(n, r, id=f"{n}-{r}", marks=group(n)) for n, r in READINGS if law(kinds[n, r])]
    return pytest.mark.parametrize(("name", "reading"), marks)


def small(name, cond_shape=None, **options):
    """The entry at small sizes; those after the first with a perceptron, which compiles in a fraction of a transformer's time."""
    network = {} if name == "masked_diffusion" else {"network": "mlp"}
    return zoo.build(name, (SITES,), cond_shape, **{**zoo.small(name, (SITES,)), **network, **options})


@functools.cache
def fitted(name):
    """The entry given a condition, a few steps of its fit, and params moved away from the start, where a condition shows."""
    entry = small(name, (2,))
    x = DATA[np.random.default_rng(0).integers(0, len(DATA), 32)]
    fit = jaxgen.fit(jax.random.key(0), entry, x, 3, cond=np.ones((32, 2), np.float32), batch_size=8, progress=False)
    rng = np.random.default_rng(1)
    return entry, fit, jax.tree.map(lambda a: a + jnp.asarray(0.3 * rng.standard_normal(a.shape), a.dtype), fit.params)


@functools.cache
def densities(name, reading, num_draws):
    """The log densities of all data, `(K^n, draws)` of the bound's single draws, and 4,000 samples."""
    entry, _, params = fitted(name)
    model = entry.readings[reading]
    x, cond = np.repeat(DATA, num_draws, 0), np.ones((len(DATA) * num_draws, 2), np.float32)
    value = jaxgen.log_prob(model, params, x, cond, key=jax.random.key(2))
    drawn = jaxgen.sample(jax.random.key(1), model, params, 4_000, np.ones((4_000, 2), np.float32))
    assert value.density is model.transform.kind
    return np.asarray(value.value, np.float64).reshape(len(DATA), num_draws), np.asarray(drawn)


@over(zoo.DISCRETE)
def test_an_entry_trains_and_every_number_is_finite(name):
    _, fit, _ = fitted(name)
    assert fit.status == "finished" and np.isfinite(fit.history["loss"]).all()
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(fit.params))


@over_readings(lambda kind: kind is Density.EXACT)
def test_exact_densities_sum_to_one_and_are_those_of_the_samples(name, reading):
    log_p, drawn = densities(name, reading, 1)
    p = np.exp(log_p[:, 0])
    assert abs(p.sum() - 1) < 1e-5
    counts = np.bincount((drawn @ [4, 2, 1]).astype(int), minlength=len(DATA))
    assert np.sum((counts - 4_000 * p) ** 2 / (4_000 * p)) < 30  # seven degrees of freedom


@over_readings(lambda kind: kind is Density.LOWER_BOUND)
def test_importance_weights_of_bounds_sum_to_one_and_average_to_the_samples(name, reading):
    log_p, drawn = densities(name, reading, 500)
    weights = np.exp(log_p)
    p, stderr = weights.mean(1), weights.std(1) / np.sqrt(weights.shape[1])
    assert abs(p.sum() - 1) < 4 * np.sqrt(np.sum(stderr**2)) < 0.4
    frequencies = np.bincount((drawn @ [4, 2, 1]).astype(int), minlength=len(DATA)) / 4_000
    assert (np.abs(frequencies - p) < 4.5 * np.sqrt(stderr**2 + p / 4_000)).all()


@over_readings()
def test_samples_are_codes_and_a_condition_reaches_them(name, reading):
    entry, _, params = fitted(name)
    model = entry.readings[reading]
    drawn = [jaxgen.sample(jax.random.key(1), model, params, 4_000, np.full((4_000, 2), c, np.float32)) for c in (1.0, -2.0)]
    assert set(np.unique(drawn[0])) == {0.0, 1.0} and drawn[0].dtype == np.float32
    assert not np.array_equal(*drawn)


@over_readings()
def test_every_reading_lowers_for_every_platform_and_keeps_its_type(name, reading):
    entry = small(name)
    model = entry.readings[reading]
    params = jax.eval_shape(lambda: jaxgen.init(jax.random.key(0), model))
    batch, one = over_batch(model.transform), model.base.sample(seed=jax.random.key(0))
    z = jax.tree.map(lambda a: jax.ShapeDtypeStruct((4, *a.shape), a.dtype), one)
    exported = jax.export.export(jax.jit(batch.forward), platforms=("cuda", "tpu"))(params, z)
    assert exported.platforms == ("cuda", "tpu") and exported.out_avals[0].shape == (4, SITES)
    assert entry.card.family == "discrete diffusion" and model.transform.hooks.nfe(params, one) in (SITES, 4)


@over(zoo.DISCRETE)
def test_long_sequences_with_the_defaults(name):
    """Shapes only: it initialises, has a loss, and samples events of five hundred sites of ninety codes."""
    entry = zoo.build(name, (500,), levels=90)
    x = jax.ShapeDtypeStruct((4, 500), jnp.float32)

    def start(key, x):
        params, aux = entry.objective.init(key, jaxgen.init(key, entry.model), Batch(x))
        one = jnp.asarray(1, jnp.int32)
        return params, entry.objective.loss(params, aux, key, Batch(x), Clock(one, one, params))[0]

    params, value = jax.eval_shape(start, jax.random.key(0), x)
    assert value.shape == () and zoo.count_params(params) < 1e7
    for model in entry.readings.values():
        assert jax.eval_shape(lambda p, model=model: jaxgen.sample(jax.random.key(0), model, p, 4), params).shape == (4, 500)


@over(zoo.DISCRETE)
def test_options_are_entries_of_their_own(name):
    guided = small(name, (2,), guidance=2.0)
    assert guided.models.keys() == small(name).models.keys()
    with pytest.raises(ValueError, match="guidance=2.0.*an entry with conditions"):
        small(name, guidance=2.0)
    with pytest.raises(ValueError, match="network='unet'; accepted: transformer, mlp"):
        small(name, network="unet")
    table = small(name, network="mlp")
    assert jax.eval_shape(lambda: jaxgen.init(jax.random.key(0), table.model))["codes"]


@over(zoo.DISCRETE)
def test_images_of_codes_have_a_loss_and_samples(name):
    """Shapes only; `-m slow` trains them in test_images.py."""
    shape = (4, 4, 1)
    entry = zoo.build(name, shape, (2,), **zoo.small(name, shape))
    x, cond = jax.ShapeDtypeStruct((4, *shape), jnp.float32), jax.ShapeDtypeStruct((4, 2), jnp.float32)

    def start(key, x, cond):
        params, aux = entry.objective.init(key, jaxgen.init(key, entry.model, cond[0]), Batch(x, cond))
        one = jnp.asarray(1, jnp.int32)
        value = entry.objective.loss(params, aux, key, Batch(x, cond), Clock(one, one, params))[0]
        return value, [jaxgen.sample(key, model, params, 4, cond) for model in entry.readings.values()]

    value, drawn = jax.eval_shape(start, jax.random.key(0), x, cond)
    assert value.shape == () and all(a.shape == x.shape for a in drawn)


def test_paths_and_remasking_are_chosen_by_name():
    assert small("discrete_cfm", path="metric").model.transform.kind is Density.IMPLICIT
    assert small("discrete_cfm", path="masked", corrector=0.5).model.transform.kind is Density.LOWER_BOUND
    assert small("masked_diffusion", remasking=0.5).model.transform.kind is Density.LOWER_BOUND
    with pytest.raises(ValueError, match="discrete_cfm: path='linear'; accepted: uniform, masked, metric"):
        small("discrete_cfm", path="linear")


def test_columns_of_different_numbers_of_categories_are_one_model():
    entry = zoo.build("masked_diffusion", (2,), categories=[2, 3], width=8, depth=1, network="mlp")
    rng, shapes = np.random.default_rng(0), jax.eval_shape(lambda: jaxgen.init(jax.random.key(0), entry.model))
    params = jax.tree.map(lambda s: jnp.asarray(rng.standard_normal(s.shape), s.dtype), shapes)
    x = np.array(list(itertools.product(range(3), repeat=2)), np.float32)
    p = np.exp(np.asarray(jaxgen.log_prob(entry.readings["any_order"], params, x).value))
    assert abs(p.sum() - 1) < 1e-5 and (p[6:] == 0).all() and (p[:6] > 0).all()
    with pytest.raises(ValueError, match="fit: data holds 2 in row 1, column 0; accepted: the codes 0 to 1 that this entry knows"):
        jaxgen.fit(0, entry, np.asarray([[1.0, 2.0], [2.0, 0.0]], np.float32), 1)
    with pytest.raises(ValueError, match="masked_diffusion: levels=1; accepted: an integer of at least 2"):
        zoo.build("masked_diffusion", (2,), levels=1)
    for bad in ([2, 0], [2.5, 3], [2], 3, "ab", []):
        with pytest.raises(ValueError, match=r"masked_diffusion: categories=.*; accepted: at least two for each of the 2 columns.*tabular"):
            zoo.build("masked_diffusion", (2,), categories=bad)


def test_a_table_of_categories_is_prepared_for_discrete_diffusion():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    table = pandas.DataFrame({"colour": rng.choice(["red", "blue", "green"], 60), "size": rng.choice(["s", "m"], 60)})
    ready = zoo.prepare("masked_diffusion", jaxgen.data.load(table), width=8, depth=1, network="mlp")
    assert ready.entry.card.config["options"]["categories"] == [3, 2]
    assert set(np.unique(ready.data.train[:, 0])) == {0.0, 1.0, 2.0} and set(np.unique(ready.data.train[:, 1])) == {0.0, 1.0}


@over(["masked_diffusion"])
def test_a_run_comes_back_from_its_folder(name, tmp_path):
    entry, fit, _ = fitted(name)
    jaxgen.save(tmp_path / "run", entry, fit)
    again, loaded = jaxgen.load(tmp_path / "run")
    assert again.card.config == entry.card.config
    jax.tree.map(np.testing.assert_array_equal, loaded.params, fit.params)
