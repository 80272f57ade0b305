"""Run a model that jaxgen exported; this file needs jax and numpy alone.

model = load()
x = model["sample"](keys=keys(0, 1000))  # a seed and the number of samples
density = model["log_prob"](x=x["x"], keys=keys(1, 1000))  # keys are read by a density that is estimated only

manifest.json says what each function takes and returns, in which units and columns events are, and what kind of number the density is.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

MANIFEST = ""  # The checksum of manifest.json, which holds those of the other files.


def keys(seed: int, num: int) -> jax.Array:
    """Return `num` random keys as functions take them."""
    return jax.random.key_data(jax.random.split(jax.random.key(seed, impl="threefry2x32"), num))


def load(folder: str | Path = Path(__file__).parent) -> dict[str, Callable[..., dict[str, jax.Array]]]:
    """Return the functions of the model by name; ValueError if a file is not as it was exported."""

    def read(name: str, checksum: str) -> bytes:
        raw = (Path(folder) / name).read_bytes()
        if hashlib.sha256(raw).hexdigest() != checksum:
            raise ValueError(f"load: {Path(folder) / name} is not as it was exported; accepted: the files that jaxgen wrote, unchanged.")
        return raw

    manifest = json.loads(read("manifest.json", MANIFEST))
    if manifest["format"] != 1:
        raise ValueError(f"load: an export of format {manifest['format']!r}; accepted: format 1, which this file reads.")
    files = {name: read(name, checksum) for name, checksum in manifest["sha256"].items()}
    sys.path.append(str(Path(folder) / "flatbuffers.zip"))  # With it jax reads programs.

    def param(a: dict[str, Any]) -> np.ndarray:
        return np.frombuffer(files["params.safetensors"][a["begin"] : a["end"]], jnp.dtype(a["dtype"])).reshape(a["shape"])

    def function(about: dict[str, Any]) -> Callable[..., dict[str, jax.Array]]:
        call = jax.jit(jax.export.deserialize(bytearray(files[about["file"]])).call)
        return lambda **given: call(params, {i["name"]: np.asarray(given[i["name"]], i["dtype"]) for i in about["inputs"]})

    params = {name: param(a) for name, a in manifest["params"].items()}
    return {name: function(about) for name, about in manifest["functions"].items()}
