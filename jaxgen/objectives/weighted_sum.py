"""Several objectives at once: one model is trained by a weighted sum of their losses."""

import functools
from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.objective import Batch, Clock, Loss, Objective, Schedule
from jaxgen.types import Aux, Key, Params


def weighted_sum(objectives: Mapping[str, Objective], weights: Mapping[str, float]) -> Objective:
    """Minimise `sum_k weights[k] objectives[k]`, each of the same params, such as a likelihood beside a game (Flow-GAN's hybrid).

    Each objective draws from a key of its own and has its own auxiliaries, `aux[name]`. The weight of a game weighs the losses of both
    players.

    Args:
        objectives: The objectives by name. At most one of them prepares batches on the host, and none is `data_free`.
        weights: The weight of each, by the same names.

    Returns:
        An objective whose metrics are the losses by name and the metrics of each as `name_metric`. Validation judges by the weighted sum of
        what judges each, when their validation losses count for all.

    Raises:
        ValueError: The names differ, a weight is not positive, an objective is free of data, or two of them prepare batches.

    Source: arXiv 1705.08868, section 3, for the hybrid of a game and a likelihood.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> likelihood = jaxgen.objectives.maximum_likelihood(model)
    >>> twice = weighted_sum({"nll": likelihood, "again": likelihood}, {"nll": 1.0, "again": 1.0})
    >>> loss, metrics = twice.loss((), {"nll": (), "again": ()}, jax.random.key(0), Batch(jax.numpy.zeros((4, 1))), Clock(0, 1, ()))
    >>> round(float(loss / metrics["nll"]), 4)
    2.0
    """
    if not objectives or set(objectives) != set(weights):
        raise ValueError(
            f"weighted_sum: weights={dict(weights)!r}; accepted: one number for each of {', '.join(objectives) or 'no names'}."
        )
    for name, weight in weights.items():
        checks.number(f"weighted_sum: weights[{name!r}]", weight, above=0)
    preparing = [name for name, objective in objectives.items() if objective.prepare is not None]
    free = [name for name, objective in objectives.items() if objective.data_free]
    if len(preparing) > 1 or free:
        what = f"{', '.join(preparing)} prepare batches" if len(preparing) > 1 else f"{', '.join(free)} takes no data"
        accepted = "at most one that prepares batches, and none without data"
        raise ValueError(f"weighted_sum: objectives={list(objectives)}, where {what}; accepted: {accepted}.")

    def init(key: Key, params: Params, batch: Batch) -> tuple[Params, Aux]:
        aux: dict[str, Aux] = {}
        for k, (name, objective) in zip(jax.random.split(key, len(objectives)), objectives.items(), strict=True):
            params, aux[name] = objective.init(k, params, batch)
        return params, aux

    def total_of(losses: Mapping[str, Loss]) -> Loss:
        def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
            total, metrics = jnp.zeros((), batch.x.dtype), {}
            for k, (name, one) in zip(jax.random.split(key, len(losses)), losses.items(), strict=True):
                # Noise that was paired for one objective is no independent noise for another.
                seen = batch if name in preparing else batch._replace(z=None)
                value, told = one(params, aux[name], k, seen, clock)
                total = total + weights[name] * value
                metrics |= {name: value, **{f"{name}_{metric}": v for metric, v in told.items()}}
            return total, metrics

        return loss

    def update(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> Aux:
        keys = dict(zip(objectives, jax.random.split(key, len(objectives)), strict=True))
        changed = {n: o.update(params, aux[n], keys[n], batch, clock) for n, o in objectives.items() if o.update is not None}
        return {**aux, **changed}

    def finish(params: Params, aux: Aux, data: Batch) -> Params:
        for name, objective in objectives.items():
            params = params if objective.finish is None else objective.finish(params, aux[name], data)
        return params

    return Objective(
        init,
        total_of({name: objective.loss for name, objective in objectives.items()}),
        update if any(objective.update for objective in objectives.values()) else None,
        objectives[preparing[0]].prepare if preparing else None,
        finish if any(objective.finish for objective in objectives.values()) else None,
        schedule=Schedule(
            objectives[preparing[0]].schedule.prepare_until if preparing else 1.0,
            max(objective.schedule.judge_from for objective in objectives.values()),
        ),
        additive=all(objective.additive for objective in objectives.values()),
        num_codes=_fewest_codes(objectives.values()),
        judge=total_of({n: o.judge or o.loss for n, o in objectives.items()}) if any(o.judge for o in objectives.values()) else None,
    )


def _fewest_codes(objectives: Iterable[Objective]) -> int | tuple[int, ...] | None:
    """The codes that all objectives accept: the smallest number of them, of each coordinate if one of them counts by coordinates."""
    counts = [np.asarray(o.num_codes) for o in objectives if o.num_codes is not None]
    if not counts:
        return None
    fewest = functools.reduce(np.minimum, counts)
    return int(fewest) if fewest.ndim == 0 else tuple(int(count) for count in fewest)
