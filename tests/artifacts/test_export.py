"""An exported model gives the numbers of the library without it, and refuses files that are not what was written."""

import ast
import hashlib
import importlib.util
import json
import sys

import jax
import numpy as np
import pytest

import jaxgen
from jaxgen import artifacts, zoo
from jaxgen.training.checkpoint import named

COND = np.random.default_rng(0).standard_normal((7, 1)).astype(np.float32)


def loaded(folder):
    spec = importlib.util.spec_from_file_location("load_of_an_export", folder / "load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A conditional variational autoencoder in units: noise is a dict, the density an estimate, and events are scaled."""
    entry = zoo.build("vae", (2,), (1,), **zoo.small("vae"))
    params = jax.tree.map(lambda a: a + 0.1, jaxgen.init(jax.random.key(0), entry.model, COND[0]))
    entry, fitted = zoo.in_units(entry, jaxgen.Fitted(params, (), {}), [5.0, -2.0], [2.0, 0.1], [3.0], [4.0])
    folder = tmp_path_factory.mktemp("export") / "vae"
    artifacts.export(folder, entry, fitted, num_draws=3)
    return entry, fitted, folder


def test_the_loader_gives_what_the_library_gives(exported):
    entry, fitted, folder = exported
    module = loaded(folder)
    model = module.load()
    assert sorted(model) == ["inverse", "log_prob", "sample"]
    for num in (5, 7):
        cond, given = COND[:num], {"cond": COND[:num].astype(np.float64)}
        x = jaxgen.sample(jax.random.key(4), entry.model, fitted.params, num, cond)
        np.testing.assert_allclose(model["sample"](keys=module.keys(4, num), **given)["x"], x, rtol=1e-6, atol=1e-6)
        if num == 5:
            continue
        truth = jaxgen.log_prob(entry.model, fitted.params, x, cond, key=jax.random.key(1), num_draws=3)
        ours = model["log_prob"](x=x, keys=module.keys(1, num), **given)
        np.testing.assert_allclose(ours["value"], truth.value, rtol=1e-5)
        np.testing.assert_allclose(ours["stderr"], truth.stderr, rtol=1e-3)
        noise = named({"noise": jaxgen.encode(entry.model, fitted.params, x, cond, key=jax.random.key(1))})
        for name, a in model["inverse"](x=x, keys=module.keys(1, num), **given).items():
            np.testing.assert_allclose(a, noise.pop(name), rtol=1e-5, atol=1e-5)
        assert not noise


def test_the_manifest_says_what_the_arrays_are(exported):
    manifest = json.loads((exported[2] / "manifest.json").read_text())
    assert manifest["density"] == {"kind": "lower bound", "unit": "nats", "of_an_ode": False, "num_draws": 3, "refined": 0}
    assert manifest["event"]["shape"] == [2] and manifest["event"]["loc"] == [5.0, -2.0] and manifest["condition"]["scale"] == [4.0]
    assert manifest["platforms"] == ["cpu", "cuda", "tpu"] and manifest["versions"]["jax"] == jax.__version__
    assert manifest["functions"]["sample"]["inputs"] == [
        {"name": "keys", "shape": ["n", 2], "dtype": "uint32"},
        {"name": "cond", "shape": ["n", 1], "dtype": "float32"},
    ]


def test_changed_files_and_later_formats_are_refused_in_one_line(exported, tmp_path):
    folder = exported[2]
    names = sorted(path.name for path in folder.iterdir())
    for name in names:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    module = loaded(tmp_path)
    for name in sorted(set(names) - {"load.py"}):
        raw = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(bytes([raw[0] ^ 1]) + raw[1:])
        with pytest.raises(ValueError, match=f"{name} is not as it was exported") as caught:
            module.load(tmp_path)
        assert "\n" not in str(caught.value)
        (tmp_path / name).write_bytes(raw)
    later = (tmp_path / "manifest.json").read_bytes().replace(b'"format": 1', b'"format": 2')
    (tmp_path / "manifest.json").write_bytes(later)
    module.MANIFEST = hashlib.sha256(later).hexdigest()
    with pytest.raises(ValueError, match="an export of format 2; accepted: format 1"):
        module.load(tmp_path)


def test_the_loader_imports_jax_and_numpy_alone():
    tree = ast.parse(exported_source := artifacts.loader_source())
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    others = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert others == {"jax", "numpy"} and len(exported_source.splitlines()) < 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_draws": 0}, "export: num_draws=0"),
        ({"refine": -1}, "export: refine=-1"),
        ({"reading": "ode"}, "export: reading='ode'; accepted: default"),
    ],
)
def test_bad_arguments_are_named(options, message, exported, tmp_path):
    with pytest.raises(ValueError, match=message):
        artifacts.export(tmp_path, *exported[:2], **options)
    with pytest.raises(ValueError, match="without a config"):
        artifacts.export(tmp_path, exported[0]._replace(card=jaxgen.Card()), exported[1])
