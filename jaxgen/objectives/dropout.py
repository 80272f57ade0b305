"""Dropout of hidden units for any objective, without a network that knows of it."""

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.objective import Batch, Clock, Objective, PairingError
from jaxgen.types import Aux, Key, Params

LAYER = re.compile(r"(.*Dense)_(\d+)")
"""How the layers of a perceptron are called in its params; the first one reads no hidden units."""


def dropout(objective: Objective, rate: float) -> Objective:
    """Drop hidden units of all perceptrons in the params while training; what validates and what samples has all of them.

    A unit is dropped with probability `rate`, for all rows of a batch alike, by zeros in the matrix that reads it; the other units count
    `1 / (1 - rate)` times as much. Matrices of layers that read the network's input, and other params, are left alone.

    Args:
        objective: The objective.
        rate: The probability, from 0, which returns `objective` as it is, to below 1.

    Returns:
        `objective` with another loss, judged by its own.

    Raises:
        ValueError: `rate` is no probability below 1.
        PairingError: `objective` prepares its batches on the host, for which its loss cannot judge.

    Source: Srivastava et al. 2014, Journal of Machine Learning Research 15.

    >>> from jaxgen.objective import no_aux
    >>> weight = Objective(no_aux, lambda params, aux, key, batch, clock: (params["Dense_1"]["kernel"].sum(), {}))
    >>> halved, layers = dropout(weight, 0.5), {"Dense_1": {"kernel": jnp.ones((1000, 1))}}
    >>> trained, judged = (f(layers, (), jax.random.key(0), None, None)[0] for f in (halved.loss, halved.judge))
    >>> bool(800 < trained < 1200), float(judged)
    (True, 1000.0)
    """
    checks.number("dropout: rate", rate, least=0, below=1)
    if rate == 0:
        return objective
    if objective.prepare is not None:
        raise PairingError("dropout: objective=one that pairs noise with events on the host; accepted: any other, or rate=0.")

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        # Another key than that of the loss itself, which is the same with and without dropout.
        return objective.loss(with_dropped_units(jax.random.fold_in(key, 3), params, rate), aux, key, batch, clock)

    return objective._replace(loss=loss, judge=objective.judge or objective.loss)


def with_dropped_units(key: Key, params: Params, rate: float) -> Params:
    """Return params without some of the hidden units of their perceptrons.

    Args:
        key: A random key.
        params: The params.
        rate: The probability with which a unit is dropped.

    >>> layers = {"Dense_0": {"kernel": jnp.ones((1, 4))}, "Dense_1": {"kernel": jnp.ones((4, 1))}}
    >>> dropped = with_dropped_units(jax.random.key(0), layers, 0.5)
    >>> sorted(set(dropped["Dense_1"]["kernel"].ravel().tolist())), dropped["Dense_0"]["kernel"].tolist()
    ([0.0, 2.0], [[1.0, 1.0, 1.0, 1.0]])
    """
    if isinstance(params, Mapping):
        return {name: _layer(jax.random.fold_in(key, i), name, params[name], rate) for i, name in enumerate(params)}
    if isinstance(params, tuple | list):
        parts = [with_dropped_units(jax.random.fold_in(key, i), part, rate) for i, part in enumerate(params)]
        return type(params)(*parts) if hasattr(params, "_fields") else type(params)(parts)
    return params


def _layer(key: Key, name: Any, params: Params, rate: float) -> Params:
    found = LAYER.fullmatch(name) if isinstance(name, str) else None
    if found is None or int(found[2]) == 0 or not isinstance(params, Mapping) or "kernel" not in params:
        return with_dropped_units(key, params, rate)
    kernel = params["kernel"]
    kept = jax.random.bernoulli(key, 1 - rate, (*kernel.shape[:-1], 1))
    return {**params, "kernel": jnp.where(kept, kernel / (1 - rate), 0)}
