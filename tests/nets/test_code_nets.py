"""Networks of codes: what each output depends on, what they start at, and the forms of one network beside each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets

T, S, COND = jnp.asarray(0.3), jnp.asarray(0.9), jnp.asarray([1.0, 0.0])


def filled(net, *inputs):
    """Params away from their start: a network that starts at zero shows nothing."""
    rng, shapes = np.random.default_rng(0), jax.eval_shape(lambda: net.init(jax.random.key(0), *inputs))
    return jax.tree.map(lambda s: jnp.asarray(0.3 * rng.standard_normal(s.shape), s.dtype), shapes)


@pytest.fixture(scope="module")
def values():
    net, x = nets.code_transformer(4, 3, width=8, depth=2, num_heads=2), jnp.asarray([0.0, 1.0, 3.0, 2.0, 1.0])
    params = filled(net, x, T, COND)
    inputs = {
        "plain": (x, T, COND),
        "t": (x, S, COND),
        "cond": (x, T, COND[::-1]),
        "first": (x.at[0].set(2.0), T, COND),
        "swapped": (x.at[jnp.asarray([0, 1])].set(jnp.asarray([1.0, 0.0])), T, COND),
        "none": (x, T, 0 * COND),
    }
    run = jax.jit(net.apply)
    found = {name: np.asarray(run(params, *i)) for name, i in inputs.items()}
    found["without"] = np.asarray(net.apply(params, x, T))
    return net, params, found


def test_every_output_sees_every_site_the_time_and_the_condition(values):
    net, _, found = values
    assert found["plain"].shape == (5, 3)
    for name in ("t", "cond", "first", "swapped"):
        assert (np.abs(found[name] - found["plain"]).max(1) > 1e-4).all(), name
    x = jnp.zeros(5)
    assert not np.asarray(net.apply(net.init(jax.random.key(0), x, T), x, T)).any()


def test_no_condition_is_the_condition_zero(values):
    np.testing.assert_allclose(values[2]["none"], values[2]["without"], rtol=1e-5, atol=1e-6)


def test_places_enter_by_their_distance_too(values):
    """With the learned places all alike, a turn of the sequence still changes more than the order of the outputs: the rotations see it."""
    _, params, _ = values
    net = nets.code_transformer(4, 3, width=8, depth=2, num_heads=2, reach=0)
    params = {**params, "body": {**params["body"], "place": 0 * params["body"]["place"]}}
    x = jnp.asarray([0.0, 1.0, 3.0, 2.0, 1.0])
    turned, plain = (np.asarray(net.apply(params, a, T, COND)) for a in (jnp.roll(x, 1), x))
    assert np.abs(turned - np.roll(plain, 1, 0)).max() > 1e-4


@pytest.mark.parametrize("reach", [0, 1])
def test_codes_within_reach_enter_a_token_and_the_others_by_attention_only(values, reach):
    """Blocks of zeros add nothing, so what is left is what the tokens hold; at the ends there is nothing beyond."""
    net, x = nets.code_transformer(4, 3, width=8, depth=2, num_heads=2, reach=reach), jnp.asarray([0.0, 1.0, 3.0, 2.0, 1.0])
    params = filled(net, x, T, COND)
    params["body"]["blocks"] = jax.tree.map(jnp.zeros_like, params["body"]["blocks"])
    run = jax.jit(net.apply)
    for site in (0, 2):
        moved = np.abs(run(params, x.at[site].set((x[site] + 1) % 4), T, COND) - run(params, x, T, COND)).max(1) > 1e-5
        assert moved.tolist() == [abs(i - site) <= reach for i in range(5)]


def test_bfloat16_and_remat_are_the_same_network(values):
    _, params, found = values
    x = jnp.asarray([0.0, 1.0, 3.0, 2.0, 1.0])
    for options, tol in (({"remat": True}, 1e-5), ({"dtype": "bfloat16"}, 0.1)):
        other = nets.code_transformer(4, 3, width=8, depth=2, num_heads=2, **options).apply(params, x, T, COND)
        assert other.dtype == jnp.float32
        np.testing.assert_allclose(other, found["plain"], rtol=tol, atol=tol)


@pytest.mark.parametrize(("shape", "make"), [((3,), nets.time_mlp), ((4, 5, 2), nets.time_unet), ((4, 5, 2), nets.time_dit)])
def test_networks_of_numbers_take_codes_and_give_a_row_for_each_site(shape, make):
    sizes = {"width": 4, "depth": 1, **({"num_heads": 1} if make is nets.time_dit else {})}
    net, x = nets.on_codes(make(shape[-1] * 3, **sizes), 4, 3), jnp.zeros(shape)
    params, y = jax.eval_shape(lambda: ((p := net.init(jax.random.key(0), x, T, COND)), net.apply(p, x, T, COND)))
    assert y.shape == (*shape, 3) and params["codes"]["Dense_0"]["kernel"].shape == (4, 4)


def test_a_row_of_outputs_belongs_to_its_site():
    """An image's network that copies its channels gives back the table's rows, each at its own site and channel."""
    net = nets.on_codes(nets.Net(lambda key, x: (), lambda params, x: x), 3, 3)
    x = jnp.asarray(np.random.default_rng(0).integers(0, 3, (2, 2, 2)), jnp.float32)
    params = net.init(jax.random.key(0), x)
    table = np.asarray(params["codes"]["Dense_0"]["kernel"])
    np.testing.assert_array_equal(net.apply(params, x), table[np.asarray(x, int)])


def test_a_timeless_network_does_not_see_the_time():
    net, x = nets.timeless(nets.mlp(2, width=4)), jnp.ones(3)
    params = filled(net, x, T, COND)
    np.testing.assert_array_equal(net.apply(params, x, T, COND), net.apply(params, x, S, COND))
    assert not np.array_equal(net.apply(params, x, T, COND), net.apply(params, x, T, COND[::-1]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nets.code_transformer(1, 2), "code_transformer: num_codes=1"),
        (lambda: nets.code_transformer(3, 2, reach=-1), "code_transformer: reach=-1; accepted: an integer of at least 0"),
        (
            lambda: nets.code_transformer(3, 2, width=6, num_heads=2),
            "code_transformer: width=6 with num_heads=2; accepted: a multiple of twice",
        ),
        (
            lambda: nets.code_transformer(3, 2).init(jax.random.key(0), jnp.zeros((2, 2, 1)), T),
            "code_transformer: event of shape.*a vector",
        ),
        (lambda: nets.on_codes(nets.mlp(2), 0, 2), "on_codes: num_codes=0"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
