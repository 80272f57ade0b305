"""`jaxgen verify`: measure the laws of every model of the zoo in float64, on small networks with random parameters."""

import functools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from jaxgen import checks
from jaxgen.atomic import write_json
from jaxgen.certificate import certify
from jaxgen.cli import arguments
from jaxgen.evaluation import laws
from jaxgen.model import Model, init, log_prob
from jaxgen.training import fit
from jaxgen.transform import Density
from jaxgen.zoo import DISCRETE, NAMES, build, describe, small

COLUMNS = ("determinant", "normalisation", "round trip", "order", "coverage")
ATOL = 1e-3
# Splines and bins have kinks, which a coarse grid does not see. A solved density is smooth, and costs more.
SIDE, SOLVED_SIDE = 120, 48
# Lowest order of each sampler, somewhat below the nominal one. Noise that does not depend on the state gives Euler-Maruyama's method strong
# order 1, which ancestral steps reach only on finer grids.
ORDERS = {"ddim": 0.85, "heun": 1.7, "ancestral": 0.6, "sde": 0.8}
# Lowest order of rk4, whose nominal order is 4.
RK4 = 3.5
MOST_EVENTS = 4_096
"""The most events of codes that are enumerated."""


def verify(*, models: tuple[str, ...] = (), dim: int = 2, out: Path | None = None, seed: int = 0) -> int:
    """Measure each law on each reading of each model and print a table. The exit status is 1 if a law fails.

    Args:
        models: Names of the models. By default all models of the zoo are measured.
        dim: Number of coordinates of an event. Densities are integrated on a grid for 2, and by importance weights otherwise; those of
            models of codes are summed over all codes.
        out: JSON file to write, with the figures and the limits that they are held to.
        seed: Seed of parameters, noise and draws.
    """
    accepted = (*NAMES, *DISCRETE)
    unknown = sorted(set(models) - set(accepted))
    if unknown:
        raise ValueError(f"--models {' '.join(unknown)}: accepted: {', '.join(accepted)}.{checks.closest(unknown[0], accepted)}")
    arguments.seed(seed)
    arguments.file("--out", out)
    console, rows = Console(), []
    for name in models or accepted:
        entry = _tiny(name, dim)
        params = _params(entry, dim, seed)
        for reading, model in entry.readings.items():
            with console.status(f"verify: {name}, {reading} ({len(rows)} readings done)"):
                rows.append(_row(name, reading, model, params, dim, seed))
            if not console.is_terminal:
                console.print(
                    f"{name}, {reading}: {'; '.join(f'{k} {_cell(rows[-1][k])}' for k in COLUMNS if rows[-1][k])}", highlight=False
                )
            if out is not None:
                out.parent.mkdir(parents=True, exist_ok=True)
                write_json(out, rows)
    _print(console, rows)
    return int(any(row["passed"] is False for row in rows))


def _row(name: str, reading: str, model: Model, params: Any, dim: int, seed: int) -> dict[str, Any]:
    """Return the findings of one reading; a law that does not apply is None."""
    key = jax.random.key(seed)
    kind, results = model.transform.kind, dict.fromkeys(COLUMNS)
    # A few-step sampler has the density of the entry's ODE, which is a reading of its own.
    if kind is not Density.IMPLICIT and model.transform.proxy is None:
        if name in DISCRETE:
            results |= _on_codes(key, model, params, dim)
        else:
            x = laws.samples_of(key, model, params, 2_048)
            results["determinant"] = laws.determinant_law(key, model, params)
            results |= _on_events(key, model, params, x, dim)
    results["order"] = _order(key, name, reading, model, params, dim)
    findings: dict[str, Any] = {k: None if f is None else _finite(f) for k, f in results.items()}
    decided = [f["passed"] for f in findings.values() if f is not None and f["passed"] is not None]
    return {"model": name, "reading": reading, "density": str(kind), **findings, "passed": all(decided) if decided else None}


def _on_events(key: jax.Array, model: Model, params: Any, x: np.ndarray, dim: int) -> dict[str, laws.Finding]:
    """Measure normalisation, round trip and coverage on shared events, so that each function is compiled once."""
    kind = model.transform.kind
    if kind is not Density.EXACT:
        events = x[:256]
        certificate = certify(model, params, events, 0.5, key=key)
        # The truth of an estimate: its mean over many more draws of another key, or the exact trace.
        truth = certify(model, params, events, 1e-3, key=jax.random.fold_in(key, 1))
        weighted = laws.weight_normalisation(key, model, params, x)
        return {
            "normalisation": weighted,
            "round trip": laws.round_trip_law(key, model, params, events),
            "coverage": laws.coverage(certificate, truth.value, truth_bound=truth.bound),
        }
    on_grid, solved = dim == 2 and not _stepped(model, params, x), model.transform.hooks.refine is not None
    points, area = laws.grid_over(x, SOLVED_SIDE if solved else SIDE) if on_grid else (x[: SOLVED_SIDE**2], np.zeros(0))
    points = points.astype(np.float32).astype(np.float64)
    certificate = certify(model, params, points.astype(np.float32), ATOL, key=key)
    truth = laws.in_float64(model, params, points, key=key, level=2 if solved else 0).value
    # What a map close to singular loses in float64 is its condition number's, and reported with the value; elsewhere the law is strict.
    plain = points if certificate.near_singular.all() else points[~certificate.near_singular]
    sound = laws.grid_normalisation(np.asarray(truth), area) if on_grid else laws.weight_normalisation(key, model, params, x)
    return {
        "normalisation": sound,
        "round trip": laws.round_trip_law(key, model, params, plain),
        "coverage": laws.coverage(certificate, np.asarray(truth)),
    }


