"""`jaxgen export`: write a trained model as programs that run without jaxgen."""

from pathlib import Path

from jaxgen import zoo
from jaxgen.artifacts import export as write
from jaxgen.cli import arguments


def export(run: Path, /, *, out: Path, reading: str | None = None, num_draws: int = 16, refine: int = 0, overwrite: bool = False) -> int:
    """Write a trained model as programs of StableHLO with its params, so that jax and numpy alone run it on CPU, CUDA and TPU.

    The folder holds sampler, log density and inverse for batches of any size, in the units of the data, and load.py, which runs them.

    Args:
        run: Run folder that `jaxgen train` wrote.
        out: Folder to write. A folder that is not empty is refused, unless it holds an earlier export and you give --overwrite.
        reading: Reading of the parameters, such as ode or ddim. By default the model's own.
        num_draws: Number of draws that estimate a density that is not exact.
        refine: How far the solver behind the density is refined: each step doubles its steps or divides its tolerance by ten.
        overwrite: Replace an earlier export.
    """
    arguments.count("--num-draws", num_draws)
    arguments.count("--refine", refine, 0)
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"--out {out}: this is a file; accepted: a folder.")
    if out.is_dir() and any(out.iterdir()) and not (overwrite and (out / "manifest.json").is_file() and (out / "load.py").is_file()):
        raise FileExistsError(f"--out {out}: the folder is not empty; accepted: --overwrite for an earlier export, or another folder.")
    entry, fitted = zoo.load(run)
    if reading is not None and reading not in entry.models:
        raise ValueError(f"--reading {reading}: accepted: {', '.join(entry.models)}, the readings of {entry.card.name}.")
    write(out, entry, fitted, reading=reading, num_draws=num_draws, refine=refine)
    print(f"{entry.card.name} ({reading or entry.card.reading}) in {out}; import load from {out / 'load.py'} to run it")
    return 0
