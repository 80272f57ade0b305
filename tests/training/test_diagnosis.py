"""A number that is not finite is traced to where it comes from; the text of a divergence names row, params, line and cause."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgen import TrainingDiverged, fit
from jaxgen.training.tape import origin


def looped(x):
    """Finite for three steps of a loop, and a logarithm of zero in the fourth."""
    return jax.lax.scan(lambda c, row: (c - 1.0, jnp.log(c) + row), 3.0, x)[1].sum()


def counted(x):
    return jax.lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] + 1, jnp.exp(c[1] * 2)), (0, x[0]))[1]


def chosen(x):
    return jax.lax.cond(x[0] > 0, lambda x: jnp.sum(x / (x - 1)), lambda x: jnp.sum(x), x)


@jax.custom_jvp
def with_rule(x):
    return jnp.sqrt(x - 2)


with_rule.defjvp(lambda primals, tangents: (with_rule(*primals), tangents[0]))


@pytest.mark.parametrize(
    ("function", "name", "ranges"),
    [
        (looped, "log", ((0.0, 0.0),)),
        (counted, "exp", None),
        (chosen, "div", ((1.0, 1.0), (0.0, 0.0))),
        (lambda x: jax.jit(with_rule)(x).sum(), "sqrt", ((-1.0, -1.0),)),
        (jax.remat(lambda x: jnp.sum(jnp.log(0 * x))), "log", ((0.0, 0.0),)),
        (lambda x: jnp.where(x > 0, x, jnp.log(x - 2)).sum() + jnp.sqrt(-x).sum(), "sqrt", ((-1.0, -1.0),)),
        (lambda x: jnp.sum(jnp.where(x > 0, x, jnp.log(x - 2))), None, None),
    ],
)
def test_the_operation_is_found_inside_loops_branches_and_calls(function, name, ranges):
    """What is not finite and selected away is not what makes the result so."""
    found = origin(function, jnp.ones(5))
    if name is None:
        assert found is None
        return
    assert found.name == name and "test_diagnosis.py:" in found.place
    assert ranges is None or found.ranges == ranges


def test_an_input_is_named_by_its_path():
    found = origin(lambda params, x: params["a"]["b"] * jnp.exp(x), {"a": {"b": jnp.asarray(jnp.nan)}}, jnp.ones(2))
    assert (found.name, found.place) == ("input", "a/b")


def diverged(key, entry, data, **arguments):
    with pytest.raises(TrainingDiverged) as caught:
        fit(key, entry, data, 40, batch_size=32, progress=False, **arguments)
    return caught.value


def adding(term):
    def wrap(loss):
        def added(params, aux, key, batch, clock):
            value, metrics = loss(params, aux, key, batch, clock)
            return value + term(params, batch), metrics

        return added

    return wrap


def test_the_row_that_does_it_is_named(gaussian_entry, data, key):
    """Half of the rows are in the first batch; the one with a number in it that no other row has is the cause."""
    error = diverged(key, gaussian_entry(), data.at[7, 1].set(1e25))
    assert error.diagnosis.rows == (7,) and error.diagnosis.gradients
    assert "Row 7 of the data lies far from the others: a number in it is 1e+25. The first such number comes from" in str(error)
    # A row like the others, at which a term of the loss has no value.
    error = diverged(key, gaussian_entry(adding(lambda params, batch: jnp.mean(jnp.log(batch.x[:, 0] + 4)))), data.at[9, 0].set(-4.5))
    assert error.diagnosis.rows == (9,) and error.diagnosis.operation.name == "log"
    assert error.diagnosis.cause == "A logarithm is taken of -0.5, and it needs a number above 0."


def test_params_a_gradient_and_the_learning_rate_are_named(gaussian_entry, data, key):
    params = {"loc": jnp.asarray([0.0, jnp.nan]), "tril": jnp.eye(2)}
    error = diverged(key, gaussian_entry(), data, start=(params, ()))
    assert error.diagnosis.params == ("params/loc",) and "params/loc was not finite before the step" in str(error)
    error = diverged(key, gaussian_entry(adding(lambda params, batch: jnp.sum(jnp.sqrt(0 * params["loc"])))), data)
    assert error.diagnosis.gradients == ("params/loc",) and error.diagnosis.operation.name in ("div", "rsqrt", "pow", "sqrt", "mul")
    steep = gaussian_entry(adding(lambda params, batch: 50 * jnp.sum(params["loc"] ** 2)))
    error = diverged(key, steep._replace(optimizer=lambda num_steps: optax.sgd(1.0)), data)
    assert "the learning rate is too high" in error.diagnosis.cause and np.isfinite(error.metrics["loss"])
