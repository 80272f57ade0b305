"""What is saved is what is loaded, in the units of the data too; what does not belong together is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import zoo
from jaxgen.training import Entry
from jaxgen.training.tensors import read_tensors, write_tensors

X = np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32)
COND = np.random.default_rng(1).standard_normal((40, 1)).astype(np.float32)
LOC, SCALE = np.array([5.0, -2.0]), np.array([2.0, 0.1])


@pytest.fixture(scope="module")
def trained():
    entry = zoo.build("realnvp", (2,), (1,), width=8, depth=1, num_layers=2)
    return entry, jaxgen.fit(jax.random.key(0), entry, X, 3, cond=COND, valid=X, valid_cond=COND, batch_size=8, progress=False)


def equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(left, right)


def test_save_and_load_round_trip(trained, tmp_path):
    entry, fitted = trained
    jaxgen.save(tmp_path / "run", entry, fitted)
    again, loaded = jaxgen.load(tmp_path / "run")
    equal(fitted.params, loaded.params)
    assert again.card.config == entry.card.config and again.card.name == "realnvp" and loaded.status == "finished"
    np.testing.assert_allclose(loaded.history["loss"], fitted.history["loss"], rtol=1e-6)
    np.testing.assert_allclose(loaded.history["valid_loss"], fitted.history["valid_loss"], rtol=1e-6)
    assert loaded.history["num_steps"] == 3
    draws = [jaxgen.sample(jax.random.key(1), e.model, f.params, 40, COND) for e, f in (trained, (again, loaded))]
    np.testing.assert_array_equal(*draws)
    assert not [p for p in (tmp_path / "run").rglob("*") if p.suffix in (".pkl", ".pickle")]


def test_units_of_the_data_are_undone_and_counted_and_saved(trained, tmp_path):
    entry, fitted = trained
    outer, wrapped = zoo.in_units(entry, fitted, LOC, SCALE, [3.0], [4.0])
    cond = 3 + 4 * COND
    x = jaxgen.sample(jax.random.key(1), outer.model, wrapped.params, 40, cond)
    inner = jaxgen.sample(jax.random.key(1), entry.model, fitted.params, 40, COND)
    np.testing.assert_allclose(x, LOC + SCALE * inner, rtol=1e-4, atol=1e-5)
    value = jaxgen.log_prob(outer.model, wrapped.params, x, cond).value
    expected = jaxgen.log_prob(entry.model, fitted.params, inner, COND).value - np.log(SCALE).sum()
    np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-3)
    jaxgen.save(tmp_path / "run", outer, wrapped)
    again, loaded = jaxgen.load(tmp_path / "run")
    equal(wrapped.params, loaded.params)
    np.testing.assert_allclose(jaxgen.sample(jax.random.key(1), again.model, loaded.params, 40, cond), x, rtol=1e-6)
    assert again.card.config["units"] == {"loc": [5.0, -2.0], "scale": [2.0, 0.1], "cond_loc": [3.0], "cond_scale": [4.0]}


def test_an_interrupted_run_is_saved_with_its_optimiser(trained, tmp_path):
    entry, fitted = trained
    batch = jaxgen.Batch(jnp.asarray(X[:2]), jnp.asarray(COND[:2]))
    state = jax.tree.map(lambda a: a + 1, jaxgen.training.init_state(jax.random.key(3), entry, batch, 5))
    outer, wrapped = zoo.in_units(entry, fitted._replace(status="interrupted", state=state), LOC, SCALE, [3.0], [4.0])
    jaxgen.save(tmp_path, outer, wrapped)
    loaded = jaxgen.load(tmp_path)[1]
    equal(loaded.state, state)
    equal(loaded.params, wrapped.params)
    jaxgen.save(tmp_path, outer, wrapped._replace(state=None))
    assert jaxgen.load(tmp_path)[1].state is None


def test_a_critic_is_saved_with_its_generator(tmp_path):
    entry = zoo.build("gan", (2,), width=8, depth=1)
    fitted = jaxgen.fit(jax.random.key(0), entry, X, 2, batch_size=8, progress=False)
    jaxgen.save(tmp_path, entry, fitted)
    equal((fitted.params, fitted.aux), jaxgen.load(tmp_path)[1][:2])
    assert jax.tree.leaves(fitted.aux)


def test_what_cannot_be_rebuilt_is_refused(trained, tmp_path):
    entry, fitted = trained
    own = Entry(entry.model, entry.objective, entry.optimizer, entry.readings)
    with pytest.raises(ValueError, match=r"accepted: an entry made by jaxgen\.zoo\.build"):
        jaxgen.save(tmp_path, own, fitted)
    several = fitted._replace(history={"loss": np.zeros((5, 3))})
    for write, name in ((jaxgen.save, "save"), (jaxgen.export, "export")):
        with pytest.raises(ValueError, match=rf"{name}: fitted=one of 5 seeds; accepted: one of them, jaxgen\.training\.one_seed"):
            write(tmp_path / "several", entry, several)
    assert not (tmp_path / "several").exists()
    with pytest.raises(FileNotFoundError, match="accepted: a run folder of jaxgen"):
        jaxgen.load(tmp_path / "nowhere")
    jaxgen.save(tmp_path / "run", entry, fitted)
    for change, message in (
        ({"config": {}}, "KeyError: 'cond_shape'.*; accepted: what jaxgen wrote"),
        ({"config": {**entry.card.config, "options": {"width": 16}}}, "arrays of other names or shapes than its config's 'realnvp' has"),
        ({"format": 2}, "of format 2; accepted: format 1"),
    ):
        [path] = (tmp_path / "run" / "checkpoints").iterdir()
        arrays, facts = read_tensors(path)
        write_tensors(path, arrays, {**facts, **change})
        with pytest.raises(ValueError, match=message):
            jaxgen.load(tmp_path / "run")
        write_tensors(path, arrays, facts)


def test_of_a_damaged_save_the_one_before_it_is_loaded_and_said(trained, tmp_path):
    entry, fitted = trained
    for params in (fitted.params, jax.tree.map(lambda a: a + 1, fitted.params)):
        jaxgen.save(tmp_path, entry, fitted._replace(params=params))
    newest = tmp_path / "checkpoints" / "000002.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=r"000002.*with damage.*The save before it is taken: 000001"):
        equal(jaxgen.load(tmp_path)[1].params, fitted.params)


def test_a_training_that_diverged_is_loaded_and_said(trained, tmp_path):
    entry, fitted = trained
    jaxgen.save(tmp_path / "run", entry, fitted._replace(status="diverged"))
    with pytest.warns(UserWarning, match="holds a training that diverged after 3 steps"):
        assert jaxgen.load(tmp_path / "run")[1].status == "diverged"


def test_the_gaussian_of_codes_is_fitted_after_training():
    entry = zoo.build("ae", (2,), width=8, depth=1)
    fitted = jaxgen.fit(jax.random.key(0), entry, X, 5, batch_size=8, progress=False)
    codes = np.asarray(jax.vmap(lambda x: entry.model.transform.parts["encode"](fitted.params, x))(jnp.asarray(X)))
    np.testing.assert_allclose(fitted.params[0]["loc"], codes.mean(0), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(fitted.params[0]["tril"][0, 0], codes.std(), rtol=1e-2, atol=1e-3)


def test_a_hand_made_entry_is_read_in_units_too(trained):
    entry, fitted = trained
    plain = Entry(entry.model, entry.objective)
    outer, wrapped = zoo.in_units(plain, fitted, LOC, SCALE)
    x = jaxgen.sample(jax.random.key(1), outer.model, wrapped.params, 40, COND)
    inner = jaxgen.sample(jax.random.key(1), entry.model, fitted.params, 40, COND)
    np.testing.assert_allclose(x, LOC + SCALE * inner, rtol=1e-4, atol=1e-5)
    assert list(outer.models) == ["default"]


def test_entries_are_compared_by_identity(trained):
    one, other = (Entry(*trained[0][:2]) for _ in range(2))
    assert one == one and one != other and len({one, one, other}) == 2


@pytest.mark.parametrize("damage", ["config", "status", "history", "name", "options"])
def test_a_save_whose_facts_are_not_what_jaxgen_writes_is_refused_in_one_line(trained, tmp_path, damage):
    """The checksums of a hostile file are right."""
    jaxgen.save(tmp_path / "run", *trained)
    (path,) = (tmp_path / "run" / "checkpoints").glob("*.safetensors")
    arrays, facts = read_tensors(path)
    if damage in facts:
        del facts[damage]
    else:
        facts["config"][damage] = [None]
    write_tensors(path, arrays, facts)
    with pytest.raises(ValueError, match=r"^[^\n]*; accepted: [^\n]*$"):
        jaxgen.load(tmp_path / "run")
