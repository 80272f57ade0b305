"""An entry of a user's own module is saved, and found again by the name of that module and never by code in the folder."""

import importlib
import sys

import jax
import numpy as np
import pytest

import jaxgen
from jaxgen import zoo
from jaxgen.cli.own_entries import own_entries
from jaxgen.zoo.registry import FAMILIES

MODULE = '''"""A model of my own."""
from jaxgen import zoo


@zoo.register(zoo.Family("mine"), zoo.vector(width=8, depth=1))
def my_flow(nets, *, num_layers: int = 2, learning_rate: float = 1e-3):
    """Stack couplings."""
    return zoo.flow.realnvp(nets, num_layers=num_layers, learning_rate=learning_rate)
'''
X = np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32)


def forgotten():
    zoo.forget("my_flow")
    sys.modules.pop("my_models_of_the_test", None)
    importlib.invalidate_caches()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A saved run of an own entry, in a process that has forgotten both the entry and its module."""
    (tmp_path / "my_models_of_the_test.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("my_models_of_the_test")
    entry = zoo.build("my_flow", (2,), num_layers=1)
    fitted = jaxgen.fit(jax.random.key(0), entry, X, 2, batch_size=8, progress=False)
    jaxgen.save(tmp_path / "run", entry, fitted)
    forgotten()
    yield tmp_path, fitted
    forgotten()


def test_an_own_entry_is_loaded_by_its_module(run):
    folder, fitted = run
    assert "my_flow" not in FAMILIES and not list((folder / "run").rglob("*.py"))
    entry, loaded = jaxgen.load(folder / "run")
    assert entry.card.name == "my_flow" and entry.card.config["options"] == {"num_layers": 1}
    assert entry.card.config["module"] == "my_models_of_the_test"
    np.testing.assert_array_equal(*(jaxgen.sample(1, entry.model, f.params, 5) for f in (fitted, loaded)))


def test_a_module_that_is_gone_is_named(run):
    folder, _ = run
    (folder / "my_models_of_the_test.py").unlink()
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match=r"load: .*'my_flow' of the module 'my_models_of_the_test'.*accepted"):
        jaxgen.load(folder / "run")


def test_a_module_that_no_longer_registers_the_entry_is_named(run):
    folder, _ = run
    (folder / "my_models_of_the_test.py").write_text('"""Empty."""\n', encoding="utf-8")
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match="'my_flow', which 'my_models_of_the_test' does not register"):
        jaxgen.load(folder / "run")


def test_an_entry_of_the_library_names_no_module():
    assert "module" not in zoo.build("realnvp", (2,)).card.config


@pytest.mark.parametrize("module", ["os; print(1)", "../my_models", "", 3, ".relative"])
def test_only_the_name_of_a_module_is_imported(module):
    from jaxgen.zoo.store import _register

    with pytest.raises(ValueError, match="accepted: a config that jaxgen wrote"):
        _register("run", "no_such_entry", module)


def test_a_command_finds_the_modules_of_its_folder(tmp_path, monkeypatch):
    (tmp_path / "my_models_of_the_test.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    importlib.invalidate_caches()
    try:
        own_entries(["my_models_of_the_test"])
        assert "my_flow" in zoo.NAMES
        with pytest.raises(ValueError, match="--imports no_such_module: .*accepted"):
            own_entries(["no_such_module"])
    finally:
        forgotten()
