"""What is built or called wrongly is refused in one sentence that names the argument, at the first function that takes it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgen
from jaxgen import Density, Entry, Maps, Model, Objective, Part, Preimage, Transform, bijection, zoo
from jaxgen.objectives import energy, flow_matching, maximum_likelihood
from jaxgen.paths import linear
from jaxgen.transform import no_params
from jaxgen.transforms import affine, diagonal_affine, on_channels, on_condition, pixelwise, repeat, slicing

KEY = jax.random.key(0)
BASE = jaxgen.bases.normal((2,))
X = np.ones((4, 2), np.float32)


def forward(params, z, cond=None):
    return 2 * z


def with_log_det(params, z, cond=None):
    return 2 * z, z.size * jnp.log(2.0)


def inverse(params, x, cond=None, key=None):
    return Preimage(x / 2, -x.size * jnp.log(2.0))


MAPS = Maps(forward, inverse, with_log_det)

WRONG = {
    "one": Transform(no_params, forward, inverse, with_log_det, Density.EXACT),
    "init": Transform(None, MAPS, Density.EXACT),
    "kind": Transform(no_params, MAPS, "exact"),
    "many": Transform(no_params, MAPS, Density.EXACT, forward),
    "proxy": Transform(no_params, MAPS, Density.EXACT, None, Model(BASE, affine(0.0, 2.0))),
    "hooks": Transform(no_params, MAPS, Density.EXACT, hooks={"nfe": 1}),
    "parts": Transform(no_params, MAPS, Density.EXACT, parts={"velocity": forward}),
}

COMBINATORS = {
    "chain": lambda f: jaxgen.chain(affine(0.0, 2.0), f),
    "invert": jaxgen.invert,
    "on": lambda f: jaxgen.on("a", f),
    "on_condition": lambda f: on_condition(lambda c: c, f),
    "repeat": lambda f: repeat(f, 2),
    "pixelwise": pixelwise,
    "on_channels": lambda f: on_channels(f, 1),
    "slicing": lambda f: slicing(1, f),
}

READERS = {
    "init": lambda model: jaxgen.init(KEY, model),
    "sample": lambda model: jaxgen.sample(KEY, model, (), 3),
    "sample_and_log_prob": lambda model: jaxgen.sample_and_log_prob(KEY, model, (), 3),
    "log_prob": lambda model: jaxgen.log_prob(model, (), X, key=KEY),
    "encode": lambda model: jaxgen.encode(model, (), X),
    "interpolate": lambda model: jaxgen.interpolate(model, (), X[0], X[1]),
    "certify": lambda model: jaxgen.certify(model, (), X, 1e-3, key=KEY),
    "sampling_params": lambda model: jaxgen.sampling_params(model, ()),
    "flow_matching": lambda model: flow_matching(model, linear()),
    "maximum_likelihood": maximum_likelihood,
    "energy": energy,
}


@pytest.mark.parametrize("field", WRONG)
def test_a_transform_built_wrongly_is_named_by_whatever_sees_it_first(field):
    for call in [
        *COMBINATORS.values(),
        *(lambda f, read=read: read(Model(BASE, f)) for name, read in READERS.items() if name != "sampling_params"),
    ]:
        with pytest.raises(ValueError, match=f"(?m)^Transform: {field}=.*; accepted: [^\n]*[.]$"):
            call(WRONG[field])


def test_a_part_is_named_with_how_to_write_it():
    assert Part(forward)((), 1.0) == 2.0
    with pytest.raises(ValueError, match=r"^Transform: parts=\{'velocity'.*accepted: .*Part\(velocity\)"):
        jaxgen.chain(WRONG["parts"])


@pytest.mark.parametrize("name", COMBINATORS)
@pytest.mark.parametrize("value", [None, forward, MAPS, Model(BASE, affine(0.0, 2.0))], ids=["none", "function", "maps", "model"])
def test_a_combinator_refuses_what_is_no_transform(name, value):
    with pytest.raises(ValueError, match=rf"(?m)^{name}: \w+(\[1\])?=.*; accepted: a jaxgen.Transform[.]$"):
        COMBINATORS[name](value)


@pytest.mark.parametrize("name", READERS)
def test_an_entry_is_no_model(name):
    model = Model(BASE, affine(0.0, 2.0))
    with pytest.raises(
        ValueError, match=f"(?m)^{name}: model=<Entry>; accepted: a jaxgen.Model, such as the field `model` of an entry[.]$"
    ):
        READERS[name](Entry(model, maximum_likelihood(model)))


@pytest.mark.parametrize(
    ("log_det", "back", "text"),
    [
        (forward, inverse, "^bijection: forward_and_log_det=a function that returns no pair; accepted: "),
        (with_log_det, lambda params, x, cond=None, key=None: (x, 0.0), "^log_prob: model=one whose inverse returns a tuple; accepted: "),
        (
            with_log_det,
            lambda params, x, cond=None, key=None: Preimage(x, -x),
            r"^log_prob: log_det of shape \(2,\) an event; accepted: a scalar[.]",
        ),
        (with_log_det, lambda params, x: Preimage(x, 0.0), "^log_prob: cond=None; accepted: .* raised TypeError: .* positional"),
    ],
    ids=["no pair", "no preimage", "log_det of no scalar", "signature"],
)
def test_a_bijection_with_wrong_functions_gives_no_wrong_numbers(log_det, back, text):
    with pytest.raises(ValueError, match=text):
        jaxgen.log_prob(Model(BASE, bijection(no_params, log_det, back)), (), X)


def test_a_missing_leaf_is_named():
    model = Model(jaxgen.bases.joint({"a": BASE, "b": BASE}), jaxgen.on("c", affine(0.0, 2.0)))
    for call in (lambda: jaxgen.init(KEY, model), lambda: jaxgen.sample(KEY, model, (), 2)):
        with pytest.raises(ValueError, match="^on: leaf='c' of a noise with the leaves \\['a', 'b'\\]; accepted: "):
            call()


@pytest.mark.parametrize("atol", [0, -1.0, float("nan"), "a", None, True, np.ones(3)], ids=str)
def test_certify_refuses_what_is_no_tolerance(atol):
    with pytest.raises(ValueError, match="^certify: atol=.*; accepted: a positive tolerance"):
        jaxgen.certify(Model(BASE, affine(0.0, 2.0)), (), X, atol)


def test_events_and_keys_of_another_type_are_named():
    model = Model(BASE, affine(0.0, 2.0))
    for x in ("abc", None, {"a": X}, [[1.0], [1.0, 2.0]]):
        with pytest.raises(ValueError, match="^log_prob: x=.*; accepted: an array of numbers"):
            jaxgen.log_prob(model, (), x)
    with pytest.raises(ValueError, match=r"^sample: key=0.5; accepted: a key such as jax.random.key\(0\)"):
        jaxgen.sample(0.5, model, (), 2)
    with pytest.raises(ValueError, match="^fit: key=None; accepted: a key"):
        jaxgen.fit(None, Entry(MODEL, LOSS), X, 1)
    with pytest.raises(ValueError, match=r"^interpolate: x0 of shape \(2,\) and x1 of shape \(3,\); accepted: "):
        jaxgen.interpolate(model, (), np.ones(2), np.ones(3))


def test_a_condition_or_params_of_another_model_are_named():
    entry = zoo.build("realnvp", (2,), (1,), num_layers=2)
    params = jaxgen.init(KEY, entry.model, jnp.ones(1))
    with pytest.raises(ValueError, match="^sample: cond=None; accepted: params and conditions that the model's functions take, "):
        jaxgen.sample(KEY, entry.model, params, 2)
    with pytest.raises(ValueError, match=r"^log_prob: cond=an array of shape \(4, 3\); accepted: "):
        jaxgen.log_prob(entry.model, params, X, np.ones((4, 3), np.float32))


MODEL = Model(BASE, diagonal_affine())
LOSS = maximum_likelihood(MODEL)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (MODEL, "^fit: entry=<Model>; accepted: "),
        (Entry("name", "family", MODEL), "^Entry: model=<str>; accepted: "),
        (Entry(MODEL, maximum_likelihood), "^Entry: objective=maximum_likelihood; accepted: "),
        (Entry(MODEL, LOSS, optax.adam), "^Entry: optimizer=adam; accepted: an optimiser such as optax.adam"),
        (Entry(MODEL, LOSS, 1e-3), "^Entry: optimizer=<float>; accepted: an optimiser such as optax.adam"),
        (Entry(MODEL, LOSS, lambda num_steps: 3), "^Entry: optimizer=a function that returns 3; accepted: "),
        (Entry(MODEL, LOSS._replace(loss=None)), "^Objective: loss=None; accepted: a function"),
        (Entry(MODEL, LOSS._replace(loss=lambda *given: 0.0)), "^Objective: loss=a function that returns something else; accepted: "),
        (
            Entry(MODEL, Objective(lambda key, params, batch: params, LOSS.loss)),
            "^Objective: init=a function that returns a dict; accepted: ",
        ),
        (Entry(MODEL, LOSS._replace(schedule=0.5)), "^Objective: schedule=0.5; accepted: "),
    ],
    ids=["model", "old order", "factory", "optax", "factory of optax", "no optimiser", "no loss", "loss", "init", "schedule"],
)
def test_an_entry_made_by_hand_wrongly_is_named(entry, text):
    with pytest.raises(ValueError, match=text):
        jaxgen.fit(KEY, entry, X, 1, batch_size=4)


def test_conditions_without_validation_events_are_refused():
    with pytest.raises(ValueError, match="^fit: valid_cond=an array; accepted: None without valid"):
        jaxgen.fit(KEY, Entry(MODEL, LOSS), X, 1, batch_size=4, valid_cond=X)


def test_numbers_of_numpy_build_an_entry_that_can_be_saved(tmp_path):
    entry = zoo.build("realnvp", (np.int64(2),), num_layers=np.int64(2), learning_rate=np.float32(1e-3))
    fitted = jaxgen.fit(KEY, entry, X, 1, batch_size=4)
    jaxgen.save(tmp_path, entry, fitted)
    assert jaxgen.load(tmp_path)[0].card.config == entry.card.config


def test_a_name_of_the_zoo_is_not_taken_twice():
    before = list(zoo.NAMES)
    with pytest.raises(ValueError, match="^zoo.register: name='realnvp'; accepted: a name that is not taken"):
        zoo.register(zoo.Family("mine"), zoo.vector())(zoo.flow.realnvp)
    assert before == zoo.NAMES


def test_what_people_read_of_a_run_is_not_what_is_loaded(tmp_path):
    """Config and history are in the save, under its checksum; `config.json` and `metrics.jsonl` may be edited without harm."""
    entry = zoo.build("realnvp", (2,), num_layers=2)
    jaxgen.save(tmp_path, entry, jaxgen.fit(KEY, entry, X, 1, batch_size=4))
    for name in ("config.json", "metrics.jsonl"):
        (tmp_path / name).write_text("half")
    again, fitted = jaxgen.load(tmp_path)
    assert again.card.config == entry.card.config and len(fitted.history["loss"]) == 1
    [save] = (tmp_path / "checkpoints").iterdir()
    save.write_bytes(save.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"^read_tensors: path=.* with damage [^\n]*; accepted: a whole file [^\n]*[.]$"):
        jaxgen.load(tmp_path)
