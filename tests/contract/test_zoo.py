"""Laws over every entry of the zoo and every reading of it, through the public functions."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from zoo_cases import SHARED, filled, outputs, over_entries, over_readings, small

from jaxgen import zoo
from jaxgen.artifacts import lowered, programs_of
from jaxgen.lifting import over_batch
from jaxgen.model import init, log_prob, sample, sample_and_log_prob
from jaxgen.objective import Batch, Clock
from jaxgen.transform import Density, ImplicitDensityError, density_of

WITH_DENSITY = over_readings(lambda name, reading, model: model.transform.kind is not Density.IMPLICIT)
EXACT = over_readings(lambda name, reading, model: model.transform.kind is Density.EXACT)
# The chains of score_sde and of bridges are not mild in four steps; tests/transforms/samplers holds their samplers to the same law.
BOUND = over_readings(lambda name, reading, model: model.transform.kind is Density.LOWER_BOUND and name not in ("score_sde", "sf2m"))


@over_readings()
def test_samples_are_finite_events(name, reading):
    x = outputs(name, reading).x
    assert x.shape[1:] == (2,) and x.dtype == np.float32
    assert np.isfinite(x).all() and (x.std(0) > 0).all()


@over_readings()
def test_sampling_is_unaffected_by_what_sampling_params_drops(name, reading):
    out = outputs(name, reading)
    np.testing.assert_array_equal(out.x, out.x_without_dropped)
    dropped = [jax.tree_util.keystr(path) for path, kept in jax.tree_util.tree_leaves_with_path(out.kept) if not kept]
    every = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(out.kept)]
    assert bool(dropped) == any("encoder" in path for path in every)
    assert all("encoder" in path for path in dropped)
    assert len(dropped) == len(jax.tree_util.tree_leaves_with_path(out.kept)) // 2 or name == "ae" or not dropped


@over_readings()
def test_a_second_call_does_not_trace_again(name, reading):
    out = outputs(name, reading)
    assert out.traces > 0 and out.traces_of_second_calls == 0


@EXACT
def test_exact_densities_integrate_to_one(name, reading):
    out = outputs(name, reading)
    assert np.isfinite(out.on_grid).all()
    assert abs(np.sum(np.exp(out.on_grid.astype(np.float64)) * out.area) - 1) < 1e-3


@BOUND
def test_importance_weights_of_bounds_integrate_to_one(name, reading):
    """E over q of p(x, z) / q(z | x) is p(x), so over a proposal r for x the mean of weight / r is one: a bound with nothing lost."""
    out = outputs(name, reading)
    rng, num = np.random.default_rng(0), len(out.grid)
    # A Student t with four degrees of freedom: its tails are heavier than those of any of these densities.
    centre, spread = np.median(out.x, 0), 1.2 * out.x.std(0)
    u = rng.standard_t(4, (num, 2))
    log_r = np.sum(scipy.stats.t.logpdf(u, 4) - np.log(spread), 1)
    value = log_prob(out.model, out.params, (centre + spread * u).astype(np.float32), key=jax.random.key(4)).value
    weights = np.exp(np.asarray(value, np.float64) - log_r)
    stderr = weights.std() / np.sqrt(num)
    assert stderr < 0.1
    assert abs(weights.mean() - 1) < 3 * stderr


@WITH_DENSITY
def test_sample_and_log_prob_gives_the_log_prob_of_its_sample(name, reading):
    out = outputs(name, reading)
    assert np.isfinite(out.log_prob_drawn).all()
    np.testing.assert_allclose(out.log_prob_drawn, out.log_prob_of_drawn, rtol=2e-3, atol=2e-3)


@over_readings(lambda name, reading, model: model.transform.kind is Density.IMPLICIT)
def test_an_implicit_density_is_refused_with_advice(name, reading):
    out = outputs(name, reading)
    with pytest.raises(ImplicitDensityError, match="jaxgen.zoo.build.*sliced_w2"):
        log_prob(out.model, out.params, out.x)
    with pytest.raises(ImplicitDensityError):
        sample_and_log_prob(jax.random.key(0), out.model, out.params, 2)


@over_readings()
def test_every_reading_lowers_for_every_platform(name, reading):
    """The programs of an export, for a batch of any size; "inverse" is a part of "log_prob"."""
    model = small(name).models[reading]
    lower_each(model, (2,), ("sample", "log_prob"))


def lower_each(model, event, names):
    params = jax.eval_shape(lambda: init(jax.random.key(0), model))
    programs = programs_of(model, params, event, num_draws=2)
    assert ("log_prob" in programs) == (model.transform.kind is not Density.IMPLICIT)
    for name in names:
        if name in programs:
            exported = lowered(programs[name], params)
            assert exported.platforms == ("cpu", "cuda", "tpu")
            assert all(str(a.shape[0]) == "n" for a in exported.out_avals)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.xdist_group(f"image-{name}")) for name in zoo.IMAGES])
def test_the_sampler_of_every_entry_for_images_lowers_for_every_platform(name):
    lower_each(small(name, (4, 4, 1)).model, (4, 4, 1), ("sample",))


@over_entries()
def test_a_thousand_coordinates_with_the_defaults(name):
    """Shapes only, of the entry as it is by default: it initialises, has a loss, and samples events."""
    dim = 1_000
    entry = zoo.build(name, (dim,))
    x = jax.ShapeDtypeStruct((4, dim), jnp.float32)

    def start(key, x):
        params, aux = entry.objective.init(key, init(key, entry.model), Batch(x))
        one = jnp.asarray(1, jnp.int32)
        value = entry.objective.loss(params, aux, key, Batch(x, None, x), Clock(one, one, params))[0]
        return params, value, sample(key, entry.model, params, 4)

    params, value, drawn = jax.eval_shape(start, jax.random.key(0), x)
    assert value.shape == () and drawn.shape == (4, dim)
    # Under four hundred MiB of float32 parameters at a thousand coordinates.
    assert zoo.count_params(params) < 1e8
    rates = [zoo.describe(name, (d,))["learning_rate"] for d in (64, 65, 300, dim)]
    assert zoo.describe(name, (64,)) == zoo.describe(name) and rates == sorted(rates, reverse=True) and len(set(rates)) == 4


@over_entries()
@pytest.mark.parametrize(("dim", "cond_dim"), [(1, 3), (17, None)])
def test_every_size_with_and_without_a_condition(name, dim, cond_dim):
    """Shapes only: events of one to seventeen numbers; above sixteen the trace of an ODE or a residual flow is estimated and says so."""
    entry, in_the_plane = small(name, (dim,), None if cond_dim is None else (cond_dim,)), small(name)
    cond = None if cond_dim is None else jax.ShapeDtypeStruct((4, cond_dim), jnp.float32)
    first = None if cond_dim is None else jax.ShapeDtypeStruct((cond_dim,), jnp.float32)
    x = jax.ShapeDtypeStruct((4, dim), jnp.float32)
    params = jax.eval_shape(lambda c: init(jax.random.key(0), entry.model, c), first)
    for reading, model in entry.readings.items() if name not in SHARED else ():
        drawn = jax.eval_shape(lambda p, c, model=model: sample(jax.random.key(0), model, p, 4, c), params, cond)
        assert drawn.shape == (4, dim) and drawn.dtype == jnp.float32
        kind = in_the_plane.readings[reading].transform.kind
        estimated = dim > 16 and kind is Density.EXACT and (name == "residual" or {"velocity", "mixed"} & density_of(model.transform).parts.keys())
        assert model.transform.kind is (Density.UNBIASED if estimated else kind)
        if model.transform.kind is not Density.IMPLICIT and reading != "ode":
            value = jax.eval_shape(lambda p, x, c, model=model: log_prob(model, p, x, c, key=jax.random.key(0)).value, params, x, cond)
            assert value.shape == (4,) and value.dtype == jnp.float32

    def loss(params, x, cond):
        batch, one = Batch(x, cond), jnp.asarray(1, jnp.int32)
        params, aux = entry.objective.init(jax.random.key(0), params, batch)
        return entry.objective.loss(params, aux, jax.random.key(0), batch, Clock(one, one, params))[0]

    assert jax.eval_shape(loss, params, x, cond).shape == ()


def test_a_condition_changes_the_samples():
    entry = small("realnvp", (2,), (3,))
    params = filled("realnvp", entry.model, jnp.zeros(3))
    x = [sample(jax.random.key(0), entry.model, params, 4, jnp.full((4, 3), c)) for c in (0.0, 1.0)]
    assert not np.allclose(*x)


def program(name, dim, cond_dim):
    """Kind, shapes of params, sampling and density of an entry as text, without the addresses of objects."""
    model = small(name, (dim,), None if cond_dim is None else (cond_dim,)).model
    cond, x, keys = None if cond_dim is None else jnp.zeros((4, cond_dim)), jnp.zeros((4, dim)), jax.random.split(jax.random.key(0), 4)
    params = jax.eval_shape(lambda: init(jax.random.key(0), model, None if cond is None else cond[0]))
    batch = over_batch(model.transform)

    def both(params, x, cond, keys):
        z = model.base.sample(seed=keys[0], sample_shape=(4,))
        pre = None if model.transform.kind is Density.IMPLICIT else batch.inverse(params, x, cond, keys)
        return batch.forward(params, z, cond), pre, None if pre is None else jax.vmap(model.base.log_prob)(pre.z)

    traced = jax.make_jaxpr(both)(params, x, cond, keys)
    return model.transform.kind, params, re.sub("0x[0-9a-f]+", "", str(traced)), [np.asarray(c).tobytes() for c in traced.consts]


@pytest.mark.parametrize("first", [pytest.param(n, marks=pytest.mark.xdist_group(f"zoo-{n}")) for n in sorted(set(SHARED.values()))])
def test_entries_that_share_a_model_differ_in_the_objective_only(first):
    """Equation by equation, in two dimensions and where traces are estimated."""
    sizes = (2, None), (17, 2)
    expected = [program(first, *size) for size in sizes]
    assert expected[0] != expected[1]
    for name in [name for name, model in SHARED.items() if model == first]:
        assert [program(name, *size) for size in sizes] == expected, name
