"""`jaxgen train`: one model on one data set, into a run folder."""

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen import zoo
from jaxgen.cli import arguments
from jaxgen.cli.events import load_for
from jaxgen.cli.run_folder import clear, open_folder
from jaxgen.data import Dataset
from jaxgen.training import Entry, Fitted, TrainingDiverged, fit


def train(
    *,
    model: str,
    data: str = "two_moons",
    out: Path = Path("runs/train"),
    steps: int | None = None,
    learning_rate: float | None = None,
    num_params: int | None = None,
    width: int | None = None,
    depth: int | None = None,
    batch_size: int = 256,
    ema: float = 0.999,
    patience: int | None = None,
    seed: int = 0,
    columns: tuple[str, ...] | None = None,
    cond_columns: tuple[str, ...] | None = None,
    labels: bool = False,
    data_dir: Path | None = None,
    download: bool = False,
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Train one model of the zoo and write config.json, metrics.jsonl and checkpoints/ into a run folder.

    Args:
        model: a name from `jaxgen list`.
        data: a named data set, a .npy, .npz, .csv or .parquet file, which is standardised, or a folder or array file of images; sampling
            gives the file's own units, and whole-numbered pixels, back.
        out: the run folder; a non-empty one is refused without --resume or --overwrite.
        steps: training steps; by default the model's own.
        learning_rate: peak of the cosine schedule; by default the model's own.
        num_params: choose the width so that sampling uses about this many parameters; not together with --width.
        width: units of a hidden layer.
        depth: hidden layers of a network.
        batch_size: events of a step.
        ema: decay of the moving average of the parameters, which is what sampling uses.
        patience: stop after this many evaluations (ten in a run) without a better validation loss, and keep the best.
        seed: of initialisation, batches and noise.
        columns: for a file, the columns of the event, by name or index.
        cond_columns: for a file, the columns of the condition.
        labels: for images, train conditionally on their classes.
        data_dir: the folder that has the files of a named image set; otherwise JAXGEN_DATA, the cache and the system's folders are tried.
        download: fetch the files of a named image set that are not found.
        resume: go on with the run in the folder: an interrupted one as if it had not been, a finished one for the steps that are missing,
            its optimiser afresh, which may be of another --batch-size and --ema.
        overwrite: start again in a folder that holds an earlier run.
    """
    for option, value in (("--steps", steps), ("--batch-size", batch_size), ("--patience", patience), ("--num-params", num_params)):
        arguments.count(option, value)
    arguments.seed(seed)
    if not 0 <= ema < 1:
        raise ValueError(f"--ema {ema}: accepted: a number from 0 to below 1.")
    source = {"data": data, "columns": columns and list(columns), "cond_columns": cond_columns and list(cond_columns), "seed": seed}
    if labels or data_dir is not None:
        source |= {"labels": labels, "data_dir": data_dir and str(data_dir)}
    dataset = load_for(model, source, download)
    entry = _entry(model, dataset, num_params, {"learning_rate": learning_rate, "width": width, "depth": depth})
    how = {"batch_size": min(batch_size, len(dataset.train)), "ema": ema}
    entry = entry._replace(config={**entry.config, "source": source, "training": how})
    out = open_folder(out, resume, overwrite)
    plan = _plan(out, entry, resume, steps, seed)
    held_out: dict[str, Any] = {"valid": dataset.valid, "valid_cond": dataset.valid_cond, "patience": patience}
    save = functools.partial(_save, out, entry, units=dataset.units, before=plan.before, overwrite=overwrite)
    try:
        fitted = fit(
            plan.key, entry, dataset.train, plan.num_steps, cond=dataset.train_cond, **held_out, **how, start=plan.start, progress=True
        )
    except TrainingDiverged as error:
        save(error.fitted)
        raise ValueError(f"{error} Those parameters are in {out}.") from None
    fitted = save(fitted)
    loss = fitted.history["loss"]
    shown = f", loss {loss[-1]:.4f}" if len(loss) else ""
    print(f"{model}: {fitted.status} after {fitted.history['num_steps']} steps{shown}; run folder {out}")
    return 130 if fitted.status == "interrupted" else 0


def _entry(model: str, dataset: Dataset, num_params: int | None, chosen: dict[str, Any]) -> Entry:
    """The entry for the data, with those of the chosen options that were given and, for images, the data's number of levels."""
    options = {name: value for name, value in chosen.items() if value is not None}
    if dataset.levels is not None and "levels" in zoo.describe(model, dataset.event_shape):
        options["levels"] = dataset.levels
    return zoo.build(model, dataset.event_shape, dataset.cond_shape, num_params=num_params, **options)


class _Plan(NamedTuple):
    """What remains to be done: the key and the length of the fit, what it starts from, and the history of the fit before it."""

    key: jax.Array
    num_steps: int
    start: Any
    before: dict[str, Any]


def _plan(out: Path, entry: Entry, resume: bool, steps: int | None, seed: int) -> _Plan:
    """An interrupted run keeps its key and its count; what is added to a finished one is a fit of its own."""
    start, before = _earlier(out, entry) if resume else (None, {})
    done, total = int(before.get("num_steps", 0)), steps or entry.num_steps
    if total <= done:
        raise ValueError(f"--resume {out}: this run has {done} steps already; give --steps a larger number than that.")
    key = jax.random.key(seed)
    if isinstance(start, Fitted):
        return _Plan(key, total, start, {})
    return _Plan(jax.random.fold_in(key, done), total - done, start, before)


def _save(out: Path, entry: Any, fitted: Fitted, units: Any, before: dict[str, Any], overwrite: bool) -> Fitted:
    """Save the run with its whole history; `before` is that of an earlier fit whose params this one began from.

    `overwrite` removes an earlier run only now that there is another to take its place.
    """
    if before:
        # Only a fit of its own key can be gone on with exactly.
        fitted = fitted._replace(history=_joined(before, fitted.history), state=None)
    if units is not None:
        entry, fitted = zoo.in_units(entry, fitted, *units)
    if overwrite:
        clear(out)
    zoo.save(out, entry, fitted)
    return fitted


def _joined(before: dict[str, Any], history: dict[str, Any]) -> dict[str, Any]:
    done, joined = before["num_steps"], {**history, "valid_step": history["valid_step"] + before["num_steps"]}
    for name, value in joined.items():
        earlier = before.get(name)
        if isinstance(value, np.ndarray) and earlier is not None:
            joined[name] = np.concatenate([earlier, value])
    seconds = {name: before.get(name, 0.0) + history[name] for name in ("compile_seconds", "train_seconds")}
    return {**joined, **seconds, "num_steps": done + history["num_steps"]}


def _earlier(out: Path, entry: Any) -> tuple[Any, dict[str, Any]]:
    """What `fit` starts from, and the history so far."""
    if not (out / "config.json").is_file():
        return None, {}
    earlier, fitted = zoo.load(out)
    parts = ["name", "event_shape", "cond_shape", "options", "source"]
    if fitted.state is not None and "training" in earlier.config:
        parts.append("training")
    for part in parts:
        here, there = json.dumps(entry.config[part]), json.dumps(earlier.config.get(part))
        if here != there:
            raise ValueError(f"--resume {out}: the run there has {part} {there}, not {here}; use the same arguments or another folder.")
    params = fitted.params[0] if "units" in earlier.config else fitted.params
    start = (params, fitted.aux) if fitted.state is None else fitted._replace(params=params)
    return start, fitted.history
