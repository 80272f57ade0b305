"""Samplers of discrete data by enumeration in float64: their outputs' distributions, their densities, and how fast few steps become many."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import Density, Model, bases, log_prob, sample
from jaxgen import transforms as T
from jaxgen.paths import discrete as D

K, N = 3, 2
PATHS = {
    "masked": D.masked(K),
    "cosine": D.masked(K, D.cosine()),
    "remasked": D.remasked(D.masked(K), 0.8),
    "uniform": D.uniform(K),
    "metric": D.metric(K, scale=0.7),
}
TABLE = np.random.default_rng(0).normal(size=(K,) * N)
JOINT = np.exp(TABLE) / np.exp(TABLE).sum()
DATA = np.array(list(itertools.product(range(K), repeat=N)), float)


def init(key, z, cond=None):
    return jnp.zeros((K,) * N, z.dtype)


def chain(name, num_steps, factory=T.discrete_ancestral, **options):
    return Model(bases.uniform((num_steps + 1, N)), factory(init, D.tabular(PATHS[name]), num_steps, **options))


@functools.cache
def output(name, num_steps, corrector=None):
    """The distribution `(K^N,)` of a chain's samples, by products of its transition matrices, which its own steps give."""
    path = PATHS[name]
    factory, options = (T.discrete_ancestral, {}) if corrector is None else (T.tau_leaping, {"corrector": corrector})
    step = transition(factory, path, num_steps, options)
    states = jnp.asarray(list(itertools.product(range(path.num_states), repeat=N)), float)

    @jax.jit
    def run(table):
        start = jnp.prod(jnp.sum(path.prior_at(states) * D.one_hot(states, path.num_states), -1), -1)
        ts = jnp.linspace(0, 1, num_steps + 1)

        def one(p, times):
            rows = jax.vmap(lambda x: step(table, x, *times, None))(states)
            moves = jnp.prod(jnp.stack([rows[:, i, states[:, i].astype(int)] for i in range(N)]), 0)
            return p @ moves, None

        return jax.lax.scan(one, start, (ts[:-1], ts[1:]))[0]

    p = np.asarray(run(jnp.asarray(TABLE)))
    is_data = np.asarray((states < K).all(1))
    assert p[~is_data].max(initial=0) < 1e-12
    return p[is_data]


def transition(factory, path, num_steps, options):
    """The step of a factory's chain, read where the factory hands it over."""
    held = {}
    module = __import__(factory.__module__, fromlist=["chain_of"])
    before = module.chain_of

    def caught(name, init, prediction, step, num_steps, noising):
        held["step"] = step
        return before(name, init, prediction, step, num_steps, noising)

    module.chain_of = caught
    try:
        factory(init, D.tabular(path), num_steps, **options)
    finally:
        module.chain_of = before
    return held["step"]


FIRST_ORDER = [("masked", None), ("uniform", None), ("masked", 0.0), ("masked", 0.5), ("metric", 0.0)]
SLOWER = [("remasked", None), ("uniform", 0.0), ("uniform", 0.5)]
"""Close to the data the factor of the rates of a mixture path is not small in a step of t, and remasked sites are filled late."""


def gap(name, num_steps, corrector):
    """Total variation of a sampler's output to the data."""
    with jax.enable_x64(True):
        return np.abs(output(name, num_steps, corrector) - JOINT.ravel()).sum() / 2


@pytest.mark.parametrize(("name", "corrector"), FIRST_ORDER + SLOWER)
def test_few_steps_converge_to_the_data(name, corrector):
    """One step gives the product of the sites' marginals; with many, the error halves with the step."""
    product = np.outer(JOINT.sum(1), JOINT.sum(0)).ravel()
    assert gap(name, 1, corrector) == pytest.approx(np.abs(product - JOINT.ravel()).sum() / 2, rel=1e-5)
    coarse, fine = (gap(name, n, corrector) for n in (32, 128))
    assert fine < 0.05 * gap(name, 1, corrector)
    if (name, corrector) in FIRST_ORDER:
        assert np.log2(coarse / fine) / 2 == pytest.approx(1, abs=0.08)
    else:
        assert fine < 0.75 * coarse


@pytest.mark.parametrize(
    ("name", "factory", "options"),
    [
        ("masked", T.discrete_ancestral, {}),
        ("uniform", T.discrete_ancestral, {}),
        ("uniform", T.tau_leaping, {"corrector": 0.3}),
        ("masked", T.tau_leaping, {}),
    ],
)
def test_importance_weights_of_a_chain_average_to_its_output_and_its_bound_is_below(name, factory, options):
    """The mean of exp(log_prob) over the noising chain is the probability of each datum under the sampler; its log is above the bound."""
    steps, num = 3, 6_000
    with jax.enable_x64(True):
        model = chain(name, steps, factory, **options)
        truth = output(name, steps, options.get("corrector", 0.0) if factory is T.tau_leaping else None)
        x = jnp.repeat(jnp.asarray(DATA), num, 0)
        logs = np.asarray(log_prob(model, jnp.asarray(TABLE), x, key=jax.random.key(0)).value).reshape(-1, num)
        drawn = np.asarray(sample(jax.random.key(1), model, jnp.asarray(TABLE), 40_000))
    weights = np.exp(logs)
    stderr = weights.std(1) / np.sqrt(num)
    assert (stderr < 0.08 * truth).all()
    assert (np.abs(weights.mean(1) - truth) < 4.5 * stderr + 1e-12).all()
    # Jensen's gap by enumeration: what the bound loses.
    gap = np.log(truth) - logs.mean(1)
    assert (gap > -4 * logs.std(1) / np.sqrt(num)).all() and gap.max() > 0.01
    counts = np.bincount((drawn @ [K, 1]).astype(int), minlength=K**N)
    assert (((counts - 40_000 * truth) ** 2) / (40_000 * truth)).sum() < 30  # chi-squared with eight degrees of freedom


