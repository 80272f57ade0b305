"""The combinators of transforms: order, sums of log-dets, kinds, lifted parts, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import transforms as T
from jaxgen.combinators import chain, invert, on
from jaxgen.lifting import fold_in, nfe, over_batch, stages
from jaxgen.nets import Net
from jaxgen.transform import Density, Hooks, Maps, Part, Preimage, Space, Transform, bijection, no_params

F, G = T.affine(1.0, 2.0), T.affine(-3.0, 5.0)


def stochastic(kind):
    """A transform that keeps its event, with a log_q and a log_det that say which key it was given."""

    def inverse(params, x, cond=None, key=None):
        return Preimage(x, jnp.asarray(0.25), jax.random.uniform(key))

    return Transform(no_params, Maps(lambda params, z, cond=None: z, inverse), kind)


def test_a_chain_applies_its_first_argument_first():
    f = chain(F, G)
    z = jnp.asarray([1.0, -2.0])
    np.testing.assert_allclose(f.forward(((), ()), z), -3 + 5 * (1 + 2 * z))
    pre = f.inverse(((), ()), f.forward(((), ()), z))
    np.testing.assert_allclose(pre.z, z, rtol=1e-6)
    np.testing.assert_allclose(pre.log_det, -2 * np.log(10), rtol=1e-6)
    x, log_det = f.forward_and_log_det(((), ()), z)
    np.testing.assert_allclose([*x, log_det], [*f.forward(((), ()), z), 2 * np.log(10)], rtol=1e-6)


def test_a_chain_initialises_each_part_on_the_event_it_will_see(key):
    widening = T.generator(Net(lambda key, z, c: jnp.shape(z), lambda p, z, c: jnp.zeros(5)))
    params = chain(widening, T.triangular_affine()).init(key, jnp.zeros(2))
    assert params[0] == (2,) and params[1]["tril"].shape == (5, 5)


@pytest.mark.parametrize("kind", list(Density))
def test_a_chain_takes_the_weakest_kind(kind):
    assert chain(F, stochastic(kind)).kind is kind
    assert chain(stochastic(kind), F).kind is kind
    assert chain(stochastic(Density.UNBIASED), stochastic(Density.LOWER_BOUND)).kind is Density.LOWER_BOUND


def test_log_dets_and_log_qs_add_and_every_part_draws_its_own(key):
    pre = chain(stochastic(Density.LOWER_BOUND), F, stochastic(Density.LOWER_BOUND)).inverse(((), (), ()), jnp.zeros(1), None, key)
    np.testing.assert_allclose(pre.log_det, 0.5 - np.log(2), rtol=1e-6)
    draws = [jax.random.uniform(jax.random.fold_in(key, i)) for i in (0, 2)]
    np.testing.assert_allclose(pre.log_q, sum(draws), rtol=1e-6)
    assert draws[0] != draws[1]


def test_parts_are_lifted_the_later_winning():
    first = F._replace(parts={"velocity": Part(lambda params, x, cond=None: params), "only": Part(lambda params, cond=None: params)})
    second = G._replace(parts={"velocity": Part(lambda params, x, cond=None: params)})
    f = chain(first, second)
    assert f.parts["velocity"](("a", "b"), 0) == "b" and f.parts["only"](("a", "b")) == "a"


def test_stages_are_joined_and_evaluations_add():
    counted = F._replace(hooks=Hooks(lambda params, z, cond=None: jnp.stack([z, 1 + 2 * z]), lambda params, z, cond=None: 3))
    f, z = chain(counted, G, counted), jnp.asarray([0.5])
    np.testing.assert_allclose(stages(f)(((), (), ()), z)[:, 0], [0.5, 2.0, 7.0, 7.0, 15.0])
    assert nfe(f)(((), (), ()), z) == 6 and nfe(G)((), z) == 0
    np.testing.assert_allclose(stages(G)((), z), G.forward((), z)[None])


def test_stages_pass_over_parts_whose_states_have_another_shape(key):
    """A VAE behind a learnable base: the base's states are dicts and not events."""
    f = chain(on("latent", T.affine(0.0, 2.0)), T.gaussian_decoder(*constant_nets()))
    z = {"latent": jnp.ones(2), "noise": jnp.ones(3)}
    params = f.init(key, z)
    assert stages(f)(params, z).shape == (2, 3)
    np.testing.assert_allclose(stages(f)(params, z)[-1], f.forward(params, z))
    assert set(stages(on("latent", F))((), z)) == {"latent", "noise"}


def constant_nets():
    return (
        Net(lambda key, z, c: (), lambda p, z, c: jnp.concatenate([jnp.full(3, jnp.sum(z)), jnp.zeros(3)])),
        Net(lambda key, x, c: (), lambda p, x, c: jnp.zeros(4)),
    )


def test_on_touches_one_leaf_only():
    f, z = on("a", F), {"a": jnp.asarray([1.0]), "b": jnp.asarray([7.0])}
    assert jax.tree.map(float, jax.tree.map(lambda a: a[0], f.forward((), z))) == {"a": 3.0, "b": 7.0}
    y, log_det = f.forward_and_log_det((), z)
    pre = f.inverse((), y)
    assert float(pre.z["a"][0]) == 1.0 and float(pre.z["b"][0]) == 7.0
    np.testing.assert_allclose([log_det, pre.log_det], [np.log(2), -np.log(2)], rtol=1e-6)
    assert on("a", T.generator(constant_nets()[0])).inverse is None


