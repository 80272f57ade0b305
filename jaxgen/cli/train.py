"""`jaxgen train`: one model on one data set, into a run folder."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgen import zoo
from jaxgen.cli import arguments
from jaxgen.cli.events import load_for
from jaxgen.cli.run_folder import clear, open_folder
from jaxgen.training import Fitted, TrainingDiverged, fit


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
            its optimiser afresh.
        overwrite: start again in a folder that holds an earlier run.
    """
    for option, value in (("--steps", steps), ("--batch-size", batch_size), ("--patience", patience), ("--num-params", num_params)):
        arguments.count(option, value)
    arguments.seed(seed)
    if not 0 <= ema < 1:
        raise ValueError(f"--ema {ema}: accepted: a number from 0 to below 1.")
    chosen = {"learning_rate": learning_rate, "width": width, "depth": depth}
    options = {name: value for name, value in chosen.items() if value is not None}
    source = {"data": data, "columns": columns and list(columns), "cond_columns": cond_columns and list(cond_columns), "seed": seed}
    if labels or data_dir is not None:
        source |= {"labels": labels, "data_dir": data_dir and str(data_dir)}
    dataset = load_for(model, source, download)
    if dataset.levels is not None and "levels" in zoo.describe(model, dataset.event_shape):
        options["levels"] = dataset.levels
    entry = zoo.build(model, dataset.event_shape, dataset.cond_shape, num_params=num_params, **options)
    out = open_folder(out, resume, overwrite)
    entry = entry._replace(config={**entry.config, "source": source})
    start, before = _earlier(out, entry) if resume else (None, {})
    done = int(before.get("num_steps", 0))
    total = steps or entry.num_steps
    if total <= done:
        raise ValueError(f"--resume {out}: this run has {done} steps already; give --steps a larger number than that.")
    # An interrupted run keeps its key and its count; what is added to a finished one is a fit of its own.
    exactly = isinstance(start, Fitted)
    key = jax.random.key(seed) if exactly else jax.random.fold_in(jax.random.key(seed), done)
    before = {} if exactly else before
    num_steps = total - int(before.get("num_steps", 0))
    try:
        fitted = fit(
            key,
            entry,
            dataset.train,
            num_steps,
            cond=dataset.train_cond,
            valid=dataset.valid,
            valid_cond=dataset.valid_cond,
            batch_size=min(batch_size, len(dataset.train)),
            ema=ema,
            patience=patience,
            start=start,
            progress=True,
        )
    except TrainingDiverged as error:
        _save(out, entry, error.fitted, dataset.units, before, overwrite)
        raise ValueError(f"{error} Those parameters are in {out}.") from None
    fitted = _save(out, entry, fitted, dataset.units, before, overwrite)
    loss = fitted.history["loss"]
    shown = f", loss {loss[-1]:.4f}" if len(loss) else ""
    print(f"{model}: {fitted.status} after {fitted.history['num_steps']} steps{shown}; run folder {out}")
    return 130 if fitted.status == "interrupted" else 0


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
    for part in ("name", "event_shape", "cond_shape", "options", "source"):
        here, there = json.dumps(entry.config[part]), json.dumps(earlier.config.get(part))
        if here != there:
            raise ValueError(f"--resume {out}: the run there has {part} {there}, not {here}; use the same arguments or another folder.")
    params = fitted.params[0] if "units" in earlier.config else fitted.params
    start = (params, fitted.aux) if fitted.state is None else fitted._replace(params=params)
    return start, fitted.history
