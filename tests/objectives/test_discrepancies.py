"""Objectives from samples alone: closed forms, gradients against finite differences, bias, the sign, and what is refused."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, evaluation, nets, objectives
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, PairingError
from jaxgen.objectives import discrepancies as D
from jaxgen.objectives import fields

KEY, CLOCK = jax.random.key(0), Clock(jnp.asarray(0), jnp.asarray(10), None)
DISCREPANCIES = {
    "energy": D.energy_distance(),
    "gaussian": D.squared_mmd("gaussian", (0.2, 1.0)),
    "laplace": D.squared_mmd("laplace", (0.7,)),
    "inverse_multiquadric": D.squared_mmd("inverse_multiquadric", (0.7,)),
    "sliced": D.squared_sliced_w2(5),
    "max_sliced": D.squared_max_sliced_w2(16, 20),
    "sinkhorn": D.sinkhorn_of_squares(0.3, 1e-12, 5_000),
}
OBJECTIVES = {
    "energy": objectives.energy,
    "mmd": objectives.mmd,
    "sliced_wasserstein": objectives.sliced_wasserstein,
    "max_sliced_wasserstein": objectives.max_sliced_wasserstein,
    "sinkhorn_divergence": objectives.sinkhorn_divergence,
    "drifting": objectives.drifting,
    "score_difference": lambda model, **o: objectives.drift_field(model, fields.score_difference(0.5), **o),
}
over = pytest.mark.parametrize("name", DISCREPANCIES)


def shifting(dim=2, scale=1.0):
    """The model that adds `params` to its noise."""
    return Model(bases.normal((dim,)), T.flow_map(lambda *a: jnp.zeros(()), lambda params, x, t, s, cond=None: params * scale + 0 * x))


@over
def test_the_gradient_is_the_finite_difference(name, x64):
    """A wrong sign, a forgotten factor of a symmetric term or a plan that is differentiated would show."""
    rng = np.random.default_rng(3)
    with x64():
        x, y, way = (jnp.asarray(a) for a in rng.standard_normal((3, 7, 2)))
        value = jax.jit(lambda x, even: DISCREPANCIES[name](KEY, x, y, even), static_argnums=1)
        slope = jax.jit(jax.grad(lambda x, even: DISCREPANCIES[name](KEY, x, y, even)), static_argnums=1)
        for even in (False, True):
            step = 1e-5
            difference = (value(x + step * way, even) - value(x - step * way, even)) / (2 * step)
            np.testing.assert_allclose(jnp.sum(slope(x, even) * way), difference, rtol=2e-6)


@over
def test_samples_that_are_the_data_have_no_discrepancy(name):
    """Here x is a permutation of y. Energy and MMD are below zero then, as no row meets itself, and by half as much if those of x do."""
    y = jnp.asarray(np.random.default_rng(1).standard_normal((16, 3)), jnp.float32)
    x = y[::-1]
    if name in ("energy", "gaussian", "laplace", "inverse_multiquadric"):
        without, itself = (DISCREPANCIES[name](KEY, x, y, even) for even in (False, True))
        np.testing.assert_allclose(itself, without / 2, rtol=2e-3)
        assert without < -1e-3
    else:
        assert abs(DISCREPANCIES[name](KEY, x, y)) < 1e-5


def test_mmd_and_energy_by_loops(x64):
    rng = np.random.default_rng(2)
    with x64():
        x, y = rng.standard_normal((4, 2)), rng.standard_normal((4, 2)) + 1

        def by_loops(k):
            def pairs(a, b, but):
                return np.mean([k(np.linalg.norm(p - q)) for i, p in enumerate(a) for j, q in enumerate(b) if not (but and i == j)])

            return pairs(x, x, True) + pairs(y, y, True) - 2 * pairs(x, y, False)

        unit = np.mean([np.linalg.norm(p - q) for p, q in itertools.permutations(y, 2)])
        kernels = {
            "energy": lambda r: -r,
            "gaussian": lambda r: np.mean([np.exp(-((r / (w * unit)) ** 2) / 2) for w in (0.2, 1.0)]),
            "laplace": lambda r: np.exp(-r / (0.7 * unit)),
            "inverse_multiquadric": lambda r: (1 + (r / (0.7 * unit)) ** 2) ** -0.5,
        }
        for name, kernel in kernels.items():
            np.testing.assert_allclose(DISCREPANCIES[name](KEY, jnp.asarray(x), jnp.asarray(y)), by_loops(kernel), rtol=1e-12)


@pytest.mark.parametrize("name", ["energy", "gaussian"])
def test_independent_samples_estimate_without_bias(name, x64):
    """The mean over every draw of two samples from three points is the discrepancy of their law, the data held fixed."""
    with x64():
        points, y = jnp.asarray([[0.0, 0.0], [1.0, 0.5], [0.2, 2.0]]), jnp.asarray([[0.0, 1.0], [1.0, 1.0]])
        draws = jnp.asarray([[points[i], points[j]] for i in range(3) for j in range(3)])
        estimates = jax.vmap(lambda x: DISCREPANCIES[name](KEY, x, y))(draws)
        # For the law of three points every pair counts, also that of a point with itself. The data are at a distance of 1.
        similarity = (lambda r: -r) if name == "energy" else (lambda r: (np.exp(-((r / 0.2) ** 2) / 2) + np.exp(-(r**2) / 2)) / 2)
        far = lambda a, b: np.linalg.norm(np.asarray(a)[:, None] - np.asarray(b)[None], axis=-1)
        expected = similarity(far(points, points)).mean() + similarity(1.0) - 2 * similarity(far(points, y)).mean()
        np.testing.assert_allclose(estimates.mean(), expected, rtol=1e-12)


def test_sliced_distances_of_a_shift_and_a_stretch(x64):
    with x64():
        y = jnp.asarray(np.random.default_rng(0).standard_normal((64, 1)))
        for squared in (D.squared_sliced_w2(3), D.squared_max_sliced_w2(3, 2)):
            # In one dimension the plan of an increasing map is that map.
            np.testing.assert_allclose(squared(KEY, 0.5 + 2 * y[::-1], y), np.mean((0.5 + y) ** 2), rtol=1e-12)
        y = jnp.asarray(np.random.default_rng(0).standard_normal((200, 3)))
        shift = jnp.asarray([1.0, -2.0, 0.5])
        np.testing.assert_allclose(D.squared_max_sliced_w2(8, 5)(KEY, y + shift, y), jnp.sum(shift**2), rtol=1e-9)
        x = y @ jnp.asarray([[1.0, 0.5, 0], [0, 1, 0], [0, 0, 2.0]])
        found = float(D.squared_sliced_w2(4_000)(KEY, x, y))
        np.testing.assert_allclose(found, evaluation.sliced_w2(np.asarray(x), np.asarray(y), num_projections=4_000) ** 2, rtol=0.1)


def test_the_largest_slice_finds_one_direction_of_many():
    """Of 30 coordinates one is stretched: 2,000 random directions hardly see what the search finds."""
    rng = np.random.default_rng(0)
    y = jnp.asarray(rng.standard_normal((400, 30)), jnp.float32)
    x = y.at[:, 7].multiply(3.0)
    found = float(D.squared_max_sliced_w2(64, 20)(KEY, x, y))
    np.testing.assert_allclose(found, np.mean((2 * np.asarray(y[:, 7])) ** 2), rtol=0.05)
    assert found > 20 * float(D.squared_sliced_w2(2_000)(KEY, x, y))


def test_the_sinkhorn_divergence_between_its_two_limits(x64):
    """A small epsilon gives the squared W2 of the best pairing, a large one the squared distance of the means."""
    rng = np.random.default_rng(0)
    with x64():
        x, y = jnp.asarray(rng.standard_normal((12, 2))), jnp.asarray(1 + 2 * rng.standard_normal((12, 2)))
        small, large = (float(D.sinkhorn_of_squares(e, 1e-9, 20_000)(KEY, x, y)) for e in (1e-3, 1e4))
        np.testing.assert_allclose(small, evaluation.w2(np.asarray(x), np.asarray(y)) ** 2, rtol=1e-2)
        np.testing.assert_allclose(large, jnp.sum((x.mean(0) - y.mean(0)) ** 2), rtol=1e-3)
        middle = float(D.sinkhorn_of_squares(0.3, 1e-9, 20_000)(KEY, x, y))
        assert large < middle < small


@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_shifted_model_is_pulled_to_the_data(name, stratified):
    """The gradient by the shift falls while the samples lie below the data and rises above; where they agree it is smaller."""
    objective = OBJECTIVES[name](shifting(), stratified=stratified)
    batch = Batch(jnp.asarray(np.random.default_rng(0).standard_normal((128, 2)), jnp.float32))
    params, aux = objective.init(KEY, jnp.zeros(()), batch)
    slope = jax.jit(jax.grad(lambda p: objective.loss(p, aux, KEY, batch, CLOCK)[0]))
    assert float(slope(params - 1.5)) < 0 < float(slope(params + 1.5))


@pytest.mark.parametrize("name", ["energy", "mmd", "sliced_wasserstein"])
def test_stratified_noise_makes_the_estimate_vary_less(name):
    batch = Batch(jnp.asarray(np.random.default_rng(0).standard_normal((64, 2)), jnp.float32))

    def deviation(stratified):
        objective = OBJECTIVES[name](shifting(), stratified=stratified)
        slope = jax.grad(lambda p, k: objective.loss(p, (), k, batch, CLOCK)[0])
        return np.std(jax.jit(jax.vmap(lambda k: slope(jnp.asarray(0.3), k)))(jax.random.split(KEY, 100)))

    assert deviation(True) < deviation(False) / 2


def test_a_field_of_descent_gives_the_gradient_of_its_discrepancy(x64):
    """The energy distance is homogeneous, so in units of length u the drift's gradient is 2 / (d u) times its own."""
    model = shifting(3)
    with x64():
        batch = Batch(jnp.asarray(np.random.default_rng(0).standard_normal((16, 3)) + 1))
        drifting = objectives.drift_field(model, fields.descent(D.energy_distance()), normalise=False)
        found, own = (
            jax.grad(lambda p, f=f: f.loss(p, (), KEY, batch, CLOCK)[0])(jnp.asarray(0.2)) for f in (drifting, objectives.energy(model))
        )
        x = np.asarray(model.base.sample(seed=jax.random.split(KEY)[0], sample_shape=(16,))) + 0.2
        unit = np.mean(np.linalg.norm(x[:, None] - np.asarray(batch.x)[None], axis=-1)) / np.sqrt(3)
        np.testing.assert_allclose(found, 2 / (3 * unit) * own, rtol=1e-9)


