"""`export`: a folder with the functions of a trained model, its params, what they mean, and a file that runs them."""

import hashlib
import importlib.resources
import io
import re
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.arguments import noise_shape
from jaxgen.artifacts import loader
from jaxgen.artifacts.programs import PLATFORMS, Program, lowered, programs_of
from jaxgen.atomic import write_bytes, write_json, write_text
from jaxgen.certificate import refined_model
from jaxgen.model import Model
from jaxgen.training import Entry, Fitted, save_arrays
from jaxgen.training.seeds import require_one_seed
from jaxgen.training.tensors import offsets
from jaxgen.transform import Density

FORMAT = 1
"""The number of the layout of an export, which the loader compares."""
PARAMS, READER = "params.safetensors", "flatbuffers.zip"


def export(path: str | Path, entry: Entry, fitted: Fitted, *, reading: str | None = None, num_draws: int = 16, refine: int = 0) -> None:
    """Write a trained model as programs that need jax and numpy alone: sampler, log density and inverse, for batches of any size.

    The folder holds a file of StableHLO for each function, for CPU, CUDA and TPU; the params as safetensors; `manifest.json`, which says what
    each array is; `load.py`, a page of Python that reads the others and refuses files that were changed; and the package flatbuffers as
    a zip file, with which jax reads programs.

    Args:
        path: The folder, which is made if need be.
        entry: The entry, with its config from `jaxgen.zoo.build`.
        fitted: Its trained params, as `jaxgen.fit` or `jaxgen.load` returns them.
        reading: Which reading of the params; None takes the default one.
        num_draws: How many draws estimate a density that is not exact.
        refine: How far the solver behind the density is refined, as `jaxgen.certify` counts: each step has twice the steps or a tenth of the
            tolerance.

    Raises:
        ValueError: The entry has no config or no such reading, or a number is out of range.

    >>> import jax, jaxgen, tempfile, pathlib
    >>> entry = jaxgen.zoo.build("realnvp", (2,), width=4, depth=1, num_layers=1)
    >>> fitted = jaxgen.Fitted(jaxgen.init(jax.random.key(0), entry.model), (), {})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     jaxgen.export(folder, entry, fitted)
    ...     sorted(file.name for file in pathlib.Path(folder).iterdir())
    ['flatbuffers.zip', 'inverse.stablehlo', 'load.py', 'log_prob.stablehlo', 'manifest.json', 'params.safetensors', 'sample.stablehlo']
    """
    if not isinstance(entry, Entry):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"export: entry=<{type(entry).__name__}>; accepted: a jaxgen.Entry.")
    require_one_seed("export", fitted)
    checks.count("export: num_draws", num_draws)
    checks.count("export: refine", refine, 0)
    config, name = entry.card.config, reading or entry.card.reading
    if "event_shape" not in config:
        raise ValueError(f"export: entry={entry.card.name!r} without a config; accepted: an entry made by jaxgen.zoo.build.")
    if name not in entry.models:
        raise ValueError(f"export: reading={reading!r}; accepted: {', '.join(entry.models)}.")
    cond, path, model = config["cond_shape"], Path(path), entry.models[name]
    density = refined_model(model, False, refine, False)
    one = None if cond is None else jax.ShapeDtypeStruct(tuple(cond), jnp.float32)
    event = jax.eval_shape(model.transform.forward, fitted.params, noise_shape(model), one)
    programs = programs_of(model, fitted.params, event.shape, None if one is None else one.shape, density=density, num_draws=num_draws)
    functions = {what: _write(path, what, program, fitted) for what, program in programs.items()}
    save_arrays(path / PARAMS, fitted.params)
    write_bytes(path / READER, _reader())
    manifest = {
        "format": FORMAT,
        "versions": {package: version(package) for package in ("jax", "jaxlib")},
        "platforms": PLATFORMS,
        "model": {"name": entry.card.name, "family": entry.card.family, "objective": entry.card.objective, "reading": name},
        "event": {"shape": event.shape, **_meaning(config, "")},
        "condition": None if cond is None else {"shape": cond, **_meaning(config, "cond_")},
        "density": _about_density(model, density, num_draws, refine),
        "functions": functions,
        "params": offsets(path / PARAMS),
        "sha256": {file: _checksum(path / file) for file in [PARAMS, READER, *(f["file"] for f in functions.values())]},
    }
    write_json(path / "manifest.json", manifest)
    # The last file, so that an export that was cut short does not load.
    known = f'MANIFEST = "{_checksum(path / "manifest.json")}"'
    write_text(path / "load.py", re.sub(r'^MANIFEST = ""', known, loader_source(), flags=re.MULTILINE))


def loader_source() -> str:
    """Return the file that runs an export, before it knows the checksum of its manifest."""
    return Path(loader.__file__).read_text(encoding="utf-8")


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, what: str, program: Program, fitted: Fitted) -> dict[str, Any]:
    """Write the file of one function, and return what it takes and gives."""
    exported = lowered(program, fitted.params)
    write_bytes(path / f"{what}.stablehlo", bytes(exported.serialize()))
    inputs = [{"name": name, "shape": ["n", *row.shape], "dtype": row.dtype.name} for name, row in program.inputs.items()]
    results = jax.tree.unflatten(exported.out_tree, exported.out_avals)
    return {
        "file": f"{what}.stablehlo",
        "inputs": inputs,
        "results": [{"name": name, "shape": ["n", *a.shape[1:]], "dtype": a.dtype.name} for name, a in results.items()],
    }


def _reader() -> bytes:
    """Return the package flatbuffers as a zip file, from which Python imports it: jax reads programs with it and does not bring it along."""
    folder = importlib.resources.files("flatbuffers")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for module in sorted((file for file in folder.iterdir() if file.name.endswith(".py")), key=lambda file: file.name):
            # A date of its own would make two exports of one model differ.
            file.writestr(zipfile.ZipInfo(f"flatbuffers/{module.name}"), module.read_bytes())
    return content.getvalue()


def _meaning(config: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the columns of the user's file and the units in which a model was trained, as far as they are known.

    All functions take and give events and conditions in the user's units; `loc` and `scale` say how they were standardised inside.
    """
    source, units = config.get("source", {}), config.get("units", {})
    meaning = {"columns": config.get(f"{prefix}columns") or source.get(f"{prefix}columns"), "labels": bool(prefix and source.get("labels"))}
    return meaning | {what: units.get(f"{prefix}{what}") for what in ("loc", "scale")}


def _about_density(model: Model, density: Model, num_draws: int, refine: int) -> dict[str, Any]:
    """Return what kind of number "log_prob" gives, in nats, and how it is computed."""
    kind = density.transform.kind
    if kind is Density.IMPLICIT:
        return {"kind": str(kind)}
    return {
        "kind": str(kind),
        "unit": "nats",
        "of_an_ode": model.transform.proxy is not None,
        "num_draws": 1 if kind is Density.EXACT else num_draws,
        "refined": refine if density is not model else 0,
    }
