"""Networks on images: any size, what they start at, what they depend on, bfloat16 and remat beside the plain form, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import nets
from jaxgen.nets.adaptive_block import AdaptiveBlock
from jaxgen.nets.conv_layer import Conv
from jaxgen.nets.dit import _places
from jaxgen.nets.image_blocks import Attention, GroupNorm, folded, unfolded
from jaxgen.nets.unet import _Block as UNetBlock

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


def test_a_stem_is_the_same_network_on_folded_pictures():
    """Every square of pixels becomes one place in order, and comes back where it was, also where squares hang over the edge."""
    x = jnp.asarray(np.random.default_rng(2).standard_normal((5, 9, 2)), jnp.float32)
    for side in (1, 2, 4):
        np.testing.assert_array_equal(unfolded(folded(x, side), side, 5, 9), x)
        rows = np.pad(x, ((0, -5 % side), (0, -9 % side), (0, 0)))
        np.testing.assert_array_equal(folded(x, side)[-1, -1], rows[-side:, -side:].ravel())
    stem, plain = nets.unet(3, width=4, depth=1, stem=2), nets.unet(3 * 4, width=4, depth=1)
    params = filled(stem, x)
    both = jax.jit(lambda p: (stem.apply(p, x), unfolded(plain.apply(p, folded(x, 2)), 2, 5, 9)))(params)
    assert np.ptp(both[0]) > 0
    np.testing.assert_array_equal(*both)
    with pytest.raises(ValueError, match="unet: stem=0"):
        nets.unet(3, stem=0)


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
    weights = jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape)
    weighted = lambda p: jnp.sum(weights * net.apply(p, x, T, S, jnp.asarray([1.0, 0.5])))
    found["gradient"] = jax.jit(jax.grad(weighted))(params)
    found["start"] = np.asarray(jax.jit(lambda k: net.apply(net.init(k, x, T, S, COND), x, T, S, COND))(jax.random.key(0)))
    return found


def test_everything_depends_on_every_input_and_no_condition_is_the_null_one(values):
    for name in ("t", "s", "x", "null"):
        assert np.all(values[name] != values["plain"]), name
    np.testing.assert_allclose(values["none"], values["null"], rtol=1e-5, atol=1e-5)


def test_every_entry_of_every_kernel_moves_the_output(values):
    """A skip connection, a time or a patch that were left out would leave entries without a gradient.

    Biases are left out: attention does not change with that of its keys, whose gradient is a rounding or zero.
    """
    kernels = [(path, leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(values["gradient"]) if "bias" not in str(path[-1])]
    assert len(kernels) > 4
    for path, leaf in kernels:
        assert leaf.ndim < 2 or np.all(np.asarray(leaf) != 0), jax.tree_util.keystr(path)


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


def test_a_block_of_the_transformer_is_modulated_normalised_attention_and_perceptron(x64):
    """adaLN of arXiv 2212.09748: h + gate f(norm(h) (1 + scale) + shift), twice."""

    def normed(h):
        return (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-6)

    with x64():
        block, rng = AdaptiveBlock(2, None), np.random.default_rng(0)
        h, embedding = rng.standard_normal((5, 4)), rng.standard_normal(3)
        shapes = jax.eval_shape(block.init, jax.random.key(0), jnp.asarray(h), (jnp.asarray(embedding), None))["params"]
        params = jax.tree.map(lambda s: jnp.asarray(rng.standard_normal(s.shape)), shapes)
        dense = lambda i, u: np.asarray(u @ params[f"Dense_{i}"]["kernel"] + params[f"Dense_{i}"]["bias"])
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = np.split(dense(0, embedding), 6)
        attention = Attention(2, zero=False)
        attended = attention.apply({"params": params["Attention_0"]}, jnp.asarray(normed(h) * (1 + scale) + shift))
        expected = h + gate * np.asarray(attended)
        hidden = jax.nn.gelu(dense(1, normed(expected) * (1 + scale_mlp) + shift_mlp))
        expected = expected + gate_mlp * dense(2, np.asarray(hidden))
        found = block.apply({"params": params}, jnp.asarray(h), (jnp.asarray(embedding), None))[0]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_places_of_patches_tell_rows_and_columns_apart_and_have_equal_lengths():
    places = _places(3, 4, 8).reshape(3, 4, 2, 4)
    np.testing.assert_allclose(np.sum(places**2, -1), 2)
    np.testing.assert_allclose(places[:, :, 0], places[:, :1, 0] + 0 * places[:, :, 0])
    np.testing.assert_allclose(places[:, :, 1], places[:1, :, 1] + 0 * places[:, :, 1])
    assert len(np.unique(places.reshape(12, 8).round(6), axis=0)) == 12
    np.testing.assert_allclose(places[2, 0, 0, [0, 2]], [np.sin(2), np.cos(2)])


def test_a_block_of_the_unet_adds_its_branch_moved_by_scale_and_shift(x64):
    with x64():
        block, rng = UNetBlock(4, False, None), np.random.default_rng(0)
        h, embedding = jnp.asarray(rng.standard_normal((3, 3, 4))), jnp.asarray(rng.standard_normal(2))
        shapes = jax.eval_shape(block.init, jax.random.key(0), h, embedding)["params"]
        params = jax.tree.map(lambda s: jnp.asarray(rng.standard_normal(s.shape)), shapes)
        conv = lambda i, u: Conv(4, (3, 3)).apply({"params": params[f"Conv_{i}"]}, u)
        a = conv(0, jax.nn.silu(GroupNorm().apply({"params": params["GroupNorm_0"]}, h)))
        scale, shift = jnp.split(embedding @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"], 2)
        a = conv(1, jax.nn.silu(GroupNorm(affine=False).apply({}, a) * (1 + scale) + shift))
        np.testing.assert_allclose(block.apply({"params": params}, h, embedding), h + a, rtol=1e-9, atol=1e-9)


def test_the_score_of_a_critic_is_affine_in_the_condition_and_pictures_stay_within_one():
    critic, x = nets.image_critic(width=4), jnp.asarray(np.random.default_rng(0).standard_normal((4, 5, 1)), jnp.float32)
    params = filled(critic, x, COND)
    run = jax.jit(lambda c: critic.apply(params, x, c))
    a, b = jnp.asarray([1.0, 0.5]), jnp.asarray([-0.3, 2.0])
    np.testing.assert_allclose(run(a) + run(b), run(a + b) + run(0 * a), rtol=1e-4, atol=1e-4)
    assert abs(float((run(a) - run(b))[0])) > 1e-2
    generator, z = nets.image_generator((4, 5, 1), width=4), jnp.ones(2)
    picture = np.asarray(generator.apply(jax.tree.map(lambda p: 10 * p, filled(generator, z)), z))
    assert np.abs(picture).max() <= 1 and np.abs(picture).max() > 0.9


def test_parameters_of_a_pixel_depend_on_its_neighbourhood_only():
    """Two convolutions of 3 x 3 reach two pixels far; planes come one after the other."""
    net, x = nets.coupling_cnn(2 * 35, width=4), jnp.asarray(np.random.default_rng(0).standard_normal((5, 7, 2)), jnp.float32)
    params = filled(net, x)
    planes = lambda x: net.apply(params, x).reshape(2, 5, 7)
    influence = np.abs(planes(x.at[0, 0].add(1.0)) - planes(x)) > 0
    assert influence[:, :3, :3].any((1, 2)).all() and not influence[:, 3:].any() and not influence[:, :, 3:].any()
    with pytest.raises(ValueError, match="coupling_cnn: out=36; accepted: a multiple of the 5 x 7 pixels"):
        nets.coupling_cnn(36).init(jax.random.key(0), x)


def test_a_classifier_doubles_its_channels_once():
    shapes = jax.eval_shape(nets.classifier(3, num_features=6, width=5).init, jax.random.key(0), jnp.zeros((9, 8, 2)))
    assert [shapes[f"Conv_{i}"]["kernel"].shape for i in range(3)] == [(5, 5, 2, 5), (3, 3, 5, 10), (3, 3, 10, 10)]
    assert [shapes[f"Dense_{i}"]["kernel"].shape[1] for i in range(2)] == [6, 3]


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