def test_the_chains_of_remasking_show_the_datum_only_so_their_weights_stay_below():
    """A sampler may fill a site, mask it again and fill it with another category; the noising chain never goes there, so the bound holds."""
    with jax.enable_x64(True):
        model, truth = chain("remasked", 3), output("remasked", 3)
        x = jnp.repeat(jnp.asarray(DATA), 2_000, 0)
        weights = np.exp(np.asarray(log_prob(model, jnp.asarray(TABLE), x, key=jax.random.key(0)).value)).reshape(-1, 2_000)
        drawn = np.asarray(sample(jax.random.key(1), model, jnp.asarray(TABLE), 40_000))
    share = weights.mean(1) / truth
    assert (share > 0.4).all() and (share < 0.95).all()
    counts = np.bincount((drawn @ [K, 1]).astype(int), minlength=K**N)
    assert (((counts - 40_000 * truth) ** 2) / (40_000 * truth)).sum() < 30


def test_any_order_is_exact_and_agrees_over_orders_with_the_table():
    with jax.enable_x64(True):
        for order in (None, [1, 0]):
            model = Model(bases.uniform((N,)), T.any_order(init, D.tabular(PATHS["cosine"]), order))
            value = log_prob(model, jnp.asarray(TABLE), jnp.asarray(DATA))
            assert value.density is Density.EXACT
            np.testing.assert_allclose(value.value, np.log(JOINT).ravel(), rtol=1e-10)
        together = Model(bases.uniform((N,)), T.any_order(init, D.tabular(PATHS["masked"]), num_steps=1))
        product = np.log(np.outer(JOINT.sum(1), JOINT.sum(0))).ravel()
        np.testing.assert_allclose(log_prob(together, jnp.asarray(TABLE), jnp.asarray(DATA)).value, product, rtol=1e-10)


def wrong_in_time(params, x, t, cond=None):
    """A network whose conditionals do not fit together, and which reads the time."""
    seen = jnp.sum(jnp.where(x < K, x + 1, 0)) + 2 * t
    return jnp.stack([jnp.sin(seen), jnp.cos(2 * seen), 0.3 * seen], -1)[None].repeat(x.shape[0], 0)


def test_a_drawn_order_gives_a_bound_whose_weights_average_to_the_samples():
    """Of a network whose orders disagree: E exp(log_prob) is the sampler's distribution, and the mean of log_prob is below its log."""
    read, num = D.prediction(PATHS["cosine"], wrong_in_time), 8_000
    with jax.enable_x64(True):
        model = Model(bases.joint({"order": bases.uniform((N,)), "sites": bases.uniform((N,))}), T.first_hitting(init, read))
        x = jnp.repeat(jnp.asarray(DATA), num, 0)
        value = log_prob(model, (), x, key=jax.random.key(0))
        weights = np.exp(np.asarray(value.value)).reshape(-1, num)
        drawn = np.asarray(sample(jax.random.key(1), model, (), 40_000))
    assert value.density is Density.LOWER_BOUND
    p, stderr = weights.mean(1), weights.std(1) / np.sqrt(num)
    assert abs(p.sum() - 1) < 4 * np.sqrt((stderr**2).sum())
    assert (np.log(p) - np.log(weights).mean(1)).max() > 1e-3
    frequencies = np.bincount((drawn @ [K, 1]).astype(int), minlength=K**N) / 40_000
    assert (np.abs(frequencies - p) < 4.5 * np.sqrt(stderr**2 + p / 40_000)).all()


def test_known_sites_are_kept_and_the_others_follow_their_conditional_distribution():
    given = D.infilled(D.tabular(PATHS["masked"]), [False, True], [0.0, 2.0])
    conditional = JOINT[:, 2] / JOINT[:, 2].sum()
    with jax.enable_x64(True):
        model = Model(bases.uniform((N,)), T.any_order(init, given))
        value = np.asarray(log_prob(model, jnp.asarray(TABLE), jnp.asarray(DATA)).value).reshape(K, K)
        np.testing.assert_allclose(value[:, 2], np.log(conditional), rtol=1e-10)
        assert (value[:, :2] == -np.inf).all()
        few = Model(bases.uniform((5, N)), T.discrete_ancestral(init, given, 4))
        drawn = np.asarray(sample(jax.random.key(0), few, jnp.asarray(TABLE), 20_000))
    assert (drawn[:, 1] == 2).all()
    counts = np.bincount(drawn[:, 0].astype(int), minlength=K)
    assert (((counts - 20_000 * conditional) ** 2) / (20_000 * conditional)).sum() < 18  # two degrees of freedom