def test_invert_swaps_the_two_directions():
    f = invert(T.triangular_affine())
    params = {"loc": jnp.asarray([1.0, 0.0]), "tril": jnp.asarray([[2.0, 9.0], [1.0, -3.0]])}
    z = jnp.asarray([3.0, 7.0])
    # Strict upper entries are not read and the diagonal counts by absolute value: L = [[2, 0], [1, 3]].
    np.testing.assert_allclose(f.forward(params, z), [1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(f.forward_and_log_det(params, z)[1], -np.log(6), rtol=1e-6)
    pre = f.inverse(params, jnp.asarray([1.0, 2.0]))
    np.testing.assert_allclose([*pre.z, pre.log_det], [3.0, 7.0, np.log(6)], rtol=1e-6)


@pytest.mark.parametrize("f", [stochastic(Density.LOWER_BOUND), T.generator(constant_nets()[0])])
def test_what_is_no_bijection_cannot_be_inverted(f):
    with pytest.raises(ValueError, match="invert: f=.*accepted: an exact transform"):
        invert(f)


def test_an_empty_chain_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        chain()


def test_repeated_layers_have_separate_params_and_run_in_order():
    f = T.repeat(T.triangular_affine(), 2)
    params = {"loc": jnp.asarray([[1.0], [0.0]]), "tril": jnp.asarray([[[2.0]], [[5.0]]])}
    np.testing.assert_allclose(f.forward(params, jnp.ones(1)), [15.0])
    np.testing.assert_allclose(f.hooks.stages(params, jnp.ones(1))[:, 0], [3.0, 15.0])
    pre = f.inverse(params, jnp.asarray([15.0]))
    np.testing.assert_allclose([*pre.z, pre.log_det], [1.0, -np.log(10)], rtol=1e-6)
    np.testing.assert_allclose(f.forward_and_log_det(params, jnp.ones(1))[1], np.log(10), rtol=1e-6)


def test_repeated_layers_begin_each_with_a_key_of_its_own(key):
    f = bijection(lambda key, z, cond=None: jax.random.uniform(key), F.one.forward_and_log_det, F.one.inverse)
    assert len(set(T.repeat(f, 3).init(key, jnp.zeros(1)).tolist())) == 3


def test_repeated_layers_draw_each_with_a_key_of_its_own(key):
    """Two draws add to z and their squares to log_q, which is half of z's square only where both draws are the same."""

    def inverse(params, x, cond=None, key=None):
        draw = jax.random.normal(key, x.shape)
        return Preimage(x + draw, jnp.asarray(0.25), draw**2)

    layer = Transform(no_params, Maps(lambda params, z, cond=None: z, inverse), Density.UNBIASED)
    f = T.repeat(layer._replace(many=over_batch(layer)), 2)
    alone, batch = f.inverse((), jnp.zeros(()), None, key), f.many.inverse((), jnp.zeros(3), None, jax.random.split(key, 3))
    for pre in (alone, batch):
        assert jnp.all(pre.log_q > 1e-4 + pre.z**2 / 2) and jnp.all(pre.log_det == 0.5)
    assert len(set(batch.z.tolist())) == 3


def test_a_condition_is_replaced_wherever_it_goes(key):
    told = bijection(
        no_params,
        lambda params, z, cond=None: (z + cond, jnp.zeros(z.shape[:-1])),
        lambda params, x, cond=None, key=None: Preimage(x - cond, jnp.zeros(x.shape[:-1])),
        parts={
            "velocity": Part(lambda params, x, t, cond=None: x * t + cond),
            "encode": Part(lambda params, x, cond=None, num_refine=0: x + cond + num_refine, Space.DATA),
        },
    )
    f = T.on_condition(lambda c: 10 * c, told._replace(many=over_batch(told)))
    assert f.parts["encode"]((), 1.0, cond=2.0, num_refine=3) == 24.0
    one, c = jnp.ones(1), jnp.asarray([2.0])
    assert float(f.forward((), one, c)[0]) == 21.0 and float(f.forward_and_log_det((), one, c)[0][0]) == 21.0
    assert float(f.inverse((), one, c).z[0]) == -19.0
    assert float(f.parts["velocity"]((), one, 3.0, cond=c)[0]) == 23.0
    assert float(f.many.forward((), one[None], c[None])[0, 0]) == 21.0
    assert float(f.many.inverse((), one[None], c[None], None).z[0, 0]) == -19.0


def test_keys_are_folded_one_by_one_and_may_be_absent(key):
    assert fold_in(None, 3) is None
    keys = jax.random.split(key, 4)
    folded = fold_in(keys, 3)
    assert folded.shape == (4,)
    assert jnp.all(jax.random.key_data(folded[2]) == jax.random.key_data(jax.random.fold_in(keys[2], 3)))


def test_transforms_are_static_arguments_compared_by_identity():
    assert T.flip() != T.flip() and F == F and hash(F) != hash(G)
    assert len({F, G, F}) == 2
    assert str(Density.LOWER_BOUND) == "lower bound" and Density.EXACT < Density.IMPLICIT