def test_the_score_difference_by_loops(x64):
    rng = np.random.default_rng(0)
    with x64():
        x, y, c = rng.standard_normal((5, 2)), rng.standard_normal((5, 2)), rng.standard_normal((5, 1))

        def score(i, others, but):
            far = np.sum((x[i] - others) ** 2, 1) + np.sum((c[i] - c) ** 2, 1)
            weights = np.exp(-far / (2 * 0.4**2)) * (np.arange(5) != (i if but else -1))
            return weights @ (others - x[i]) / weights.sum() / 0.4**2

        found = fields.score_difference(0.4).evaluate((), KEY, *(jnp.asarray(a) for a in (x, y, c)))
        np.testing.assert_allclose(found, [score(i, y, False) - score(i, x, True) for i in range(5)], rtol=1e-9)


def test_a_critic_is_a_field_and_learns_the_log_ratio():
    """f(x) = b x: the drift pulls along b, and b is pushed up by data above the samples; the optimum's sign is that of log p - log q."""
    line = nets.Net(lambda key, x, cond: jnp.asarray(0.5), lambda b, x, cond: jnp.sum(b * x, keepdims=True))
    objective = objectives.drift_field(shifting(1), fields.critic(line), normalise=False)
    batch = Batch(jnp.asarray(2 + np.random.default_rng(0).standard_normal((64, 1)), jnp.float32))
    params, aux = objective.init(KEY, jnp.zeros(()), batch)
    assert jax.tree.leaves(aux) == [0.5]
    slope, of_critic = jax.jit(jax.grad(lambda p, a: objective.loss(p, a, KEY, batch, CLOCK)[0], (0, 1)))(params, aux)
    x = np.asarray(shifting(1).base.sample(seed=jax.random.split(KEY)[0], sample_shape=(64,)))
    unit = np.mean(np.abs(x - np.asarray(batch.x).T))
    np.testing.assert_allclose(slope, -2 * 0.5 / unit, rtol=1e-5)
    real, fake = np.asarray(batch.x)[:, 0] / unit, x[:, 0] / unit
    sigmoid = lambda a: 1 / (1 + np.exp(-a))
    np.testing.assert_allclose(of_critic[0], np.mean(-sigmoid(-0.5 * real) * real + sigmoid(0.5 * fake) * fake) + 0.1 * 0.5, rtol=1e-4)


