"""Numbers that are not finite are said once, with their rows and what they come from; what is right stays unsaid, and so does what is traced."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import bases, numerics
from jaxgen import transforms as T
from jaxgen.finite import NotFiniteWarning, unsaid
from jaxgen.model import Model
from jaxgen.transform import Preimage, bijection, no_params

FLOW = Model(bases.normal((2,)), T.diagonal_affine())
PARAMS = {"loc": jnp.zeros(2), "log_scale": jnp.zeros(2)}
X = np.zeros((6, 2), np.float32)


def spoiled(value, *rows):
    x = X.copy()
    x[list(rows), 1] = value
    return x


def shifted_by_condition():
    """Its condition goes through a tanh, which hides an infinite one."""
    maps = (
        lambda params, z, cond=None: (z + jnp.tanh(cond), jnp.zeros(())),
        lambda params, x, cond=None, key=None: Preimage(x - jnp.tanh(cond), jnp.zeros(())),
    )
    return Model(bases.normal((2,)), bijection(no_params, *maps))


def stiff(max_steps):
    velocity = lambda params, x, t, cond=None: -1e3 * x
    return Model(bases.normal((2,)), T.ode_flow(lambda key, z, cond=None: (), velocity, solver=numerics.adaptive(max_steps=max_steps)))


def said(function, *args, **given):
    """The warnings of a call, at the line of the caller and not within the library."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*args, **given)
    ours = [w for w in caught if issubclass(w.category, NotFiniteWarning)]
    assert all(w.filename == __file__ for w in ours)
    return [str(w.message) for w in ours]


@pytest.mark.parametrize(
    ("function", "x", "message"),
    [
        (jaxgen.log_prob, spoiled(np.nan, 1, 4), "log_prob: 2 of 6 results are not finite, in rows 1, 4: x is not finite in rows 1, 4."),
        (jaxgen.log_prob, spoiled(np.inf, 2), "log_prob: x is not finite in row 2."),
        (jaxgen.encode, spoiled(-np.inf, 0), "encode: 1 of 6 results are not finite, in row 0: x is not finite in row 0."),
        (
            jaxgen.log_prob,
            spoiled(np.nan, *range(6)) + X,
            "rows 0, 1, 2, 3, 4 and 1 more: x is not finite in rows 0, 1, 2, 3, 4 and 1 more.",
        ),
    ],
)
def test_rows_are_named_where_they_go_in(function, x, message):
    (text,) = said(function, FLOW, PARAMS, x)
    assert text.endswith(message)
    assert said(function, FLOW, PARAMS, jnp.asarray(X)) == []


def test_params_and_conditions_are_named():
    params = {**PARAMS, "loc": jnp.asarray([0.0, jnp.nan])}
    (text,) = said(jaxgen.sample, 0, FLOW, params, 3)
    assert text == "sample: 3 of 3 results are not finite, in rows 0, 1, 2: params hold numbers that are not finite in loc."
    assert "not finite in loc" in said(jaxgen.sample_and_log_prob, 0, FLOW, params, 3)[0]
    (text,) = said(jaxgen.sample, 0, shifted_by_condition(), (), 6, cond=spoiled(np.nan, 3))
    assert text == "sample: 1 of 6 results are not finite, in row 3: cond is not finite in row 3."
    assert said(jaxgen.sample, 0, shifted_by_condition(), (), 6, cond=spoiled(np.inf, 3)) == ["sample: cond is not finite in row 3."]


def test_a_solver_that_gives_up_is_said():
    (text,) = said(jaxgen.log_prob, stiff(2), (), X[:2] + 1)
    assert text == (
        "log_prob: 2 of 2 results are not finite, in rows 0, 1: what was given is finite, so a solver has given up or a number has overflowed."
    )


def test_samples_and_densities_that_disagree_are_said():
    """The samples are finite and their log-determinants are not."""
    broken = bijection(
        no_params,
        lambda params, z, cond=None: (z, jnp.log(-jnp.abs(z[0]))),
        lambda params, x, cond=None, key=None: Preimage(x, jnp.zeros(())),
    )
    (text,) = said(jaxgen.sample_and_log_prob, 0, Model(bases.normal((2,)), broken), (), 2)
    assert text.startswith("sample_and_log_prob: 2 of 2 results are not finite, in rows 0, 1: samples and log densities disagree about")


def test_what_is_right_is_not_said():
    """An event outside the support, a gap of a table, codes, and what the caller looks at himself."""
    bounded = Model(bases.uniform((1,)), T.affine(0.0, 1.0))
    assert (
        np.isneginf(jaxgen.log_prob(bounded, (), np.full((1, 1), 2.0, np.float32)).value)
        and said(jaxgen.log_prob, bounded, (), X[:, :1] + 2) == []
    )
    gaps = bijection(
        no_params,
        lambda params, z, cond=None: (jnp.where(z > 0, jnp.nan, z), jnp.zeros(())),
        lambda params, x, cond=None, key=None: Preimage(jnp.where(jnp.isnan(x), 1.0, x), jnp.zeros(())),
    )
    table = Model(bases.normal((1,)), gaps)
    assert np.isnan(jaxgen.sample(0, table, (), 20)).any() and said(jaxgen.sample, 0, table, (), 20) == []
    assert said(jaxgen.log_prob, table, (), spoiled(np.nan, 1)[:, 1:]) == []
    with unsaid():
        assert said(jaxgen.log_prob, FLOW, PARAMS, spoiled(np.nan, 1)) == []


def test_nothing_is_said_under_a_transformation():
    function = jax.jit(lambda x: jaxgen.log_prob(FLOW, PARAMS, x).value)
    assert said(function, spoiled(np.nan, 1)) == []
    assert said(jax.grad(lambda x: jaxgen.log_prob(FLOW, PARAMS, x).value.sum()), jnp.asarray(spoiled(np.nan, 1))) == []
