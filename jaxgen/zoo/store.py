"""Save and load a trained entry: its config as JSON, its arrays through orbax, never code."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.atomic import write_json, write_text
from jaxgen.objective import Batch
from jaxgen.training import Entry, Fitted, init_state, load_arrays, save_arrays
from jaxgen.zoo.registry import build
from jaxgen.zoo.tables import Layout, on_table
from jaxgen.zoo.units import in_units


def save(path: str | Path, entry: Entry, fitted: Fitted) -> None:
    """Write a trained entry into a run folder: `config.json`, `metrics.jsonl` and `checkpoints/`.

    Args:
        path: The folder, which is made if need be and may hold an earlier save of the same run.
        entry: An entry that `zoo.build` made.
        fitted: What `jaxgen.fit` returned; the state of an interrupted fit is saved too.

    Raises:
        ValueError: The entry did not come from `zoo.build`, so its functions cannot be rebuilt from a config.
    """
    if not isinstance(entry, Entry) or not isinstance(fitted, Fitted):  # pyright: ignore[reportUnnecessaryIsInstance]
        given = f"entry=<{type(entry).__name__}> and fitted=<{type(fitted).__name__}>"
        raise ValueError(f"save: {given}; accepted: a jaxgen.Entry and the Fitted that jaxgen.fit returned.")
    if "name" not in entry.card.config:
        raise ValueError(f"save: entry={entry.card.name!r} without a config; accepted: an entry made by jaxgen.zoo.build.")
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    history = fitted.history
    numbers = {k: v for k, v in history.items() if isinstance(v, (int, float))}
    resumable = fitted.state is not None
    write_json(path / "config.json", {**entry.card.config, "status": fitted.status, "resumable": resumable, "history": numbers})
    _write_metrics(path / "metrics.jsonl", history)
    arrays = {"params": fitted.params, "aux": fitted.aux}
    save_arrays(path / "checkpoints", arrays if fitted.state is None else {**arrays, "state": fitted.state})


def load(path: str | Path) -> tuple[Entry, Fitted]:
    """Return the entry and the params of a run folder that `save` or `jaxgen train` wrote.

    Args:
        path: The run folder.

    Returns:
        The entry, rebuilt from its config, and a `Fitted` with the saved arrays and history.

    Raises:
        FileNotFoundError: The folder has no `config.json`.
        ValueError: The config is not one that jaxgen wrote, or the arrays do not belong to it.
    """
    path = Path(path)
    if not (path / "config.json").is_file():
        raise FileNotFoundError(f"load: path={str(path)!r}; accepted: a run folder of jaxgen, which has a config.json.")
    try:
        config = json.loads((path / "config.json").read_text())
        cond_shape = config["cond_shape"]
        entry = build(config["name"], config["event_shape"], cond_shape, **config["options"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"load: path={str(path)!r} with {error!r} in its config.json; accepted: a config that jaxgen wrote.") from None
    like = jax.eval_shape(lambda key: _initial(key, entry, config["event_shape"], cond_shape), jax.random.key(0))
    units, table = config.get("units"), config.get("table")
    entry = entry._replace(
        card=entry.card._replace(config={**entry.card.config, **{k: config[k] for k in ("source", "training") if k in config}})
    )
    if units is not None or table is not None:
        like = {**like, "params": (like["params"], ())}
    if not config.get("resumable"):
        del like["state"]
    try:
        arrays = load_arrays(path / "checkpoints", like)
    except ValueError:
        # The message of orbax is the whole tree, and an array of another shape is named without its path.
        raise ValueError(
            f"load: path={str(path)!r} with arrays of other names or shapes than its config's {entry.card.name!r} has; accepted: a run folder "
            "of this version of jaxgen. CHANGELOG.md names the entries whose params changed; train those again."
        ) from None
    try:
        history = _read_metrics(path / "metrics.jsonl") | config.get("history", {})
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"load: path={str(path)!r} with {error!r} in its metrics.jsonl; accepted: metrics that jaxgen wrote.") from None
    fitted = Fitted(arrays["params"], arrays["aux"], history, config.get("status", "finished"), arrays.get("state"))
    if table is not None:
        return _on_table(str(path), entry, fitted._replace(params=fitted.params[0]), table)
    if units is None:
        return entry, fitted
    return in_units(entry, fitted._replace(params=fitted.params[0]), **units)


def _on_table(path: str, entry: Entry, fitted: Fitted, table: Any) -> tuple[Entry, Fitted]:
    try:
        layout, cond = Layout.from_json(table), table["cond"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"load: path={path!r} with {error!r} in its config.json; accepted: a config that jaxgen wrote.") from None
    return on_table(entry, fitted, layout, cond["loc"], cond["scale"])


def _initial(key: jax.Array, entry: Entry, event_shape: Any, cond_shape: Any) -> Any:
    batch = Batch(jnp.zeros((2, *event_shape)), None if cond_shape is None else jnp.zeros((2, *cond_shape)))
    state = init_state(key, entry, batch, 1)
    return {"params": state.params, "aux": state.aux, "state": state}


def _write_metrics(path: Path, history: dict[str, Any]) -> None:
    steps = {k: v for k, v in history.items() if hasattr(v, "shape") and not k.startswith("valid_")}
    rows = [{"step": i, **{k: float(v[i]) for k, v in steps.items()}} for i in range(len(steps.get("loss", ())))]
    rows += [
        {"step": int(s), "valid_loss": float(v)} for s, v in zip(history.get("valid_step", ()), history.get("valid_loss", ()), strict=True)
    ]
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def _read_metrics(path: Path) -> dict[str, Any]:
    import numpy as np

    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    steps, valids = [r for r in rows if "valid_loss" not in r], [r for r in rows if "valid_loss" in r]
    history: dict[str, Any] = {k: np.array([r[k] for r in steps], np.float32) for k in (steps[0] if steps else {}) if k != "step"}
    return history | {
        "valid_step": np.array([r["step"] for r in valids], np.int32),
        "valid_loss": np.array([r["valid_loss"] for r in valids], np.float32),
    }