def categorical():
    return Model(bases.uniform((2,)), T.autoregressive(T.categorical(3), nets.made(3, width=4, depth=1)))


def game(model):
    return objectives.adversarial(model, nets.mlp(1, width=4, depth=1))


@pytest.mark.parametrize("name", [*OBJECTIVES, "game"])
def test_a_category_has_no_gradient_along_samples_and_is_refused(name):
    model, batch = categorical(), Batch(jnp.zeros((8, 2)))
    params = model.transform.init(KEY, jnp.zeros(2))
    with pytest.raises(PairingError, match="model=one whose samples are piecewise constant in its params.*a category has none"):
        (OBJECTIVES | {"game": game})[name](model).init(KEY, params, batch)
    # A model without params has nothing to train, and nothing to refuse.
    (OBJECTIVES | {"game": game})[name](Model(bases.normal((2,)), T.affine(0.0, 1.0))).init(KEY, (), batch)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: objectives.mmd(shifting(), "cubic"), "mmd: kernel='cubic'; accepted: gaussian, laplace, inverse_multiquadric"),
        (lambda: objectives.mmd(shifting(), widths=()), r"mmd: widths=\(\)"),
        (lambda: objectives.mmd(shifting(), widths=0.3), r"mmd: widths=0\.3; accepted: one or more positive numbers"),
        (lambda: objectives.mmd(shifting(), widths=(0.1, -1.0)), r"mmd: widths=-1\.0"),
        (lambda: objectives.sliced_wasserstein(shifting(), 0), "sliced_wasserstein: num_directions=0"),
        (lambda: objectives.max_sliced_wasserstein(shifting(), 3, 0), "max_sliced_wasserstein: num_steps=0"),
        (lambda: objectives.sinkhorn_divergence(shifting(), 0.0), r"sinkhorn_divergence: epsilon=0\.0"),
        (lambda: objectives.sinkhorn_divergence(shifting(), max_iterations=0), "max_iterations=0"),
        (lambda: objectives.drift_field(shifting(), ()), r"drift_field: fields=\(\)"),
        (lambda: objectives.drift_field(shifting(), (print,)), "drift_field: fields=.*accepted: one or more of jaxgen.objectives.fields"),
        (lambda: fields.one_step_transport(0.0), r"one_step_transport: temperature=0\.0"),
        (lambda: fields.score_difference(-1.0), r"score_difference: width=-1\.0"),
        (lambda: fields.critic(nets.mlp(1), -0.1), r"critic: penalty=-0\.1"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
