"""Save and load a trained entry: its config as JSON and its arrays under checksums, never code."""

import importlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.atomic import written_by_jaxgen
from jaxgen.objective import Batch
from jaxgen.training import Entry, Fitted, init_state
from jaxgen.training.run_folder import SAVES, ReadRun, fitted_of, read_run, write_run
from jaxgen.training.seeds import require_one_seed
from jaxgen.zoo.networks import IMAGE
from jaxgen.zoo.registry import FAMILIES, build
from jaxgen.zoo.tables import Layout, on_table
from jaxgen.zoo.units import in_units


def save(path: str | Path, entry: Entry, fitted: Fitted) -> None:
    """Write a trained entry into a run folder: `config.json`, `metrics.jsonl` and `checkpoints/`.

    Args:
        path: The folder, which is made if need be and may hold an earlier save of the same run.
        entry: An entry that `zoo.build` made.
        fitted: What `jaxgen.fit` returned; the state of an interrupted fit is saved too.

    Raises:
        ValueError: The entry did not come from `zoo.build`, so its functions cannot be rebuilt from a config; or `fitted` holds several
            seeds, which `load` could not read.
    """
    if not isinstance(entry, Entry) or not isinstance(fitted, Fitted):  # pyright: ignore[reportUnnecessaryIsInstance]
        given = f"entry=<{type(entry).__name__}> and fitted=<{type(fitted).__name__}>"
        raise ValueError(f"save: {given}; accepted: a jaxgen.Entry and the Fitted that jaxgen.fit returned.")
    if "name" not in entry.card.config:
        raise ValueError(f"save: entry={entry.card.name!r} without a config; accepted: an entry made by jaxgen.zoo.build.")
    require_one_seed("save", fitted)
    write_run(path, entry, fitted)


def load(path: str | Path) -> tuple[Entry, Fitted]:
    """Return the entry and the params of a run folder that `save` or `jaxgen train` wrote.

    An entry that `zoo.register` has entered from a module of your own is found by the name of that module, which is imported as by `import`
    if it has not been; a run folder holds its name and no code. An entry of a notebook has to be registered again before its runs are loaded.

    Args:
        path: The run folder.

    Returns:
        The entry, rebuilt from its config, and a `Fitted` with the saved arrays and history.

    Raises:
        FileNotFoundError: No run was saved in the folder.
        ValueError: The config is not one that jaxgen wrote, the arrays do not belong to it, or no save is whole. If only the newest is
            damaged, the one before it is loaded, with a warning; so is a training that diverged.
    """
    path = Path(path)
    if not (path / SAVES).is_dir():
        raise FileNotFoundError(f"load: path={str(path)!r}; accepted: a run folder of jaxgen with a save in {SAVES}/.")
    with written_by_jaxgen(f"load: path={str(path)!r}"):
        entry, fitted = _rebuilt(path, read_run(path))
    if fitted.status == "diverged":
        checks.warn(
            f"load: path={str(path)!r} holds a training that diverged after {fitted.history['num_steps']} steps; its params are the last finite "
            "ones, and what is drawn from them may be far from the data."
        )
    return entry, fitted


def _rebuilt(path: Path, run: ReadRun) -> tuple[Entry, Fitted]:
    for message in run.save.damaged:
        warnings.warn(f"{message} The save before it is taken: {run.save.path.name}.", stacklevel=4)
    config = run.config
    _register(str(path), config.get("name"), config.get("module"))
    cond_shape = config["cond_shape"]
    # What a device's size changes stands among the options; an older config, which names no sizes, has the published ones.
    size = "published" if len(config["event_shape"]) == IMAGE else None
    entry = build(config["name"], config["event_shape"], cond_shape, size=size, **config["options"])
    like = jax.eval_shape(lambda key: _initial(key, entry, config["event_shape"], cond_shape), jax.random.key(0))
    units, table = config.get("units"), config.get("table")
    entry = entry._replace(
        card=entry.card._replace(config={**entry.card.config, **{k: config[k] for k in ("source", "training", "images") if k in config}})
    )
    try:
        fitted = fitted_of(run, like if units is None and table is None else {**like, "params": (like["params"], ())})
    except ValueError as error:
        raise ValueError(
            f"load: path={str(path)!r} with arrays of other names or shapes than its config's {entry.card.name!r} has ({error}); accepted: a run "
            "folder of this version of jaxgen. CHANGELOG.md names the entries whose params changed; train those again."
        ) from None
    if units is None and table is None:
        return entry, fitted
    return restored(entry, fitted._replace(params=fitted.params[0]), config)


def restored(entry: Entry, fitted: Fitted, config: Mapping[str, Any]) -> tuple[Entry, Fitted]:
    """Put an entry that `build` made again, and what was fitted for it, into the units that a config says.

    Args:
        entry: The entry in its own coordinates.
        fitted: What was fitted for it.
        config: The config of its card before it was rebuilt.

    Raises:
        ValueError, KeyError, TypeError: The config is not one that jaxgen wrote.
    """
    if "table" in config:
        layout, cond = Layout.from_json(config["table"]), config["table"]["cond"]
        return on_table(entry, fitted, layout, cond["loc"], cond["scale"])
    return in_units(entry, fitted, **config["units"])


def _initial(key: jax.Array, entry: Entry, event_shape: Any, cond_shape: Any) -> Any:
    batch = Batch(jnp.zeros((2, *event_shape)), None if cond_shape is None else jnp.zeros((2, *cond_shape)))
    state = init_state(key, entry, batch, 1)
    return {"params": state.params, "aux": state.aux, "state": state}


def _register(path: str, name: Any, module: Any) -> None:
    """Import the module that registers an entry from outside the library, if nobody has."""
    if module is None or name in FAMILIES:
        return
    if not isinstance(module, str) or not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", module):
        raise ValueError(f"load: path={path!r} with module={module!r} in its config; accepted: a config that jaxgen wrote.")
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"load: path={path!r} holds an entry {name!r} of the module {module!r} ({error}); accepted: a run whose module can be imported."
        ) from None
    if name not in FAMILIES:
        raise ValueError(
            f"load: path={path!r} holds an entry {name!r}, which {module!r} does not register; accepted: one that it registers."
        )
