"""What `fit` accepts is read from the model: the laws hold for an entry made by hand as for one of the zoo."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import Entry, Model, bases, fit, objectives, transforms, zoo
from jaxgen.objective import Batch, Objective, no_aux
from jaxgen.training.ties import say_ties
from jaxgen.transform import Maps, Preimage, Transform, bijection, no_params


@pytest.mark.parametrize("conditional", [False, True])
def test_an_entry_made_by_hand_trains_as_the_zoos_with_the_same_model(conditional, key):
    """The README's recipe: an entry without a config."""
    x = np.random.default_rng(0).standard_normal((40, 1)).astype(np.float32)
    built = zoo.build("realnvp", (1,), (1,) if conditional else None, width=8, depth=1, num_layers=1)
    made = Entry(built.model, built.objective, built.optimizer)
    cond = {"cond": 2 * x, "valid_cond": 2 * x} if conditional else {}
    first, second = (fit(key, entry, x, 3, valid=x, batch_size=8, progress=False, **cond) for entry in (built, made))
    np.testing.assert_array_equal(first.history["loss"], second.history["loss"])
    np.testing.assert_array_equal(first.history["valid_loss"], second.history["valid_loss"])


def test_a_condition_that_the_model_does_not_read_is_named(gaussian_entry, data, key):
    with pytest.raises(ValueError, match=r"cond=an array of shape \(60, 1\); accepted: cond=None, as this model reads no condition"):
        fit(key, gaussian_entry(), data, 2, cond=np.ones((60, 1), np.float32))


def test_a_model_that_needs_a_condition_says_so(data, key):
    model = Model(bases.normal((2,)), transforms.on_condition(lambda c: 2 * c, transforms.diagonal_affine()))
    needing = model._replace(transform=Transform(model.transform.init, Maps(lambda params, z, cond=None: params["loc"] + z * cond)))
    entry = Entry(needing, objectives.energy(needing))
    with pytest.raises(ValueError, match="cond=None; accepted: conditions .* raised TypeError"):
        fit(key, entry, data, 2)


def test_conditions_to_validate_with_are_shaped_as_those_to_train_with(key):
    entry, x = zoo.build("realnvp", (1,), (1,), width=8), np.ones((5, 1), np.float32)
    with pytest.raises(ValueError, match=r"valid_cond of shape None an event; accepted: \(1,\) as in cond"):
        fit(key, entry, x, 2, cond=x, valid=x)


def test_data_and_validation_are_refused_without_data(gaussian_entry, data, key):
    model = gaussian_entry().model
    objective = Objective(no_aux, lambda params, aux, key, batch, clock: (jnp.sum(params["loc"]) ** 2, {}), data_free=True)
    entry = gaussian_entry()._replace(objective=objective)
    for given in ({"data": data}, {"data": None, "valid": data}):
        with pytest.raises(ValueError, match="accepted: (data|valid)=None"):
            fit(key, entry, num_steps=2, **given)
    assert fit(key, entry, None, 2, batch_size=8, progress=False).status == "finished", model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": None}, r"data=None; accepted: events \(n, \*event\)"),
        ({"data": np.zeros(5, np.float32)}, r"data of shape \(5,\); accepted: \(n, 2\)"),
        ({"data": np.zeros((0, 2), np.float32)}, r"data of shape \(0, 2\); accepted: \(n, 2\) with n >= 1"),
        ({"data": np.zeros((5, 3), np.float32)}, r"data of shape \(5, 3\); accepted: \(n, 2\)"),
        ({"data": np.zeros((5, 2), int)}, "data of dtype int32; accepted: floating"),
        ({"data": np.array([[0.0, 1.0], [np.nan, 0.0]], np.float32)}, "data with a value that is not finite in row 1; accepted: finite"),
        ({"valid": np.full((3, 2), np.inf, np.float32)}, "valid with a value that is not finite in row 0"),
        ({"valid": np.zeros((3, 1), np.float32)}, r"valid of shape \(3, 1\); accepted: \(n, 2\)"),
        ({"cond": np.zeros((5, 1), np.float32)}, r"cond=an array of shape \(5, 1\); accepted: .*realnvp.*accepted: None"),
        ({"num_steps": 0}, "num_steps=0; accepted: an integer of at least 1"),
        ({"num_steps": True}, "num_steps=True"),
        ({"batch_size": 2.5}, r"batch_size=2\.5"),
        ({"eval_every": 0}, "eval_every=0"),
        ({"patience": 3}, "patience=3; accepted: None, or a number together with valid="),
        ({"ema": np.nan}, "ema=nan; accepted: a finite number at least 0 and below 1"),
        ({"ema": -1.0}, r"ema=-1\.0"),
        ({"ema": 1.0}, r"ema=1\.0"),
    ],
)
def test_bad_input_is_named(arguments, message, key):
    entry = zoo.build("realnvp", (2,), width=8)
    given = {"data": np.ones((5, 2), np.float32), "num_steps": 2} | arguments
    with pytest.raises(ValueError, match=message):
        fit(key, entry, **given)


def test_a_missing_or_misshapen_condition_is_named(key):
    entry, x = zoo.build("realnvp", (2,), (3,), width=8), np.ones((5, 2), np.float32)
    with pytest.raises(ValueError, match=r"cond=None; accepted: .*of shape None; accepted: \(3,\)"):
        fit(key, entry, x, 2)
    with pytest.raises(ValueError, match=r"cond of shape \(4, 3\); accepted: \(5, 3\), a condition for each event"):
        fit(key, entry, x, 2, cond=np.ones((4, 3), np.float32))
    with pytest.raises(ValueError, match="cond with a value that is not finite"):
        fit(key, entry, x, 2, cond=np.full((5, 3), np.nan, np.float32))


def test_columns_with_ties_are_said_unless_they_are_categories():
    """A column of one number, one of which a fifth is zero, and one that is fine; the samples of a discrete model have ties of their own."""
    x = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    x[:, 0], x[::5, 1] = 2.5, 0
    with pytest.warns(UserWarning, match="column 0 holds 2.5 in every row; column 1 holds 0 in 20% of the rows. Leave") as caught:
        say_ties("data", zoo.build("realnvp", (3,)), Batch(x))
    assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.warns(UserWarning, match="data with ties, .*: column 0 holds 2.5 in every row. Leave"):
        say_ties("data", zoo.build("tabular", (3,), categories=(0, 2, 0)), Batch(x))
    # The samples of a model made by hand show what is a category.
    maps = (
        lambda params, z, cond=None: (jnp.round(z), jnp.zeros(())),
        lambda params, x, cond=None, key=None: Preimage(x, jnp.zeros(())),
    )
    made, codes = (Model(bases.normal((3,)), f) for f in (transforms.diagonal_affine(), bijection(no_params, *maps)))
    with pytest.warns(UserWarning, match="column 0 holds"):
        say_ties("data", Entry(made, objectives.maximum_likelihood(made)), Batch(x))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        say_ties("data", Entry(codes, objectives.maximum_likelihood(codes)), Batch(x))
        say_ties("data", zoo.build("realnvp", (3,)), Batch(x[:, 2:].repeat(3, 1)))
        say_ties("data", zoo.build("realnvp", (3,)), Batch(x[:9]))
        say_ties("data", zoo.build("gan", (3,)), Batch(x))
