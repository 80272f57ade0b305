"""The studies themselves: their cells, their predictions, and the parts of them that have a closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import bases
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.studies import STUDIES
from jaxgen.studies.record import cell_name
from jaxgen.studies.relax.models import BLOCKS, BOUNDED, FREE, KINDS, build
from jaxgen.studies.relax.targets import TARGETS
from jaxgen.studies.transfer import TRANSFERS, likelihood_games, posteriors, weighted_times
from jaxgen.transform import Preimage, bijection, no_params
from jaxgen.zoo.sizing import num_sampling_params

STEPS, COMPARED = 3, ("transfer", "hybrid", "relax")


@pytest.mark.parametrize("name", COMPARED)
def test_cells_have_names_of_their_own_and_the_quick_form_is_the_smaller(name):
    study = STUDIES[name]
    full, quick = study.cells(False, (0, 1, 2, 3, 4)), study.cells(True, (0, 1, 2, 3, 4))
    assert len({cell_name(cell) for cell in full}) == len(full) > len(quick) > 0
    assert max(cell["steps"] for cell in quick) < min(cell["steps"] for cell in full)
    # Effects are paired, so even the quick form has two seeds.
    assert {cell["seed"] for cell in quick} == {0, 1} and {cell["seed"] for cell in full} == {0, 1, 2, 3, 4}
    assert study.quick_minutes <= 10


@pytest.mark.parametrize("name", COMPARED)
def test_no_prediction_is_decided_without_rows(name):
    assert STUDIES[name].predictions
    for prediction in STUDIES[name].predictions:
        assert prediction.judge([]).holds is None and prediction.claim.endswith(".") and prediction.refuted_by.endswith(".")


def test_kinds_have_equal_parameters():
    counts = {kind: num_sampling_params(build(kind, 8, 10_000)) for kind in KINDS}
    assert max(abs(count / 10_000 - 1) for count in counts.values()) < 0.06, counts


def test_the_bound_of_a_residual_map_holds_at_any_params_and_the_free_one_has_none():
    z = jax.random.normal(jax.random.key(1), (64, 2))

    def stretch(kind):
        model = build(kind, 2, 2_000)
        params = jaxgen.model.init(jax.random.key(0), model)
        # The last affine, which is not bounded, stays the identity.
        params = (jax.tree.map(lambda a: a + jax.random.normal(jax.random.key(a.size), a.shape), params[0]), params[1])
        x = jax.jit(jax.vmap(lambda z: model.transform.forward(params, z)))(z)
        return float(jnp.max(jnp.linalg.norm(x[1:] - x[:-1], axis=1) / jnp.linalg.norm(z[1:] - z[:-1], axis=1)))

    assert stretch(BOUNDED) <= 1.9**BLOCKS < stretch(FREE)


def test_targets_have_the_stated_dimension_and_hold_all_their_mass():
    for target in TARGETS.values():
        x = target.draw(3, 2_000)
        assert x.shape == (2_000, target.dim) and target.connected == (target.off_mode is None)
        assert np.array_equal(x, target.draw(3, 2_000)) and not np.array_equal(x, target.draw(4, 2_000))
        assert target.off_mode is None or target.off_mode(x) < 0.01


def test_the_smallest_singular_value_of_a_linear_map_is_read_off():
    model = Model(bases.normal((2,)), T.affine(jnp.zeros(2), jnp.asarray([5.0, 1e-3])))
    value = likelihood_games.smallest_singular(jaxgen.Entry(model, None), (), 0, num=8)
    np.testing.assert_allclose(value, -3, atol=1e-4)


def test_the_sigmoid_weight_is_the_sigmoid_of_minus_the_log_snr_at_a_mean_of_one():
    t = (jnp.arange(1_000) + 0.5) / 1_000
    weight = jax.vmap(weighted_times.sigmoid_weight)(t)
    np.testing.assert_allclose(weight, 2 * jax.nn.sigmoid(-2 * jnp.log(t / (1 - t))), rtol=1e-4)
    np.testing.assert_allclose(weight.mean(), 1, rtol=1e-4)


def test_the_bound_of_a_flow_posterior_is_that_of_the_encoder_it_equals():
    """The posterior is the encoder itself, written as a flow under the event: both bounds are one number up to their draws."""
    vae = jaxgen.zoo.build("vae", event_shape=(2,), width=8, depth=1)
    # Small params have scales near one, hence a bound whose draws are close to their mean.
    params = jax.tree.map(lambda a: 0.3 * a, jaxgen.model.init(jax.random.key(0), vae.model))
    encode = vae.model.transform.parts["encode"]

    def forward(_, z, cond=None):
        mean, log_scale = encode(params, cond)
        return mean + jnp.exp(log_scale) * z, jnp.sum(log_scale)

    def inverse(_, z, cond=None, key=None):
        mean, log_scale = encode(params, cond)
        return Preimage((z - mean) * jnp.exp(-log_scale), -jnp.sum(log_scale))

    posterior = jaxgen.Entry(Model(bases.normal((4,)), bijection(no_params, forward, inverse)), None)
    test = np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32)
    of_flow = posteriors.negative_bound(jax.random.key(1), vae.model, params, posterior, (), test)
    of_encoder = -float(jnp.mean(jaxgen.log_prob(vae.model, params, np.tile(test, (8, 1)), key=jax.random.key(2)).value))
    assert of_flow == pytest.approx(of_encoder, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPARED)
def test_the_runs_hold_every_figure_that_a_prediction_reads(name):
    """Trained for nothing, so verdicts say nothing; but none may stay open for a figure that no run has."""
    study = STUDIES[name]
    cells = [{**cell, "steps": STEPS} for cell in study.cells(False, (0,))]
    rows = [{**cell, "status": "ok", **row} for cell in cells for row in study.run(cell)]
    ran = [row for row in rows if row["status"] == "ok"]
    again = [{**row, "seed": 1, "value": 1.01 * row["value"] + 1e-3} for row in ran]
    for prediction in study.predictions:
        skipped = name == "transfer" and "MNIST" in prediction.claim and len(ran) < len(rows)
        assert skipped or prediction.judge([*ran, *again]).holds is not None, prediction.claim
    assert {row["transfer"] for row in rows} == set(TRANSFERS) if name == "transfer" else True
    assert study.table.sections(ran) and all(len(study.table.cells(row)) == len(study.table.columns) for row in ran)