def _on_codes(key: jax.Array, model: Model, params: Any, dim: int) -> dict[str, laws.Finding]:
    """Sum the probability of every event, and undo the preimages of the events."""
    levels = model.transform.parts["probabilities"](params, jnp.zeros(dim), jnp.asarray(0.5)).shape[-1]
    events = np.stack(np.meshgrid(*[np.arange(float(levels))] * dim), -1).reshape(-1, dim)[:MOST_EVENTS]
    whole = len(events) == levels**dim
    return {
        **({"normalisation": laws.sum_of_probabilities(key, model, params, events)} if whole else {}),
        "round trip": laws.round_trip_law(key, model, params, events),
    }


def _stepped(model: Model, params: Any, x: np.ndarray) -> bool:
    """Say whether the density is constant in cells of the last coordinate, so that a quadrature on a grid does not fit it."""
    near = x[:64].repeat(2, 0)
    near[1::2, -1] += 1e-5
    values = np.asarray(log_prob(model, params, near.astype(np.float32), key=jax.random.key(0)).value).reshape(-1, 2)
    return bool(np.mean(values[:, 0] == values[:, 1]) > 0.3)


def _order(key: jax.Array, name: str, reading: str, model: Model, params: Any, dim: int) -> laws.Finding | None:
    if reading in ORDERS and name not in DISCRETE:
        option = next((o for o in (f"num_{reading}_steps", "num_steps") if o in describe(name)), None)
        if option is not None:
            order = laws.sampler_order(key, lambda n: _tiny(name, dim, **{option: n}).readings[reading], params)
            return laws.Finding(order, ORDERS[reading], order >= ORDERS[reading])
    if model.transform.hooks.refine is None or model.transform.proxy is not None:
        return None
    order = laws.solver_order(key, model, params, 128)
    return None if order is None else laws.Finding(order, RK4, order >= RK4)


def _tiny(name: str, dim: int, **options: Any) -> Any:
    return build(name, (dim,), **{**small(name, (dim,)), **options})


def _params(entry: Any, dim: int, seed: int) -> Any:
    """Draw params away from their start, where a wrong sign would hide; diffusions and bounds are trained a little, so that they are mild."""
    rng = np.random.default_rng([zlib.crc32(entry.card.name.encode()), seed])
    of_codes = entry.card.name in DISCRETE
    if not of_codes and ("denoiser" in entry.model.transform.parts or entry.model.transform.kind is Density.LOWER_BOUND):
        data = rng.standard_normal((2_000, dim)) * np.linspace(1.0, 0.6, dim) + 0.5
        return fit(jax.random.key(seed), entry, data.astype(np.float32), 600, batch_size=128, ema=0.95).params
    shapes = jax.eval_shape(functools.partial(init, model=entry.model), jax.random.key(0))
    return jax.tree.map(lambda s: jnp.asarray(0.3 * rng.standard_normal(s.shape), s.dtype), shapes)


def _finite(f: laws.Finding) -> dict[str, Any]:
    # JSON has no NaN, and a figure that is not finite fails its law.
    return {"value": f.value if np.isfinite(f.value) else None, "limit": f.limit if np.isfinite(f.limit) else None, "passed": f.passed}


def _cell(f: dict[str, Any] | None) -> str:
    if f is None:
        return "-"
    value = "not finite" if f["value"] is None else f"{f['value']:.2g}"
    return value if f["passed"] else f"{value} undecided" if f["passed"] is None else f"{value} FAILS ({f['limit']:.2g})"


def _print(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table(title="laws in float64: errors, orders, shares covered", padding=(0, 0))
    for heading in ("model", "density", *COLUMNS, "passed"):
        table.add_column(heading, no_wrap=heading in ("model", "density"))
    shown: dict[Any, Callable[[str], str]] = {False: lambda s: f"[red]{s}[/red]"}
    for row in rows:
        cells = [shown.get(row[k] and row[k]["passed"], str)(_cell(row[k])) for k in COLUMNS]
        passed = {True: "yes", False: "[red]no[/red]", None: "-"}[row["passed"]]
        reading = "" if row["reading"] == "default" else f", {row['reading']}"
        table.add_row(row["model"] + reading, row["density"], *cells, passed)
    console.print(table)
