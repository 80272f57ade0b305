"""`jaxgen train`: one model on one data set, into a run folder."""

import json
from pathlib import Path
from typing import Any

import jax

from jaxgen import data as datasets
from jaxgen import zoo
from jaxgen.cli.run_folder import open_folder
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
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Train one model of the zoo and write config.json, metrics.jsonl and checkpoints/ into a run folder.

    Args:
        model: a name from `jaxgen list`.
        data: a named data set or a .npy, .npz, .csv or .parquet file, which is standardised; sampling gives the file's own units back.
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
        resume: go on from the parameters in the folder, for the steps that are missing; the optimiser starts afresh.
        overwrite: start again in a folder that holds an earlier run.
    """
    chosen = {"learning_rate": learning_rate, "width": width, "depth": depth}
    options = {name: value for name, value in chosen.items() if value is not None}
    dataset = datasets.load(data, **_columns(columns, cond_columns))
    entry = zoo.build(model, dataset.event_shape, dataset.cond_shape, num_params=num_params, **options)
    out = open_folder(out, resume, overwrite)
    source = {"data": data, "columns": columns and list(columns), "cond_columns": cond_columns and list(cond_columns), "seed": seed}
    entry = entry._replace(config={**entry.config, "source": source})
    start, done = _earlier(out, entry) if resume else (None, 0)
    if steps is not None and steps < 1:
        raise ValueError(f"--steps {steps}: accepted: an integer of at least 1.")
    num_steps = (steps or entry.num_steps) - done
    if num_steps < 1:
        raise ValueError(f"--resume {out}: this run has {done} steps already; give --steps a larger number than that.")
    key = jax.random.fold_in(jax.random.key(seed), done)
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
        _save(out, entry, error.fitted, dataset.units, done)
        raise ValueError(f"{error} Those parameters are in {out}.") from None
    _save(out, entry, fitted, dataset.units, done)
    loss = fitted.history["loss"]
    shown = f", loss {loss[-1]:.4f}" if len(loss) else ""
    print(f"{model}: {fitted.status} after {done + fitted.history['num_steps']} steps{shown}; run folder {out}")
    return 130 if fitted.status == "interrupted" else 0


def _columns(columns: Any, cond_columns: Any) -> dict[str, Any]:
    given = {"columns": columns, "cond_columns": cond_columns}
    return {name: list(value) for name, value in given.items() if value is not None}


def _save(out: Path, entry: Any, fitted: Fitted, units: Any, done: int) -> None:
    fitted = fitted._replace(history={**fitted.history, "num_steps": done + fitted.history["num_steps"]})
    if units is not None:
        entry, fitted = zoo.in_units(entry, fitted, *units)
    zoo.save(out, entry, fitted)


def _earlier(out: Path, entry: Any) -> tuple[Any, int]:
    if not (out / "config.json").is_file():
        return None, 0
    earlier, fitted = zoo.load(out)
    for part in ("name", "event_shape", "cond_shape", "options", "source"):
        here, there = json.dumps(entry.config[part]), json.dumps(earlier.config.get(part))
        if here != there:
            raise ValueError(f"--resume {out}: the run there has {part} {there}, not {here}; use the same arguments or another folder.")
    params = fitted.params[0] if "units" in earlier.config else fitted.params
    return (params, fitted.aux), int(fitted.history.get("num_steps", 0))
