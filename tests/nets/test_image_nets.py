"""Networks on images: any size, what they start at, what they depend on, bfloat16 and remat beside the plain form, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets
from jaxgen.nets.conditioned import GroupNorm

T, S, COND = jnp.asarray(0.3), jnp.asarray(0.9), jnp.asarray([1.0, 0.0])
MAKES = {"unet": nets.unet, "dit": lambda out, **options: nets.dit(out, num_heads=2, **options)}
TIMES = ((), (T,), (T, S))


def filled(net, *inputs):
    """Params drawn around a tenth of one: a network that starts at zero shows nothing."""
    rng, shapes = np.random.default_rng(0), jax.eval_shape(lambda: net.init(jax.random.key(0), *inputs))
    return jax.tree.map(lambda s: jnp.asarray(0.3 * rng.standard_normal(s.shape), s.dtype), shapes)


@pytest.mark.parametrize("name", MAKES)
@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 9, 3), (64, 33, 2)])
def test_any_size_keeps_its_own(name, shape):
    for times in TIMES if shape[2] == 3 else TIMES[1:2]:
        net, x = MAKES[name](2, num_times=len(times), width=8, depth=1), jnp.zeros(shape)
        out, params = jax.eval_shape(
            lambda net=net, x=x, times=times: (net.apply(p := net.init(jax.random.key(0), x, *times), x, *times), p)
        )
        assert out.shape == (*shape[:2], 2) and out.dtype == jnp.float32
        assert all(p.dtype == jnp.float32 for p in jax.tree.leaves(params))


@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 9, 3), (28, 28, 1)])
def test_the_players_of_a_game_take_any_size(shape):
    def play(key):
        generator, critic = nets.image_generator(shape, width=4), nets.image_critic(width=4)
        z, x = jnp.zeros(3), jnp.zeros(shape)
        picture = generator.apply(generator.init(key, z, COND), z, COND)
        return picture, critic.apply(critic.init(key, x, COND), picture, COND)

    picture, score = jax.eval_shape(play, jax.random.key(0))
    assert picture.shape == shape and score.shape == (1,)


@pytest.fixture(scope="module", params=MAKES)
def values(request):
    """Outputs of one network in two times under changes of a single input each, compiled once."""
    make = MAKES[request.param]
    x = jnp.asarray(np.random.default_rng(1).standard_normal((6, 5, 1)), jnp.float32)
    net = make(1, num_times=2, width=8, depth=2)
    params = filled(net, x, T, S, COND)
    run = jax.jit(net.apply)
    corner = x.at[0, 0, 0].add(1.0)
    inputs = {"plain": (x, T, S, COND), "t": (x, S, S, COND), "s": (x, T, T, COND), "x": (corner, T, S, COND), "null": (x, T, S, 0 * COND)}
    found = {name: np.asarray(run(params, *i)) for name, i in inputs.items()}
    found["none"] = np.asarray(jax.jit(lambda p: net.apply(p, x, T, S))(params))
    others = {"remat": {"remat": True}, "bfloat16": {"dtype": "bfloat16"}}
    found |= {k: np.asarray(jax.jit(make(1, num_times=2, width=8, depth=2, **o).apply)(params, x, T, S, COND)) for k, o in others.items()}
    found["start"] = np.asarray(jax.jit(lambda k: net.apply(net.init(k, x, T, S, COND), x, T, S, COND))(jax.random.key(0)))
    return found


def test_everything_depends_on_every_input_and_no_condition_is_the_null_one(values):
    for name in ("t", "s", "x", "null"):
        assert np.all(values[name] != values["plain"]), name
    np.testing.assert_allclose(values["none"], values["null"], rtol=1e-5, atol=1e-5)


def test_it_starts_at_zero_and_options_of_speed_keep_the_function(values):
    assert not values["start"].any()
    np.testing.assert_allclose(values["remat"], values["plain"], rtol=1e-4, atol=1e-4)
    apart = np.abs(values["bfloat16"] - values["plain"]).max() / np.abs(values["plain"]).max()
    assert 0 < apart < 0.1 and values["bfloat16"].dtype == np.float32


def test_a_patch_without_attention_sees_itself_only():
    """At the start every block of the transformer is the identity: with a last layer of its own, patches are maps of themselves."""
    net, x = nets.dit(1, width=8, depth=1, num_heads=1, patch=2), jnp.ones((4, 6, 1))
    params = jax.jit(net.init)(jax.random.key(0), x)
    last = max(params["body"], key=lambda name: params["body"][name]["kernel"].shape[-1] == 4 if name.startswith("Dense") else -1)
    params["body"][last]["kernel"] = jnp.asarray(np.random.default_rng(0).standard_normal((8, 4)), jnp.float32)
    seen = np.abs(jax.jit(jax.jacfwd(lambda x: net.apply(params, x)))(x)).reshape(4, 6, 4, 6) > 0
    rows, columns = np.arange(4) // 2, np.arange(6) // 2
    same = (rows[:, None] == rows)[:, None, :, None] & (columns[:, None] == columns)[None, :, None, :]
    np.testing.assert_array_equal(seen, same)


def test_blocks_of_the_transformer_are_scanned():
    def size(depth):
        net, x = nets.dit(1, width=8, depth=depth, num_heads=2), jnp.zeros((4, 4, 1))
        return len(str(jax.make_jaxpr(lambda: net.apply(net.init(jax.random.key(0), x), x))()).splitlines())

    assert size(2) == size(7)


def test_group_norm_leaves_each_group_with_mean_zero_and_variance_one():
    h = jnp.asarray(3 + 5 * np.random.default_rng(0).standard_normal((6, 7, 12)), jnp.float32)
    y = np.asarray(GroupNorm(affine=False).apply({}, h)).reshape(6, 7, 3, 4)
    np.testing.assert_allclose(y.mean((0, 1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((0, 1, 3)), 1, rtol=1e-3)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="dtype='float16'; accepted"):
        nets.unet(1, dtype="float16")
    with pytest.raises(ValueError, match="width=10 with num_heads=4"):
        nets.dit(1, width=10, num_heads=4)
    with pytest.raises(ValueError, match="unet: depth=0"):
        nets.unet(1, depth=0)
    with pytest.raises(ValueError, match="image_critic: width=0"):
        nets.image_critic(width=0)
    with pytest.raises(ValueError, match=r"shape=\(4, 4\); accepted"):
        nets.image_generator((4, 4))
    with pytest.raises(ValueError, match=r"event of shape \(3,\); accepted: an image"):
        nets.time_unet(1).init(jax.random.key(0), jnp.zeros(3), T)
