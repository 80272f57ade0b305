"""The figures of one reading of one model, from samples and densities, each beside what makes it readable."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.evaluation.distances import mmd, mode_coverage, mode_shares, sliced_w2, w2
from jaxgen.model import LogProb, Model, log_prob, sample
from jaxgen.transform import Density, nfe


class Reference(NamedTuple):
    """Fresh real data to compare with, and the floors: the same distances between two samples of real data.

    x:    `(n, *event)` test events, `cond` `(n, c)` their conditions or None.
    true_log_prob: mean log density of `x` under the truth, where it is known; entropy likewise, in nats.
    """

    x: np.ndarray
    cond: np.ndarray | None = None
    entropy: float | None = None
    true_log_prob: np.ndarray | None = None
    mode: Any = None
    mode_weights: np.ndarray | None = None
    floors: Mapping[str, float] = MappingProxyType({})
    max_points: int = 2_000


def reference(
    x: np.ndarray,
    again: np.ndarray,
    *,
    cond: Any = None,
    log_prob: Any = None,
    entropy: float | None = None,
    mode: Any = None,
    mode_weights: Any = None,
    seed: int = 0,
    max_points: int = 2_000,
) -> Reference:
    """A `Reference` of the real events `x` whose floors are measured against the independent real events `again`, both `(n, *event)`.

    max_points: at most this many of each side enter W2 and MMD, whose costs grow faster than linearly; floors and figures alike.
    """
    flat, flat_again = _flat(x), _flat(again)
    truth = None if log_prob is None else np.asarray(jax.jit(jax.vmap(log_prob))(jnp.asarray(x)))
    floors = {
        "sliced_w2_floor": sliced_w2(flat_again, flat, seed),
        "w2_floor": w2(flat_again, flat, max_points, seed),
        "mmd_floor": mmd(flat_again, flat, max_points=max_points, seed=seed),
    }
    return Reference(x, cond, entropy, truth, mode, mode_weights, floors, max_points)


def evaluate_samples(samples: np.ndarray, real: Reference, seed: int = 0) -> dict[str, Any]:
    """Distances of `samples` `(n, *event)` to the real events with their floors, and the modes they cover (None where modes are unknown).

    Raises FloatingPointError for samples that are not finite.
    """
    if not np.isfinite(samples).all():
        bad = int((~np.isfinite(_flat(samples)).all(1)).sum())
        raise FloatingPointError(f"{bad} of {len(samples)} samples are not finite")
    flat, flat_real = _flat(samples), _flat(real.x)
    result: dict[str, Any] = {
        "sliced_w2": sliced_w2(flat, flat_real, seed),
        "w2": w2(flat, flat_real, real.max_points, seed),
        "mmd": mmd(flat, flat_real, max_points=real.max_points, seed=seed),
    }
    result |= {**real.floors, "mode_coverage": None, "mode_shares": None}
    if real.mode is not None and real.mode_weights is not None:
        labels = real.mode(samples)
        result["mode_coverage"] = mode_coverage(labels, real.mode_weights)
        result["mode_shares"] = [float(s) for s in mode_shares(labels, len(real.mode_weights))]
    return result


def _flat(x: np.ndarray) -> np.ndarray:
    """Events of any shape as vectors, pixel beside pixel, for distances that know no other."""
    return np.reshape(x, (len(x), -1))


def summarise_nll(lp: LogProb, real: Reference, note: str = "") -> dict[str, Any]:
    """Mean negative log-likelihood of the first `len(lp.value)` test events in nats, its standard error over events, its kind, and its gap.

    nll_gap: mean of `log p_true(x) - log p(x)` over the same events where the truth is known, which estimates KL(truth || model) with far
    less variance than `nll - entropy`; nll_gap_stderr its standard error. Raises FloatingPointError for values that are not finite.
    """
    value = np.asarray(lp.value, np.float64)
    n = len(value)
    kind = f"{lp.density}, of the ODE" if "ODE" in note else str(lp.density)
    result: dict[str, Any] = {"nll": -float(value.mean()), "nll_stderr": float(value.std(ddof=1) / np.sqrt(n)), "nll_kind": kind}
    result |= {"nll_note": note or None, "nll_gap": None, "nll_gap_stderr": None}
    if not np.isfinite(value).all():
        raise FloatingPointError(f"log_prob of {int((~np.isfinite(value)).sum())} of {n} test events is not finite")
    if real.true_log_prob is not None:
        gap = real.true_log_prob[:n] - value
        result |= {"nll_gap": float(gap.mean()), "nll_gap_stderr": float(gap.std(ddof=1) / np.sqrt(n))}
    return result


def too_good(result: Mapping[str, Any], entropy: float | None) -> str | None:
    """Why an NLL cannot be true: more than three standard errors below the known entropy. None where nothing is wrong."""
    if entropy is None or result.get("nll") is None or result["nll"] >= entropy - 3 * result["nll_stderr"]:
        return None
    nll, stderr = result["nll"], result["nll_stderr"]
    return f"NLL {nll:.4f} is more than three standard errors ({stderr:.4f}) below the entropy {entropy:.4f}: a bug, not a record"


def timed_samples(key: jax.Array, model: Model, params: Any, num: int, cond: Any = None) -> tuple[np.ndarray, float]:
    """`num` samples and samples per second of the second call, compilation excluded."""
    jax.block_until_ready(sample(key, model, params, num, cond))
    start = time.perf_counter()
    x = jax.block_until_ready(sample(jax.random.fold_in(key, 1), model, params, num, cond))
    return np.asarray(x), num / (time.perf_counter() - start)


def evaluate(
    key: jax.Array,
    model: Model,
    params: Any,
    real: Reference,
    *,
    num_samples: int = 10_000,
    num_events: int = 10_000,
    num_draws: int = 500,
    also: Any = None,
) -> tuple[dict[str, Any], np.ndarray, np.ndarray | None]:
    """The figures of a model, its samples `(num_samples, *event)`, and log densities at the further events `also` `(m, *event)` or None.

    NLL is over the first `num_events` test events; where the density is a bound or an estimate, `num_draws` draws each.
    `also` (with an unconditional model) shares the one compiled density, as for a picture. Raises FloatingPointError for values that are
    not finite.
    """
    kind = model.transform.density
    cond = None if real.cond is None else real.cond[np.arange(num_samples) % len(real.cond)]
    samples, rate = timed_samples(key, model, params, num_samples, cond)
    with ThreadPoolExecutor(1) as other_core:
        # The distances are numpy's on one core; the densities are compiled and computed beside them.
        distances = other_core.submit(evaluate_samples, samples, real)
        nll, further = _nll(key, model, params, real, num_events, num_draws, also)
    return {"density": str(kind), **distances.result(), "samples_per_second": rate, **nll}, samples, further


def _nll(
    key: jax.Array, model: Model, params: Any, real: Reference, num_events: int, num_draws: int, also: Any
) -> tuple[dict[str, Any], np.ndarray | None]:
    """The likelihood's figures, None each for an implicit model, and the log densities at `also`."""
    kind = model.transform.density
    if kind is Density.IMPLICIT:
        return dict.fromkeys(("nll", "nll_stderr", "nll_kind", "nll_note", "nll_gap", "nll_gap_stderr")), None
    x = real.x[:num_events]
    c = None if real.cond is None else real.cond[:num_events]
    points = x if also is None else np.concatenate([x, np.asarray(also, x.dtype)])
    lp = log_prob(model, params, points, c, key=jax.random.fold_in(key, 2), num_draws=num_draws)
    value, stderr = np.asarray(lp.value), np.asarray(lp.stderr)
    at_data: Any = LogProb(value[: len(x)], stderr[: len(x)], kind)  # pyright: ignore[reportArgumentType]
    figures = summarise_nll(at_data, real, model.transform.note)
    return figures, None if also is None else value[len(x) :]


def mean_nfe(key: jax.Array, model: Model, params: Any, cond: Any = None, num: int = 64) -> float:
    """Network evaluations per sample, averaged over `num` samples (they differ only for adaptive solvers)."""
    count = jax.jit(jax.vmap(lambda k, c: jnp.asarray(nfe(model.transform)(params, model.base.sample(seed=k), c), jnp.float32)))
    return float(count(jax.random.split(key, num), None if cond is None else jnp.asarray(cond)[np.arange(num) % len(cond)]).mean())
