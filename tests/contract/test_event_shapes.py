"""An image is its numbers in another shape: what knows no neighbours does with `(2, 2, 1)` what it does with the same four numbers in a row."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, nets, numerics, objectives, paths
from jaxgen import transforms as T
from jaxgen.evaluation import straightness
from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock
from jaxgen.objectives import couplings
from jaxgen.transform import Part, Space

SHAPES = ((4,), (2, 2, 1))
MIX = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
COND = np.eye(2, dtype=np.float32)[np.arange(12) % 2]
ROWS = np.random.default_rng(1).standard_normal((12, 4)).astype(np.float32)
FEW = numerics.fixed(3, "midpoint")


def init(key, z, cond=None):
    return jnp.asarray(0.7)


def field(params, x, t, cond=None):
    """Mixes all numbers of an event, whatever its shape, and depends on everything."""
    flat = jnp.tanh(params * MIX @ x.ravel() + jnp.sin(3 * t)) - (0 if cond is None else cond[0])
    return flat.reshape(x.shape)


def field_between(params, x, t, s, cond=None):
    return field(params, x, t, cond) * (1 + s)


def ode(shape, **options):
    return Model(bases.normal(shape), T.ode_flow(init, field, solver=FEW, **options))


def diffusion(shape, make=T.ancestral, base=None):
    prediction = paths.prediction(paths.vp_log_snr(), field, "eps")
    return Model(bases.diffusion_noise(shape, 3) if base is None else base(shape), make(init, prediction, 3))


def steps(shape):
    return Model(bases.normal(shape), T.flow_map(init, field_between, 2))


def game(shape, game, **weights):
    critic = nets.Net(lambda key, x, cond: jnp.asarray(0.3), lambda phi, x, cond: jnp.sum(jnp.tanh(phi * MIX @ x.ravel()), keepdims=True))
    return objectives.adversarial(steps(shape), critic, game, **weights)


def autoencoder(shape):
    parts = {
        "encode": Part(lambda params, x, cond: field(params, x, 0.2, cond), Space.DATA),
        "decode": Part(lambda params, z, cond: field(params, z, 0.9, cond)),
    }
    return Model(bases.normal(shape), steps(shape).transform._replace(parts=parts))


OBJECTIVES = {
    "entropic": lambda shape: objectives.flow_matching(ode(shape), coupling=couplings.entropic(0.5)),
    "transport": lambda shape: objectives.flow_matching(ode(shape), coupling="optimal_transport"),
    "near_conditions": lambda shape: objectives.flow_matching(ode(shape), coupling=couplings.conditional_optimal_transport(0.2)),
    "interpolant": lambda shape: objectives.flow_matching(ode(shape), paths.interpolant(variance=paths.brownian_variance(0.2))),
    "mean_flow": lambda shape: objectives.mean_flow(steps(shape), power=1.0, guidance=2.0, drop=0.3),
    "moment_matching": lambda shape: objectives.inductive_moment_matching(steps(shape), group=4),
    "drifting": lambda shape: objectives.drifting(steps(shape)),
    "drift_field": lambda shape: objectives.drift_field(steps(shape), objectives.fields.score_difference(0.5)),
    "energy": lambda shape: objectives.energy(steps(shape)),
    "max_sliced_wasserstein": lambda shape: objectives.max_sliced_wasserstein(steps(shape), stratified=True),
    "sinkhorn_divergence": lambda shape: objectives.sinkhorn_divergence(steps(shape)),
    "reconstruction": lambda shape: objectives.reconstruction(autoencoder(shape)),
    "reflow": lambda shape: objectives.reflow(ode(shape), 2),
    "wasserstein": lambda shape: game(shape, "wasserstein", gradient_penalty=1.0),
    "relativistic": lambda shape: game(shape, "relativistic", r1=1.0, r2=0.5),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_sees_numbers_and_not_their_shape(name):
    found = []
    for shape in SHAPES:
        objective, batch = OBJECTIVES[name](shape), Batch(ROWS.reshape(12, *shape), COND)
        if objective.prepare is not None:
            batch = objective.prepare(jax.random.key(1), batch)
            found.append(np.asarray(batch.z).ravel())
        params, aux = objective.init(jax.random.key(2), init(None, None), jax.tree.map(jnp.asarray, batch))
        # Of a fit of two steps the second: what changes with the rounds of a fit has changed.
        clock = Clock(jnp.asarray(1), jnp.asarray(2), params)
        loss = jax.jit(lambda p, a, b, f=objective.loss, c=clock: f(p, a, jax.random.key(3), b, c)[0])
        found.append(np.asarray(loss(params, aux, batch)))
    half = len(found) // 2
    for flat, image in zip(found[:half], found[half:], strict=True):
        assert np.any(flat)
        np.testing.assert_allclose(image, flat, rtol=2e-5, atol=1e-6)


TRANSFORMS = {
    "exact": functools.partial(ode, scale=2.0),
    "hutchinson": functools.partial(ode, trace="hutchinson", energy=0.1),
    "hutch++": functools.partial(ode, trace="hutch++", num_probes=6),
    "ancestral": diffusion,
    "ddim": functools.partial(diffusion, make=functools.partial(T.ddim, density_solver=FEW), base=bases.normal),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_sees_numbers_and_not_their_shape_alone_and_in_a_batch(name):
    found = []
    for shape in SHAPES:
        model = TRANSFORMS[name](shape)
        f, key, params = model.transform, jax.random.key(0), jnp.asarray(0.7)

        def run(z, f=f, key=key, params=params):
            x = f.forward(params, z, COND[0])
            out = [x]
            if f.inverse is not None:
                out.append(f.inverse(params, x, COND[0], key))
            if f.forward_and_log_det is not None:
                out.append(f.forward_and_log_det(params, z, COND[0]))
            if f.many is not None:
                both = jax.tree.map(lambda v: jnp.stack([v, v]), (x, COND[0]))
                out.append(over_batch(f).inverse(params, *both, jnp.stack([key, key])))
            return out

        found.append([np.ravel(a) for a in jax.tree.leaves(jax.jit(run)(model.base.sample(seed=jax.random.key(4))))])
    for flat, image in zip(*found, strict=True):
        np.testing.assert_allclose(image, flat, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("covariance", ["jacobian", "isotropic"])
def test_a_known_part_of_an_image_is_known_numbers(covariance):
    mask, values = np.asarray([True, False, True, False]), np.asarray([0.5, 0.0, -1.0, 0.0])
    prior = paths.prediction(paths.vp_log_snr(), field, "eps")
    found = []
    for shape in SHAPES:
        known = paths.inpainting(prior, mask.reshape(shape), values.reshape(shape), 0.1, covariance=covariance)
        found.append(known.denoiser(jnp.asarray(0.7), ROWS[0].reshape(shape), jnp.asarray(0.6), COND[0]))
    assert found[1].shape == SHAPES[1]
    np.testing.assert_allclose(found[1].ravel(), found[0], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("d", [5, 784])
def test_distances_of_few_and_of_many_coordinates_are_distances(d):
    """And so are their slopes, unit vectors; two rows are the same, which are at distance zero with slope zero."""
    x, y = (np.random.default_rng(i).standard_normal((n, d)).astype(np.float32) + 3 for i, n in ((0, 5), (1, 7)))
    y[2] = x[1]
    away, truth = x[:, None] - y[None], np.linalg.norm(x[:, None] - y[None], axis=-1)
    found, back = jax.vjp(numerics.distances, jnp.asarray(x), jnp.asarray(y))
    np.testing.assert_allclose(found, truth, rtol=1e-5)
    slopes = away / np.where(truth == 0, 1, truth)[..., None]
    for slope, axis, sign in zip(back(jnp.ones_like(found)), (1, 0), (1, -1), strict=True):
        np.testing.assert_allclose(slope, sign * slopes.sum(axis), atol=2e-5)


def test_the_paths_of_images_are_as_straight_as_those_of_their_numbers():
    flat, image = (straightness(jax.random.key(0), ode(shape), jnp.asarray(0.7), 12, COND, num_times=2) for shape in SHAPES)
    assert flat[0] > 0.1
    np.testing.assert_allclose(image, flat, rtol=1e-5)


def test_a_dropped_condition_is_the_null_one_in_its_share_of_rows():
    model = ode((1,))
    inner = objectives.flow_matching(model)._replace(loss=lambda params, aux, key, batch, clock: (jnp.mean(batch.cond[:, 0]), {}))
    batch = Batch(jnp.zeros((4000, 1)), jnp.ones((4000, 1)))
    for share, null in ((0.25, -1.0), (0.0, 5.0)):
        dropping = objectives.without_condition(inner, share, null)
        value = dropping.loss((), (), jax.random.key(0), batch, None)[0]
        np.testing.assert_allclose(value, 1 + share * (null - 1), atol=0.06 if share else 1e-7)
    with pytest.raises(ValueError, match="accepted: data with conditions"):
        objectives.without_condition(inner).loss((), (), jax.random.key(0), batch._replace(cond=None), None)
    with pytest.raises(ValueError, match="share=1.0"):
        objectives.without_condition(inner, 1.0)
