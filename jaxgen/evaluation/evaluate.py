"""The figures of a model from its samples and its densities, each beside the number that makes it readable."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.evaluation.distances import mmd, mode_coverage, mode_shares, sliced_w2, w2
from jaxgen.evaluation.reference import Reference, filled, flattened
from jaxgen.lifting import nfe
from jaxgen.model import LogProb, Model, log_prob, sample
from jaxgen.transform import Density
from jaxgen.types import Cond, Event, Key, Params


def evaluate_samples(samples: np.ndarray, real: Reference, seed: int = 0) -> dict[str, Any]:
    """Measure the distances of samples to real events and the modes that the samples cover.

    Args:
        samples: Samples `(n, *event)`. A gap of a table, NaN in a column that has gaps in the real events, counts as that column's mean.
        real: Real events with their floors.
        seed: Seed of the directions and of the subsamples.

    Returns:
        A dict with `sliced_w2`, `w2` and `mmd`, the floors of `real`, and `mode_coverage` and `mode_shares`, which are None if the modes
        are not known.

    Raises:
        FloatingPointError: A sample is not finite.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> round(evaluate_samples(x + [3.0, 4.0], Reference(x))["w2"], 6)
    5.0
    """
    samples = filled(samples, real.x, real.gaps)
    if not np.isfinite(samples).all():
        bad = int((~np.isfinite(flattened(samples)).all(1)).sum())
        raise FloatingPointError(f"evaluate_samples: samples: {bad} of {len(samples)} samples are not finite; accepted: finite ones.")
    flat, flat_real = flattened(samples), flattened(filled(real.x, real.x, real.gaps))
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


def summarise_nll(lp: LogProb, real: Reference, of_ode: bool = False) -> dict[str, Any]:
    """Summarise log densities of test events as a mean negative log-likelihood (NLL).

    Args:
        lp: Log densities of the first n >= 2 events of `real`.
        real: The real events; the gap needs their true log densities.
        of_ode: Whether the density is that of an ODE which the sampler approximates.

    Returns:
        A dict with `nll` in nats, its standard error `nll_stderr`, its kind `nll_kind`, `nll_note`, and `nll_gap` with `nll_gap_stderr`.
        The gap is the mean of `log p_true(x) - log p(x)`. It estimates KL(truth || model) with far less variance than `nll - entropy`, and
        is None if the truth is not known.

    Raises:
        FloatingPointError: A log density is not finite.

    >>> import numpy as np
    >>> lp = LogProb(np.array([-1.0, -3.0]), np.zeros(2), Density.EXACT)
    >>> result = summarise_nll(lp, Reference(np.zeros((2, 1)), true_log_prob=np.array([-0.5, -2.5])))
    >>> result["nll"], result["nll_stderr"], result["nll_gap"]
    (2.0, 1.0, 0.5)
    """
    value = np.asarray(lp.value, np.float64)
    n = len(value)
    kind = f"{lp.density}, of the ODE" if of_ode else str(lp.density)
    if not np.isfinite(value).all():
        bad = int((~np.isfinite(value)).sum())
        raise FloatingPointError(f"summarise_nll: lp: log_prob of {bad} of {n} test events is not finite; accepted: finite ones.")
    result: dict[str, Any] = {"nll": -float(value.mean()), "nll_stderr": float(value.std(ddof=1) / np.sqrt(n)), "nll_kind": kind}
    result |= {"nll_note": "density of the ODE that the sampler approximates" if of_ode else None, "nll_gap": None, "nll_gap_stderr": None}
    if real.true_log_prob is not None:
        gap = real.true_log_prob[:n] - value
        result |= {"nll_gap": float(gap.mean()), "nll_gap_stderr": float(gap.std(ddof=1) / np.sqrt(n))}
    return result


def too_good(result: Mapping[str, Any], entropy: float | None) -> str | None:
    """Say why a negative log-likelihood cannot be true: it lies more than three standard errors below the true entropy.

    Args:
        result: The figures, with `nll` and `nll_stderr`.
        entropy: True entropy in nats, or None if it is not known.

    Returns:
        A sentence, or None if nothing is wrong.

    >>> too_good({"nll": 1.0, "nll_stderr": 0.1}, entropy=1.2) is None
    True
    """
    if entropy is None or result.get("nll") is None or result["nll"] >= entropy - 3 * result["nll_stderr"]:
        return None
    nll, stderr = result["nll"], result["nll_stderr"]
    return f"NLL {nll:.4f} is more than three standard errors ({stderr:.4f}) below the entropy {entropy:.4f}: a bug, not a record"


def timed_samples(key: Key, model: Model, params: Params, num: int, cond: Cond = None) -> tuple[np.ndarray, float]:
    """Draw samples twice and time the second call, which does not compile.

    Args:
        key: Random key of the draws.
        model: The model.
        params: Its parameters.
        num: Number of samples.
        cond: Conditions `(num, *cond)`, or None.

    Returns:
        The samples `(num, *event)` of the second call and the samples per second.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 3.0))
    >>> samples, rate = timed_samples(jax.random.key(0), model, (), 5)
    >>> samples.shape, rate > 0
    ((5, 2), True)
    """
    jax.block_until_ready(sample(key, model, params, num, cond))
    start = time.perf_counter()
    x = jax.block_until_ready(sample(jax.random.fold_in(key, 1), model, params, num, cond))
    return np.asarray(x), num / (time.perf_counter() - start)


def evaluate(
    key: Key,
    model: Model,
    params: Params,
    real: Reference,
    *,
    num_samples: int = 10_000,
    num_events: int = 10_000,
    num_draws: int = 500,
    also: Event = None,
    when_timed: Callable[[], None] | None = None,
) -> tuple[dict[str, Any], np.ndarray, np.ndarray | None]:
    """Evaluate a model: distances of its samples to real events, its likelihood and its speed.

    Args:
        key: Random key of samples and draws.
        model: The model.
        params: Its parameters.
        real: Real events with their conditions and floors.
        num_samples: Number of samples; the conditions are repeated cyclically.
        num_events: Number of test events, the first of `real`, that enter the likelihood.
        num_draws: Number of draws for each event if the density is a bound or an estimate.
        also: Further events `(m, *event)` of an unconditional model whose log density is wanted, for example for a picture; they share the
            compiled function. None for no further events.
        when_timed: Called when the speed of samples is measured; what it begins on another thread slows no figure. None calls nothing.

    Returns:
        The figures by name, the samples `(num_samples, *event)`, and the log densities `(m,)` at `also`, or None.

    Raises:
        FloatingPointError: A sample or a log density is not finite.
    """
    kind = model.transform.kind
    cond = None if real.cond is None else real.cond[np.arange(num_samples) % len(real.cond)]
    samples, rate = timed_samples(key, model, params, num_samples, cond)
    if when_timed is not None:
        when_timed()
    with ThreadPoolExecutor(1) as other_core:
        # NumPy computes the distances on one core while JAX compiles and computes the densities.
        distances = other_core.submit(evaluate_samples, samples, real)
        nll, further = _nll(key, model, params, real, num_events, num_draws, also)
    return {"density": str(kind), **distances.result(), "samples_per_second": rate, **nll}, samples, further


def _nll(
    key: Key, model: Model, params: Params, real: Reference, num_events: int, num_draws: int, also: Event
) -> tuple[dict[str, Any], np.ndarray | None]:
    """The figures of the likelihood, which are None for an implicit model, and the log densities at `also`."""
    kind = model.transform.kind
    if kind is Density.IMPLICIT:
        return dict.fromkeys(("nll", "nll_stderr", "nll_kind", "nll_note", "nll_gap", "nll_gap_stderr")), None
    x = real.x[:num_events]
    c = None if real.cond is None else real.cond[:num_events]
    points = x if also is None else np.concatenate([x, np.asarray(also, x.dtype)])
    lp = log_prob(model, params, points, c, key=jax.random.fold_in(key, 2), num_draws=num_draws)
    value, stderr = np.asarray(lp.value), np.asarray(lp.stderr)
    at_data = LogProb(value[: len(x)], stderr[: len(x)], kind)  # pyright: ignore[reportArgumentType]
    figures = summarise_nll(at_data, real, model.transform.proxy is not None)
    return figures, None if also is None else value[len(x) :]


def mean_nfe(key: Key, model: Model, params: Params, cond: Cond = None, num: int = 64) -> float:
    """Return the mean number of network evaluations per sample; it varies between samples only with an adaptive solver.

    Args:
        key: Random key of the noise.
        model: The model.
        params: Its parameters.
        cond: Conditions `(n, *cond)`, repeated cyclically, or None.
        num: Number of samples.

    Returns:
        The mean number of evaluations.

    >>> import jax, jaxgen
    >>> flow = jaxgen.transforms.ode_flow(lambda *args: (), lambda params, x, t, cond: -x, solver=jaxgen.numerics.fixed(3, "euler"))
    >>> mean_nfe(jax.random.key(0), jaxgen.Model(jaxgen.bases.normal((2,)), flow), (), num=2)
    3.0
    """
    count = jax.jit(jax.vmap(lambda k, c: jnp.asarray(nfe(model.transform)(params, model.base.sample(seed=k), c), jnp.float32)))
    return float(count(jax.random.split(key, num), None if cond is None else jnp.asarray(cond)[np.arange(num) % len(cond)]).mean())
