"""The folder of a run: what `fit` saves on the way and at the end, and how it is read again."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.atomic import write_json, write_text
from jaxgen.meshes import to_host
from jaxgen.training.checkpoint import tree_of
from jaxgen.training.entry import Entry
from jaxgen.training.fitted import Fitted
from jaxgen.training.saves import Save, newest_save, write_save
from jaxgen.types import Key, PyTree

FORMAT = 1
"""The number of the layout of a save; a later one is refused."""
SAVES = "checkpoints"


def write_run(path: str | Path, entry: Entry, fitted: Fitted, *, alone: bool = False) -> None:
    """Write a fit into the folder of its run, so that at every moment the folder holds a whole save.

    `checkpoints/` holds the saves, each with all that `read_run` needs. `config.json` describes the entry for people, and at the end of
    training `metrics.jsonl` lists the history. A fit that is spread over several processes is written by the first of them; all have to call
    this together.

    Args:
        path: The folder, which is made if need be.
        entry: The entry that is trained.
        fitted: The result of the fit, or where it stands.
        alone: Remove the saves of an earlier run once this one is whole.
    """
    spread = any(isinstance(leaf, jax.Array) and not leaf.is_fully_addressable for leaf in jax.tree.leaves(fitted))
    fitted = to_host(fitted)
    if spread and jax.process_index() > 0:
        return
    path, numbers = Path(path), {k: v for k, v in fitted.history.items() if isinstance(v, (int, float))}
    config = {**entry.card.config, "status": fitted.status, "resumable": fitted.state is not None, "history": numbers}
    if not (path / "config.json").exists():
        # Before the first save, so that a folder with a save is always known for a run; the arrays are not there yet.
        write_json(path / "config.json", {**config, "status": "running", "resumable": False})
    history = {k: v for k, v in fitted.history.items() if k not in numbers}
    tree, facts = {"params": fitted.params, "aux": fitted.aux, "history": history}, {"format": FORMAT, "jax": version("jax")}
    facts |= {name: config[name] for name in ("status", "resumable", "history")} | {"config": dict(entry.card.config)}
    if fitted.state is not None:
        tree["state"] = fitted.state
    if fitted.key is not None:
        tree["key"], facts["key"] = fitted.key, _impl(fitted.key)
    write_save(path / SAVES, tree, facts, alone=alone)
    write_json(path / "config.json", config)
    if fitted.status != "running":
        _write_metrics(path / "metrics.jsonl", fitted.history)


class ReadRun(NamedTuple):
    """Hold a run that was read, before its arrays are put into their structure.

    Attributes:
        save: The newest whole save.
        config: The config of the entry.
        has_state: Whether the fit can be gone on with.
    """

    save: Save
    config: dict[str, Any]
    has_state: bool


def read_run(path: str | Path) -> ReadRun:
    """Read the newest save of a run that is whole.

    Args:
        path: The folder of the run.

    Raises:
        FileNotFoundError: No run was saved there.
        ValueError: No save is whole, or the newest is of a later version of jaxgen.
    """
    save = newest_save(Path(path) / SAVES)
    if save.facts.get("format") != FORMAT:
        raise ValueError(
            f"load: {str(save.path)!r} of format {save.facts.get('format')!r}; accepted: format {FORMAT}, of this version of jaxgen."
        )
    return ReadRun(save, save.facts["config"], bool(save.facts["resumable"]))


def fitted_of(run: ReadRun, like: PyTree) -> Fitted:
    """Return the fit that a run holds.

    Args:
        run: The run, as `read_run` returns it.
        like: A dict with the structure, shapes and dtypes of "params", "aux" and "state".

    Raises:
        ValueError: The arrays have another structure.
    """
    arrays, facts = run.save.arrays, run.save.facts
    if not run.has_state:
        like = {name: tree for name, tree in like.items() if name != "state"}
    tree = tree_of(arrays, like)
    history = {name.removeprefix("history/"): a for name, a in arrays.items() if name.startswith("history/")}
    key = jnp.asarray(arrays["key"]) if "key" in arrays else None
    if key is not None and facts["key"] is not None:
        key = jax.random.wrap_key_data(key, impl=facts["key"])
    return Fitted(tree["params"], tree["aux"], {**history, **facts["history"]}, facts["status"], tree.get("state"), key)


def _impl(key: Key) -> str | None:
    """Return the name of a key's generator, None for a key that is an array of integers."""
    return str(jax.random.key_impl(key)) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else None


def _write_metrics(path: Path, history: dict[str, Any]) -> None:
    steps = {k: v for k, v in history.items() if hasattr(v, "shape") and not k.startswith("valid_")}
    rows = [{"step": i, **{k: float(v[i]) for k, v in steps.items()}} for i in range(len(steps.get("loss", ())))]
    rows += [
        {"step": int(s), "valid_loss": float(v)} for s, v in zip(history.get("valid_step", ()), history.get("valid_loss", ()), strict=True)
    ]
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
