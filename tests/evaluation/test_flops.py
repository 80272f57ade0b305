"""Operations are counted as XLA counts them where there is no loop, and as often as a loop turns where there is one."""

import jax
import jax.numpy as jnp
import pytest

from jaxgen import nets, zoo
from jaxgen.cli.equal import LEAST, steps_of
from jaxgen.evaluation import count_flops, matmul_flops, step_flops

NET = nets.mlp(8, width=64, depth=3)
X = jnp.ones((32, 16))
PARAMS = NET.init(jax.random.key(0), X[0], None)


def loss(params, x):
    return jnp.mean(jax.vmap(NET.apply, (None, 0, None))(params, x, None) ** 2)


@pytest.mark.parametrize("function", [loss, jax.grad(loss)], ids=["value", "gradient"])
def test_without_a_loop_the_count_is_xlas(function):
    xla = jax.jit(function).lower(PARAMS, X).cost_analysis()["flops"]
    assert count_flops(function, PARAMS, X) == pytest.approx(xla, rel=0.05)


def test_a_convolution_counts_its_kernel_for_each_number_that_comes_out():
    image, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 5))

    def convolved(x, k):
        return jax.lax.conv_general_dilated(x, k, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    assert count_flops(convolved, image, kernel) == 2 * (2 * 6 * 6 * 5) * 27


def test_every_turn_of_a_loop_counts():
    matrix, v = jnp.ones((16, 16)), jnp.ones(16)

    def turns(n):
        return lambda v: jax.lax.scan(lambda v, _: (matrix @ v, None), v, length=n)[0]

    assert count_flops(turns(7), v) == 7 * count_flops(turns(1), v) == 7 * 2 * 16 * 16
    nested = count_flops(lambda v: jax.lax.fori_loop(0, 5, lambda _, v: turns(3)(v), v), v)
    assert 15 * 512 <= nested < 15 * 512 + 100


def test_branches_count_the_dearest():
    def either(v):
        return jax.lax.cond(v[0] > 0, lambda v: v, lambda v: jnp.ones((4, 4)) @ v, v)

    assert 32 <= count_flops(either, jnp.ones(4)) < 50


def test_a_budget_of_operations_is_shared_by_cost():
    cheap, dear = (zoo.build("realnvp", (2,), width=width, num_layers=2) for width in (16, 64))
    costs = [step_flops(entry, (2,), 64) for entry in (cheap, dear)]
    steps = [steps_of("flops", 1e9, False, entry, jnp.ones((100, 2)), 64) for entry in (cheap, dear)]
    assert steps[0] > 3 * steps[1] and steps == [pytest.approx(1e9 / cost, abs=1) for cost in costs]
    assert steps_of("flops", 1.0, False, dear, jnp.ones((100, 2)), 64) == LEAST
    assert steps_of("params", None, False, dear, jnp.ones((100, 2)), 64) is None


def test_flops_are_those_of_the_products_that_run():
    """Against counts by hand: a loop counts as often as it runs, a branch as the dearest, a convolution's gradient by its strides twice more."""
    import jax
    import jax.numpy as jnp

    a, w, x, k = jnp.ones((8, 16)), jnp.ones((16, 16)), jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 4))
    product, convolution = 2 * 8 * 16 * 16, 2 * (2 * 4 * 4 * 4) * 27

    def looped(a, w):
        return jnp.sum(jax.lax.scan(lambda h, _: (jnp.tanh(jax.jit(jnp.matmul)(h, w)), None), a, None, length=5)[0])

    def convolved(x, k):
        return jnp.sum(jax.lax.conv_general_dilated(x, k, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))

    def branching(a, w):
        return jax.lax.cond(a[0, 0] > 0, lambda: a @ w, lambda: a @ w @ w @ w)

    assert matmul_flops(looped, a, w) == 5 * product
    assert matmul_flops(jax.grad(looped, (0, 1)), a, w) == 15 * product
    assert matmul_flops(branching, a, w) == 3 * product
    assert matmul_flops(jax.vmap(lambda a: a @ w), jax.ShapeDtypeStruct((7, 8, 16), a.dtype)) == 7 * product
    assert matmul_flops(convolved, x, k) == convolution
    assert matmul_flops(jax.grad(convolved, (0, 1)), x, k) == 3 * convolution
