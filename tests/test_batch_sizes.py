"""Padding a batch to one of few sizes: few programs, and no row that sees the padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import bases
from jaxgen.batch_sizes import padded_size, zeros
from jaxgen.transform import Density, Maps, Preimage, Transform


def test_a_size_is_little_more_than_the_batch_and_there_are_few():
    nums = np.arange(1, 100_000)
    sizes = np.array([padded_size(int(num)) for num in nums])
    assert (sizes >= nums).all() and (np.diff(sizes) >= 0).all()
    for least, most in ((1, 2.0), (17, 1.25), (4097, 1.125)):
        assert (sizes[nums >= least] < most * nums[nums >= least]).all()
    assert len(set(sizes[nums <= 256])) == 21 and len(set(sizes[nums <= 4096])) == 37
    assert all(padded_size(int(size)) == size for size in set(sizes))


@pytest.mark.parametrize(("num", "batch_size", "size"), [(3, 100, 4), (98, 100, 100), (100, 100, 100), (205, 100, 208), (299, 100, 300)])
def test_no_more_than_a_batch_is_computed_at_once(num, batch_size, size):
    """What a batch may take of the memory is the caller's to say."""
    assert padded_size(num, batch_size) == size


def coupled(traced: list[str]) -> jaxgen.Model:
    """Noise of which a batch's largest is taken away: an event that sees its neighbours. Whoever is no neighbour would be seen."""

    def minus_largest(z):
        return z - jnp.max(z, 0, keepdims=True)

    def forward(params, z, /, cond=None):
        traced.append("forward")
        return minus_largest(z) if cond is None else minus_largest(z) + cond

    def inverse(params, x, /, cond=None, key=None):
        traced.append("inverse")
        drawn = jax.vmap(jax.random.normal)(key)
        return Preimage(minus_largest(x), minus_largest(drawn), jnp.zeros(x.shape[:1]))

    one = Maps(lambda params, z, cond=None: z, lambda params, x, cond=None, key=None: Preimage(x, 0.0))
    many = Maps(forward, inverse, None)
    return jaxgen.Model(bases.normal((2,)), Transform(lambda key, z, cond=None: (), one, Density.UNBIASED, many))


def test_thirty_sizes_are_nine_programs_each_and_no_row_sees_the_padding(key):
    """Against the same functions within a caller's program, where nothing is padded. The events are negative, so that zeros would show."""
    traced: list[str] = []
    model = coupled(traced)
    x = -1 - jax.random.uniform(key, (30, 2))
    found = {}
    for num in range(1, 31):
        sample, value, z = (
            jaxgen.sample(key, model, (), num, cond=x[:num]),
            jaxgen.log_prob(model, (), np.asarray(x[:num]), key=key).value,
            jaxgen.encode(model, (), x[:num], key=key),
        )
        assert sample.shape == z.shape == (num, 2) and value.shape == (num,)
        assert isinstance(value, jax.Array) and not value.committed
        found[num] = sample, value, z
    assert traced.count("forward") == 9 and traced.count("inverse") == 18
    for num in (1, 5, 23):
        whole = jax.jit(
            lambda x, num=num: (
                jaxgen.sample(key, model, (), num, cond=x),
                jaxgen.log_prob(model, (), x, key=key).value,
                jaxgen.encode(model, (), x, key=key),
            )
        )(x[:num])
        for a, b in zip(found[num], whole, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def test_arrays_that_are_placed_stay_where_they_are(key):
    device = jax.devices()[1]
    x = jax.device_put(jnp.zeros((3, 2)), device)
    value = jaxgen.log_prob(coupled([]), (), x, key=jax.device_put(key, device)).value
    assert value.shape == (3,) and value.devices() == {device}


def test_no_events_are_no_densities(key):
    model = jaxgen.Model(bases.normal((2,)), jaxgen.transforms.affine(2.0, 3.0))
    result = jaxgen.log_prob(model, (), np.zeros((0, 2)))
    assert result.value.shape == result.stderr.shape == (0,)
    assert jaxgen.log_prob(model, (), np.zeros((3, 2))).value.dtype == jnp.float32


def test_zeros_of_few_events_are_made_once_and_again_if_they_were_given_away():
    like = jnp.ones(3)
    first = zeros(like)
    assert first is zeros(like) and not first.any() and not first.committed
    first.delete()
    assert not zeros(like).is_deleted() and zeros(like).shape == (3,)
    assert isinstance(jax.jit(zeros)(like), jax.Array) and not zeros(like).any()