def test_images_are_revealed_in_raster_order_and_groups_cover_the_event():
    net = lambda params, x, t, cond=None: jnp.zeros((*x.shape, 2))
    read = D.prediction(D.masked(2), net)
    f = T.any_order(init, read, num_steps=4)
    stages = f.hooks.stages((), jnp.full((3, 2, 1), 0.7))
    assert f.hooks.nfe((), jnp.zeros((3, 2, 1))) == 4
    masks = (np.asarray(stages).reshape(4, 6) == 2).sum(1)
    assert masks.tolist() == [4, 3, 1, 0] and (np.asarray(stages)[0].ravel()[:2] == 1).all()


def ones_by_time(params, x, t, cond=None):
    """A network that says the time it is asked at: each site is 1 with probability t."""
    return jnp.log(jnp.maximum(jnp.stack([1 - t, t]), 1e-30)) + jnp.zeros((*x.shape, 2))


def test_sites_are_asked_for_at_the_times_at_which_the_path_reveals_them():
    """On the cosine path: of `first_hitting` at the time of each group's first site, of `any_order` when as many are known on average."""
    path = D.masked(2, D.cosine())
    read, u = D.prediction(path, ones_by_time), np.asarray([0.8, 0.1, 0.5, 0.3])
    for num, first in ((None, u), (2, np.asarray([0.5, 0.1, 0.5, 0.1]))):
        f = T.first_hitting(init, read, num_steps=num)
        times = 4 / np.pi * np.arcsin(np.sqrt(first / 2))
        for above in (False, True):
            sites = 1 - times + (1e-3 if above else -1e-3)
            drawn = f.forward((), {"order": jnp.asarray(u, jnp.float32), "sites": jnp.asarray(sites, jnp.float32)})
            assert drawn.tolist() == [float(above)] * 4
    model = Model(bases.uniform((4,)), T.any_order(init, read, [2, 0, 3, 1]))
    times = 4 / np.pi * np.arcsin(np.sqrt(np.asarray([1, 3, 0, 2]) / 4 / 2))
    x = jnp.asarray([[1.0, 1.0, 0.0, 1.0]])
    np.testing.assert_allclose(log_prob(model, (), x).value, np.log(times[[0, 1, 3]]).sum(), rtol=1e-4)


def test_a_number_that_is_no_code_has_no_probability():
    for model in (chain("masked", 2), Model(bases.uniform((N,)), T.any_order(init, D.tabular(PATHS["masked"])))):
        value = log_prob(
            model, jnp.asarray(TABLE, jnp.float32), jnp.asarray([[0.0, 0.5], [3.0, 0.0], [-1.0, 1.0]]), key=jax.random.key(0)
        ).value
        assert (np.asarray(value) == -np.inf).all()


def test_kinds_are_stated():
    leap = T.tau_leaping(init, D.tabular(PATHS["metric"]), 2)
    assert leap.kind is Density.IMPLICIT and leap.inverse is None and set(leap.parts) == {"probabilities"}
    assert chain("uniform", 2).transform.kind is Density.LOWER_BOUND


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.discrete_ancestral(init, D.tabular(PATHS["metric"]), 2), "discrete_ancestral: prediction.path=one without a reversal"),
        (lambda: T.discrete_ancestral(init, D.tabular(PATHS["masked"]), 0), "discrete_ancestral: num_steps=0"),
        (lambda: T.tau_leaping(init, D.tabular(PATHS["metric"]), 2, corrector=0.5), "tau_leaping: corrector=0.5 on a path without"),
        (lambda: T.tau_leaping(init, D.tabular(PATHS["uniform"]), 2, corrector=-1.0), "tau_leaping: corrector=-1.0"),
        (lambda: T.any_order(init, D.tabular(PATHS["uniform"])), "any_order: prediction.path=one without a mask"),
        (lambda: T.any_order(init, D.tabular(PATHS["masked"]), [0, 2]), r"any_order: order=\[0, 2\]; accepted: a permutation"),
        (lambda: T.any_order(init, D.tabular(PATHS["masked"]), [0]).forward(TABLE, jnp.zeros(2)), "order of 1 sites for an event of 2"),
        (lambda: T.first_hitting(init, D.tabular(PATHS["masked"]), num_steps=0), "first_hitting: num_steps=0"),
        (lambda: T.any_order(init, D.tabular(PATHS["masked"]), num_steps=3).forward(TABLE, jnp.zeros(2)), "num_steps=3 for an event of 2"),
        (lambda: chain("masked", 2).transform.inverse(TABLE, jnp.zeros(2)), "discrete_ancestral.inverse: key=None"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
