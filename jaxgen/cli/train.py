"""`jaxgen train`: train one model on one data set and write a run folder."""

import dataclasses
import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax

from jaxgen import objectives, zoo
from jaxgen.cli import arguments
from jaxgen.cli import columns as columns_of
from jaxgen.cli.beside import beside_nll
from jaxgen.cli.events import load_for
from jaxgen.cli.mesh import mesh_options
from jaxgen.cli.pixels import image_facts
from jaxgen.cli.processes import Processes
from jaxgen.cli.run_folder import clear, open_folder
from jaxgen.cli.signals import Kept
from jaxgen.cli.train_auto import chosen, train_auto
from jaxgen.data import Dataset
from jaxgen.estimator.auto import AUTO, Settings
from jaxgen.training import PATIENCE, Entry, Fitted, Saving, TrainingDiverged, fit, steps_for, verdict
from jaxgen.training.history import joined, parted
from jaxgen.training.optimizers import Adam
from jaxgen.training.run_folder import SAVES, write_run
from jaxgen.training.watchers import Watch, later, tensorboard, wandb
from jaxgen.types import Key

EMA = 0.999
MINUTES = 5.0
"""The most minutes of a default training of images on a CPU."""


def train(
    *,
    model: str = AUTO,
    data: str = "two_moons",
    out: Path = Path("runs/train"),
    steps: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    dropout: float = 0.0,
    num_params: int | None = None,
    width: int | None = None,
    depth: int | None = None,
    size: str | None = None,
    minutes: float | None = None,
    batch_size: int | None = None,
    ema: float = EMA,
    patience: int = PATIENCE,
    seed: int = 0,
    mesh: str | None = None,
    shard: Literal["replicated", "fsdp"] = "replicated",
    processes: str | None = None,
    columns: tuple[str, ...] | None = None,
    cond_columns: tuple[str, ...] | None = None,
    discrete: tuple[str, ...] | None = None,
    dates: tuple[str, ...] | None = None,
    drop: tuple[str, ...] | None = None,
    supports: bool = True,
    any_subset: bool = False,
    labels: bool = False,
    data_dir: Path | None = None,
    download: bool = False,
    watch: Literal["tensorboard", "wandb"] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Train one model of the zoo on one data set and write a run folder: config.json, metrics.jsonl and checkpoints/.

    The run is saved every minute, at its end, and after Ctrl-C or SIGTERM. A run that was killed goes on by --resume. Only what `--model auto`
    makes of a table of numbers is fitted in one go and saved at its end.

    Args:
        model: Name of the model; `jaxgen list` prints them all. By default a table of numbers gets a mixture of Gaussians and kernels,
            weighted by cross-validation, with a flow beside it if there are at least 300 rows; a mixed table gets `tabular`.
        data: What to train on: the name of a data set, a .npy, .npz, .csv or .parquet file (what each column is, is found and printed), or
            a folder or an array file of images. Samples come out in the units of the file, or in whole-numbered pixels.
        out: Run folder to write. A folder that is not empty is refused unless you give --resume or --overwrite.
        steps: Number of training steps. By default each model has its own, few rows are passed over at most 200 times, and images are
            trained for at most --minutes.
        learning_rate: Largest learning rate of the cosine schedule. By default each model has its own.
        weight_decay: Weight decay of Adam: the share of each parameter, times the learning rate, that a step takes away. By default none, except for
            normalizing flows, whose decay is 1 up to 2,000 rows and falls with more.
        dropout: Probability with which a hidden unit of a perceptron is dropped in a training step.
        num_params: Choose the width so that sampling uses about this many parameters. Do not give --width as well.
        width: Number of units in a hidden layer.
        depth: Number of hidden layers of a network.
        size: For images, how large networks are by default: small, base or published. By default small on a CPU and published on an
            accelerator.
        minutes: Most minutes that training takes, compilation not counted: fewer steps are taken if the first ones show that all would take
            longer. By default 5 for images on a CPU without --steps, and no limit otherwise.
        batch_size: Number of events in a training step. By default 256, and 64 for images of the small size.
        ema: Decay of the moving average of the parameters, which sampling uses; 0 switches it off.
        patience: Stop early after this many validation losses in a row without a better one; 0 never stops. The losses are taken at steps
            that grow by a tenth, so 10 means that training goes 2.6 times as far as the best step. The best parameters are kept.
        seed: Seed of initialisation, batches and noise.
        mesh: Devices that share each batch, as axes and their sizes, such as data=8. The batch size has to be a multiple of the size of the
            axis data. By default a CPU's cores share batches as far as they divide.
        shard: How the state of the training lies on the mesh: replicated, or fsdp, which splits it over the axis data.
        processes: Share the training among several processes, each of which runs this same command: auto, by which they find each other under
            Slurm, Open MPI, Kubernetes and on TPU, or HOST:PORT,COUNT,INDEX. The first one prints and writes; --out has to be a folder that
            all of them see. By default this process is alone.
        columns: For a file, the columns of the event, by name or index.
        cond_columns: For a file, the columns of the condition, by name or index.
        discrete: For a file, columns of numbers that are categories. Text is found to be categories without it.
        dates: For a file, columns that are dates.
        drop: For a file, columns that are left out.
        supports: For a file, look for the support and the heavy tails of each column of numbers. Otherwise it is only standardised.
        any_subset: For a table, train on all subsets of its columns, so that `jaxgen sample --given` and `jaxgen impute` answer questions of
            some columns given others. Missing values are trained on and not modelled. Without --model this is `tabular`.
        labels: For images, train a model that is conditional on their classes.
        data_dir: Folder with the files of a named image set. By default JAXGEN_DATA, the cache and the folders of the system are tried.
        download: Download the files of a named image set if they are not found.
        watch: Whom to tell of the training while it runs: tensorboard writes event files into the folder tensorboard of the run; wandb logs
            to Weights & Biases, as its environment variables say. Each is an extra of this package. metrics.jsonl is written either way.
        resume: Go on with the run in the folder. An interrupted or killed run goes on as if it had not been interrupted. A finished run is
            trained for the steps that it lacks, with a fresh optimiser, for which you may change --batch-size and --ema.
        overwrite: Start again in a folder that holds an earlier run, which is removed as soon as this one is saved.
    """
    for option, value in (("--steps", steps), ("--batch-size", batch_size), ("--num-params", num_params)):
        arguments.count(option, value)
    if weight_decay is not None and not 0 <= weight_decay < math.inf:
        raise ValueError(f"--weight-decay {weight_decay}: accepted: a number of at least 0.")
    if not 0 <= dropout < 1:
        raise ValueError(f"--dropout {dropout}: accepted: a number from 0 to below 1.")
    if minutes is not None and not 0 < minutes < math.inf:
        raise ValueError(f"--minutes {minutes}: accepted: a number above 0.")
    arguments.count("--patience", patience, 0)
    arguments.seed(seed)
    if processes is not None and model == AUTO:
        raise ValueError(f"--processes {processes}: accepted: with a model by its name, such as --model nsf.")
    together = Processes(processes)
    where = mesh_options(together.mesh(mesh), shard)
    if not 0 <= ema < 1:
        raise ValueError(f"--ema {ema}: accepted: a number from 0 to below 1.")
    source = {"data": data, "columns": columns and list(columns), "cond_columns": cond_columns and list(cond_columns), "seed": seed}
    of_columns = {"discrete": discrete, "dates": dates, "drop": drop}
    source |= {name: list(value) for name, value in of_columns.items() if value is not None}
    if labels or data_dir is not None:
        source |= {"labels": labels, "data_dir": data_dir and str(data_dir)}
    dataset = load_for(model, source, download)
    model = chosen(dataset, resume, any_subset) if model == AUTO else model
    options = {"learning_rate": learning_rate, "width": width, "depth": depth, "any_subset": any_subset or None}
    if model == AUTO:
        for option, value, default in (
            ("num-params", num_params, None),
            ("ema", ema, EMA),
            ("mesh", mesh, None),
            ("minutes", minutes, None),
            ("size", size, None),
            ("watch", watch, None),
        ):
            if value != default:
                raise ValueError(
                    f"--{option} {value}: --model {AUTO} does not take it; accepted: a model by its name, such as --model nsf."
                )
        settings = Settings(
            options=_given(options), num_steps=steps, batch_size=batch_size or 256, patience=patience or None, seed=seed, progress=True,
            supports=supports, keep=True, weight_decay=weight_decay, dropout=dropout,
        )  # fmt: skip
        return _auto(open_folder(out, resume, overwrite), dataset, settings, source, overwrite)
    prepared = _prepared(model, dataset, num_params, supports, size, options)
    columns_of.show(data, prepared)
    batch_size = min(batch_size or prepared.entry.card.batch_size, len(dataset.train))
    prepared = _with_config(
        prepared, source=source, training={"batch_size": batch_size, "ema": ema, **_given({"weight_decay": weight_decay, "dropout": dropout or None})}
    )
    if dropout:
        prepared = prepared._replace(entry=_dropping(prepared.entry, dropout))
    if weight_decay is not None:
        prepared = prepared._replace(entry=_decayed(prepared.entry, weight_decay))
    if len(dataset.event_shape) == 3:
        prepared = _with_config(prepared, images=image_facts(dataset))
    together.first_does(lambda: open_folder(out, resume, overwrite), out)
    Kept.text = f"the folder {out} is as it was."
    run = _Run(out, prepared, _plan(out, prepared, resume, steps, seed), overwrite)
    where |= {"minutes": minutes or _default_minutes(prepared, steps)}
    if watch is not None and together.first:
        where["watch"] = later(_watch(watch, run), int(run.plan.before.get("num_steps", 0)))
    fitted = together.gathered(_fit(run, patience or None, where))
    Kept.text = f"the run is saved in {out}."
    if together.first:
        _close(run, dataset, fitted)
    return 130 if fitted.status == "interrupted" else 0


def _auto(out: Path, dataset: Dataset, settings: Settings, source: dict[str, Any], overwrite: bool) -> int:
    """Fit, write and close what "auto" makes of a table of numbers."""
    prepared, fitted = train_auto(dataset, settings, lambda prepared: columns_of.show(source["data"], prepared))
    run = _Run(out, _with_config(prepared, source=source), _Plan(jax.random.key(settings.seed), 0, None, {}), overwrite)
    _Writer(run)(fitted)
    Kept.text = f"the run is saved in {out}."
    _close(run, dataset, fitted)
    return 130 if fitted.status == "interrupted" else 0


def _decayed(entry: Entry, weight_decay: float) -> Entry:
    if not isinstance(entry.optimizer, Adam):
        raise ValueError(f"--weight-decay {weight_decay}: {entry.card.name} has several optimisers; accepted: no --weight-decay.")
    return entry._replace(optimizer=dataclasses.replace(entry.optimizer, weight_decay=weight_decay))


def _watch(name: str, run: "_Run") -> Watch:
    card = run.prepared.entry.card
    return tensorboard(run.out / "tensorboard") if name == "tensorboard" else wandb(name=f"{card.name} {run.out.name}", config=dict(card.config))


def _dropping(entry: Entry, rate: float) -> Entry:
    if entry.objective.prepare is not None:
        raise ValueError(f"--dropout {rate}: {entry.card.name} pairs noise with events on the host; accepted: no --dropout.")
    return entry._replace(objective=objectives.dropout(entry.objective, rate))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _close(run: "_Run", dataset: Dataset, fitted: Fitted) -> None:
    """Print how the training ended and, for an exact density of a table, what simple densities reach on the same rows."""
    model, loss, said = run.prepared.entry.card.name, fitted.history["loss"], verdict(fitted.history)
    shown = f", loss {loss[-1]:.4f}" if len(loss) else ""
    print(f"{model}: {fitted.status} after {fitted.history['num_steps']} steps{shown}{f', {said}' if said else ''}; run folder {run.out}")
    beside = beside_nll(run.prepared, dataset, fitted)
    if beside is not None:
        print(beside)


def _prepared(
    model: str, dataset: Dataset, num_params: int | None, supports: bool, size: str | None, given: dict[str, Any]
) -> zoo.Prepared:
    """Build the entry for the data with the options that were given and, for images, the number of levels of the data."""
    options = _given(given)
    if dataset.levels is not None and "levels" in zoo.describe(model, dataset.event_shape):
        options["levels"] = dataset.levels
    if size is not None and (len(dataset.event_shape) != 3 or size not in zoo.SIZES):
        raise ValueError(f"--size {size}: accepted: {', '.join(zoo.SIZES)}, for models of images.")
    return zoo.prepare(model, dataset, supports=supports, num_params=num_params, size=size, **options)


def _with_config(prepared: zoo.Prepared, **parts: Any) -> zoo.Prepared:
    card = prepared.entry.card
    return prepared._replace(entry=prepared.entry._replace(card=card._replace(config={**card.config, **parts})))


class _Plan(NamedTuple):
    """What remains to be done: the key and the length of the fit, what it starts from, and the history of the fit before it."""

    key: Key
    num_steps: int
    start: Any
    before: dict[str, Any]


class _Run(NamedTuple):
    """A run that is about to be trained and written; `overwrite` says whether an earlier run in the folder is removed."""

    out: Path
    prepared: zoo.Prepared
    plan: _Plan
    overwrite: bool


def _default_steps(prepared: zoo.Prepared) -> int:
    card = prepared.entry.card
    return steps_for(card.num_steps, len(prepared.data.train), card.config["training"]["batch_size"])


def _default_minutes(prepared: zoo.Prepared, steps: int | None) -> float | None:
    """A CPU may take seconds for a step on images, so their training ends by the clock unless the number of steps is given."""
    images = prepared.data.levels is not None and len(prepared.data.event_shape) == 3
    return MINUTES if images and steps is None and zoo.default_size() != "published" else None


def _plan(out: Path, prepared: zoo.Prepared, resume: bool, steps: int | None, seed: int) -> _Plan:
    """An interrupted fit keeps its key and its count of steps; the steps added to a finished run are a new fit."""
    earlier = _earlier(out, prepared) if resume else None
    key, total = jax.random.key(seed), steps or _default_steps(prepared)
    if earlier is None:
        return _Plan(jax.random.fold_in(key, 0), total, None, {})
    fitted, how = earlier
    done = fitted.history["num_steps"]
    if fitted.state is not None and steps is None:
        total = how.get("num_steps", total)
    if total <= done:
        raise ValueError(f"--resume {out}: this run has {done} steps already; accepted: a larger number of --steps.")
    if fitted.state is None:
        return _Plan(jax.random.fold_in(key, done), total - done, (fitted.params, fitted.aux), fitted.history)
    first_step = how.get("first_step", 0)
    before, history = parted(fitted.history, first_step)
    print(f"going on from step {done}, saved in {out / SAVES}", flush=True)
    return _Plan(jax.random.fold_in(key, first_step), total - first_step, fitted._replace(history=history), before)


def _fit(run: _Run, patience: int | None, where: dict[str, Any]) -> Fitted:
    """Train and save. A run that diverges is saved as well, and then named as the user's mistake."""
    data, plan, config = run.prepared.data, run.plan, run.prepared.entry.card.config
    held_out: dict[str, Any] = {"valid": data.valid, "valid_cond": data.valid_cond, "patience": patience}
    first_step = int(plan.before.get("num_steps", 0))
    planned = {**config["training"], "first_step": first_step, "num_steps": first_step + plan.num_steps}
    saving = Saving(_Writer(run._replace(prepared=_with_config(run.prepared, training=planned))))
    training = {name: value for name, value in config["training"].items() if name not in ("weight_decay", "dropout")}
    how: dict[str, Any] = {**training, **held_out, "start": plan.start, "saving": saving, **where}
    try:
        fitted = fit(plan.key, run.prepared.entry, data.train, plan.num_steps, cond=data.train_cond, **how, progress=True)
    except TrainingDiverged as error:
        raise ValueError(f"{error} Those parameters are in {run.out}.") from None
    return fitted._replace(history=joined(plan.before, fitted.history))


class _Writer:
    """Save the run with its whole history and in the units of the data. An earlier run is removed once this one is whole."""

    def __init__(self, run: _Run) -> None:
        self.run, self.alone = run, run.overwrite

    def __call__(self, fitted: Fitted) -> None:
        run, planned = self.run, dict(self.run.prepared.entry.card.config.get("training", {}))
        if planned:
            # With --minutes the fit has chosen how many steps it plans.
            planned["num_steps"] = planned["first_step"] + fitted.history["planned_steps"]
            run = run._replace(prepared=_with_config(run.prepared, training=planned))
        entry, fitted = run.prepared.in_units(fitted._replace(history=joined(run.plan.before, fitted.history)))
        write_run(run.out, entry, fitted, alone=self.alone)
        if self.alone:
            clear(run.out, but=("config.json", "metrics.jsonl" if fitted.status != "running" else "", SAVES))
            self.alone = False


def _earlier(out: Path, prepared: zoo.Prepared) -> tuple[Fitted, dict[str, Any]] | None:
    """Return the fit that is saved in the folder and how it was trained, or None if nothing is saved there."""
    if not any((out / SAVES).glob("*.safetensors")):
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        earlier, fitted = zoo.load(out)
    for warning in caught:
        print(f"jaxgen: {warning.message}", file=sys.stderr)
    entry, how = prepared.entry, earlier.card.config.get("training", {})
    for part in ["name", "event_shape", "cond_shape", "options", "source"] + ["training"] * (fitted.state is not None):
        here, there = entry.card.config[part], earlier.card.config.get(part)
        if part == "training":
            there = {name: how.get(name) for name in here}
        if json.dumps(here) != json.dumps(there):
            raise ValueError(
                f"--resume {out}: the run there has {part} {json.dumps(there)}, not {json.dumps(here)}; accepted: the same arguments, or "
                "another folder."
            )
    table = earlier.card.config.get("table")
    if prepared.layout is not None and table is not None and zoo.Layout.from_json(table) != prepared.layout:
        raise ValueError(
            f"--resume {out}: the run there was trained on a table with other columns; accepted: the same file, or another folder."
        )
    return fitted._replace(params=fitted.params[0] if {"units", "table"} & set(earlier.card.config) else fitted.params), how
