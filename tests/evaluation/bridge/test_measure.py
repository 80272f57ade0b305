"""The local bound: met with equality by monotone maps of a line, never crossed by others, and measured in two ways that share nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import Model, bases, nets
from jaxgen import transforms as T
from jaxgen.evaluation import bridge
from jaxgen.evaluation.bridge.measure import both_sides
from jaxgen.transform import Maps, Transform, no_params

LINE, PLANE = bridge.balls([[-4.0], [4.0]], 1.0), bridge.balls([[-4.0, 0.0], [4.0, 0.0]], 2.5)


def of(function, base=None):
    transform = Transform(no_params, Maps(lambda params, z, cond=None: function(z)))
    model = Model(bases.normal((1,)) if base is None else base, transform)
    return bridge.continuous_maps(model, ())


def both(one, sets=LINE, members=(0,), params=(), num=16_384):
    local = bridge.local_bound(jax.random.key(0), one, params, sets, members, num=num)
    return local, bridge.crossings(jax.random.key(1), one, params, sets, members, num=1_024)


MONOTONE = {
    "tanh": lambda z: 4 * jnp.tanh(1.2 * (z - 0.3)),
    "decreasing": lambda z: -4 * jnp.tanh(0.8 * (z + 0.5)),
    "clip": lambda z: jnp.clip(9 * z - 1, -4, 4),
}


@pytest.mark.parametrize("name", MONOTONE)
def test_monotone_maps_of_a_line_meet_the_bound_with_equality(name):
    (one,) = of(MONOTONE[name])
    for members in ((0,), (1,)):
        local, paths = both(one, members=members)
        assert local.ratio == pytest.approx(1, abs=0.04)
        assert abs(local.z) < 4
        assert paths.stretch / paths.least == pytest.approx(1, abs=0.15)
        assert abs(paths.z) < 4


@pytest.mark.parametrize(("shift", "steepness"), [(0.3, 1.2), (-1.2, 0.6)])
def test_scores_of_maps_that_meet_the_bound_are_standard_normal(shift, steepness):
    """The bound is met with equality, so a z that counts the errors of both sides, which share their samples, has mean 0 and deviation 1."""
    rng, scores = np.random.default_rng(0), []
    for _ in range(400):
        z = rng.standard_normal(400)
        slope = np.tanh(steepness * (z - shift))
        away = np.maximum(np.abs(4 * slope + 4) - 1, 0)
        stretch = np.where((away > 0) & (away < 6), 4 * steepness * (1 - slope**2), 0)
        scores.append(both_sides(stretch, away, 6.0).z)
    assert np.mean(scores) == pytest.approx(0, abs=0.2)
    assert np.std(scores) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("family", ["uniform", "logistic"])
def test_other_noise_is_composed_with_its_map_from_a_gaussian(family):
    base = {"uniform": bases.uniform, "logistic": bases.logistic}[family]((1,))
    (one,) = of(lambda z: 4 * jnp.tanh(2 * (z - (0.5 if family == "uniform" else 0.0))), base)
    local, _ = both(one)
    assert local.ratio == pytest.approx(1, abs=0.04)


def test_a_map_that_crosses_the_gap_again_pays_again():
    (one,) = of(lambda z: 4 * jnp.sin(3 * z))
    local, paths = both(one)
    assert local.z > 20
    assert paths.z > 10
    assert paths.stretch == pytest.approx(local.stretch, rel=0.1)


def test_a_direction_that_does_not_matter_and_joint_noise_are_not_exempt():
    line = lambda z: 4 * jnp.tanh(1.5 * z)
    (one,) = of(lambda z: jnp.stack([line(z["latent"][0]), z["latent"][1]]) + 0.3 * z["noise"], bases.latent_and_noise((2,), (2,)))
    assert one.size == 4
    local, paths = both(one, PLANE)
    assert local.z > -4
    assert 0.95 < local.ratio < 1.3
    assert paths.stretch == pytest.approx(local.stretch, rel=0.15)


def test_random_networks_keep_the_bound_and_both_ways_of_measuring_agree():
    net = nets.mlp(2, width=16, depth=2)
    forward = lambda params, z, cond=None: net.apply(params, z, cond)
    model = Model(bases.normal((3,)), Transform(lambda key, z, cond=None: net.init(key, z, cond), Maps(forward)))
    sets, ratios = bridge.balls([[-1.0, 0.0], [1.0, 0.0]], 0.6), []
    for seed in range(4):
        params = jax.tree.map(lambda a: 1.5 * a, model.transform.init(jax.random.key(seed), jnp.zeros(3)))
        (one,) = bridge.continuous_maps(model, params)
        local, paths = both(one, sets, params=params, num=8_192)
        assert local.z > -4
        assert paths.stretch == pytest.approx(local.stretch, abs=5 * np.hypot(local.stretch_stderr, paths.stretch_stderr))
        ratios.append(local.ratio)
    assert max(ratios) > 1.3  # these maps are not all tight


def test_a_jump_crosses_without_stretch_and_is_told_from_a_steep_map():
    (jump,), (steep,) = of(lambda z: 4 * jnp.sign(z - 0.3)), of(lambda z: 4 * jnp.tanh(1e3 * (z - 0.3)))
    for one, share in ((jump, 1.0), (steep, 0.0)):
        local, paths = both(one)
        assert np.isnan(local.z)  # too few hits to speak of
        assert abs(paths.z) < 4
        assert paths.jumps == share


def test_a_mixture_base_is_bounded_within_each_component():
    ones = of(lambda z: z, bases.gaussian_mixture([1.0, 3.0], [[-4.0], [4.0]], 0.5))
    assert [one.weight for one in ones] == pytest.approx([0.25, 0.75])
    locals_ = [both(one)[0] for one in ones]
    assert max(local.bridge for local in locals_) < 0.05  # no component has to cross
    assert all(np.isnan(local.z) or local.z > -4 for local in locals_)


def test_an_index_leaf_is_bounded_within_each_index():
    shift = T.coupling(T.scale_and_shift(), lambda n: nets.mlp(n, width=4, depth=1))
    model = Model(bases.joint({"event": bases.normal((2,)), "index": bases.uniform(())}), T.indexed(bases.normal((2,)), shift, 2))
    params = model.transform.init(jax.random.key(0), model.base.sample(seed=jax.random.key(1)))
    params["logits"] = jnp.log(jnp.asarray([0.25, 0.75]))
    ones = bridge.continuous_maps(model, params)
    assert [one.weight for one in ones] == pytest.approx([0.25, 0.75])
    eps = np.random.default_rng(0).standard_normal((5, ones[1].size)).astype(np.float32)
    expected = [shift.forward(params["inner"], e[:2], jnp.asarray([0.0, 1.0])) for e in eps]
    assert np.allclose(ones[1].events(params, eps), expected, atol=1e-5)


def test_a_base_that_is_no_image_of_a_gaussian_is_refused():
    with pytest.raises(ValueError, match="pieces: base=<_Student>; accepted: a Gaussian"):
        of(lambda z: z, bases.student_t((1,), 3.0))


@pytest.mark.parametrize(
    "base",
    [
        bases.diagonal_gaussian([1.0, -2.0], [0.5, 2.0]),
        bases.full_gaussian([1.0, -2.0], [[1.0, 0.6], [0.6, 2.0]]),
        bases.uniform((2,), -1.0, 3.0),
        bases.model(Model(bases.normal((2,)), T.affine([1.0, -2.0], 3.0)), ()),
        bases.gaussian_mixture([1.0, 3.0], [[-4.0, 0.0], [4.0, 1.0]], 0.5),
    ],
)
def test_the_pieces_of_a_base_have_its_moments(base):
    eps = jax.random.normal(jax.random.key(0), (20_000, 2))
    parts = [(piece.weight, np.asarray(jax.jit(jax.vmap(piece.noise))(eps), np.float64)) for piece in bases.pieces(base)]
    mean = sum(weight * x.mean(0) for weight, x in parts)
    second = sum(weight * x.T @ x / len(x) for weight, x in parts)
    draws = np.asarray(jax.jit(jax.vmap(lambda key: base.sample(seed=key)))(jax.random.split(jax.random.key(1), 20_000)), np.float64)
    assert np.allclose(mean, draws.mean(0), atol=0.1)
    assert np.allclose(second, draws.T @ draws / len(draws), atol=0.4)
