"""One cell of the matrix: a transform and an objective are trained from several seeds in one program, and judged by their samples."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxgen
from jaxgen.objective import PairingError
from jaxgen.studies.pairings import paired_entry
from jaxgen.studies.study import Cell, Row
from jaxgen.studies.targets import NUM_POINTS, NUM_TEST_DRAWS, Target, excess, target
from jaxgen.studies.transforms_compared import ROWS, rounded
from jaxgen.training import TrainingDiverged, fit_seeds, one_seed
from jaxgen.transform import Density

NUM_SHOWN, NUM_LIKELIHOODS = 300, 1_000


def cell_of(row: str, column: str, dim: int, num_steps: int, seeds: Sequence[int], batch_size: int = 512) -> Cell:
    """Return the configuration of a cell.

    Args:
        row: The name of a transform, in `ROWS`.
        column: The name of an objective, in `COLUMNS`, or "native".
        dim: The number of coordinates of the target.
        num_steps: The number of training steps.
        seeds: The seeds, which are trained in one program.
        batch_size: The number of events in a batch.
    """
    return {"transform": row, "objective": column, "dim": dim, "num_steps": num_steps, "batch_size": batch_size, "seeds": list(seeds)}


def measure(cell: Cell) -> list[Row]:
    """Train the seeds of a cell and return a row of figures for each, or one row with the reason why the pairing is refused.

    Args:
        cell: What `cell_of` returns.
    """
    row, seeds = ROWS[cell["transform"]], cell["seeds"]
    goal = _rounded(target(cell["dim"])) if row.categories else _target(cell["dim"])
    reason = ""
    try:
        entry = paired_entry(row, cell["objective"], cell["dim"])
        fitted = fit_seeds(seeds, entry, goal.train, cell["num_steps"], batch_size=cell["batch_size"], progress=False)
    except PairingError as error:
        return [{"status": f"refused: {error}"}]
    except TrainingDiverged as error:
        fitted, reason = error.fitted, str(error)
    finite = np.isfinite(fitted.history["loss"]).all(1) & np.isfinite(fitted.history["gradient_norm"]).all(1)
    seconds = {name: fitted.history[name] for name in ("train_seconds", "compile_seconds")}
    draw = jax.jit(lambda params, key: jaxgen.sample(key, entry.model, params, NUM_POINTS))
    rows: list[Row] = []
    for i, seed in enumerate(seeds):
        if not finite[i]:
            rows.append({"seed": seed, "status": f"failed: {reason}"})
            continue
        params = one_seed(fitted, i).params
        samples, rate = _timed_samples(functools.partial(draw, params), seed)
        points = {"samples": samples, "target": goal.tests[0]} if i == 0 and cell["dim"] == 2 else {}
        shown = {name: np.round(a[:NUM_SHOWN].astype(float), 2).tolist() for name, a in points.items()}
        rows.append({"seed": seed, **_figures(samples, goal), **_density(entry.model, params, goal, seed), "samples_per_second": rate})
        rows[-1] |= {**seconds, **shown}
    return rows


def _timed_samples(draw: Callable[[jax.Array], jax.Array], seed: int) -> tuple[np.ndarray, float]:
    """Return samples for all test draws, and how many are drawn in a second after the first piece, which compiles."""
    keys = jax.random.split(jax.random.key(seed + 1_000), NUM_TEST_DRAWS)
    pieces = [np.asarray(draw(keys[0]))]
    start = time.perf_counter()
    pieces += [np.asarray(draw(key)) for key in keys[1:]]
    return np.concatenate(pieces), (NUM_TEST_DRAWS - 1) * NUM_POINTS / (time.perf_counter() - start)


def _figures(samples: np.ndarray, goal: Target) -> dict[str, Any]:
    """Return the distances of finite samples, and how many of them are not finite."""
    finite = np.isfinite(samples).all(1)
    lost = {"share_not_finite": float(1 - finite.mean())}
    if not finite.all():
        return {"status": f"failed: {100 * lost['share_not_finite']:.3g} % of the samples are not finite", **lost}
    return {**excess(samples, goal), **lost}


def _density(model: jaxgen.Model, params: Any, goal: Target, seed: int) -> dict[str, Any]:
    kind = model.transform.kind
    # The density of another transform, as of an ODE behind one step, says nothing of these samples.
    if kind is Density.IMPLICIT or model.transform.proxy is not None:
        return {"density": "none", "nll": None}
    x = goal.tests.reshape(-1, goal.tests.shape[-1])[:NUM_LIKELIHOODS]
    found = jaxgen.log_prob(model, params, x, key=jax.random.key(seed), num_draws=1 if kind is Density.EXACT else 10)
    nll = -float(jnp.mean(found.value))
    return {"density": str(kind), "nll": nll if np.isfinite(nll) else None}


def _rounded(goal: Target) -> Target:
    return Target(*(rounded(part) for part in goal))


@functools.lru_cache(maxsize=3)
def _target(dim: int) -> Target:
    return target(dim)
