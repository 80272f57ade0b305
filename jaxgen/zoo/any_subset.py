"""One fit for any question: entries whose model answers what of a row is given, trained on all subsets of its columns at once."""

import math
import warnings
from collections.abc import Sequence
from types import MappingProxyType
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import objectives
from jaxgen.paths import Prediction, conditioned_on, of_asked
from jaxgen.training import Entry
from jaxgen.transform import Density, Maps, Preimage, Questions, Transform
from jaxgen.transforms import answering, heun
from jaxgen.transforms.answering import Rest
from jaxgen.types import Cond, Event, Key, Noise, Params
from jaxgen.zoo.networks import Nets

AnySubset: TypeAlias = bool | Sequence[int]
"""Whether any subset of the columns may be given: True for columns of one coordinate each, or how many coordinates each column has."""
KNOWN_TO, GUIDED_STEPS = 0.01, 64
"""The standard deviation with which guidance knows what is given, and the steps of its sampler."""


def restricted(prediction: Prediction, any_subset: AnySubset) -> Prediction:
    """Restrict a prediction to what is asked for, if any subset may be given.

    Args:
        prediction: The prediction.
        any_subset: The option of the entry.
    """
    return of_asked(prediction) if any_subset else prediction


def over_subsets(name: str, nets: Nets, entry: Entry, any_subset: AnySubset, rest: Rest | None = None) -> Entry:
    """Return an entry whose readings answer questions and whose objective trains them on drawn roles.

    Args:
        name: The name of the entry, for messages.
        nets: What its events are.
        entry: The entry, whose transforms are told the roles.
        any_subset: The option of the entry; False returns `entry` as it is.
        rest: As `transforms.answering` takes it.

    Raises:
        ValueError: Events are images, the entry has conditions, or the widths do not add up to the coordinates of an event.
    """
    if not any_subset:
        return entry
    if nets.is_image:
        raise ValueError(f"{name}: any_subset={any_subset!r} with event_shape={nets.event!r}; accepted: vectors (d,).")
    if nets.cond_dim is not None:
        raise ValueError(
            f"{name}: any_subset={any_subset!r} with cond_shape=({nets.cond_dim},); accepted: cond_shape=None, with the columns of the "
            "condition in the event, where any of them may be given or not."
        )
    widths = None if isinstance(any_subset, bool) else tuple(any_subset)
    if widths is not None and (sum(widths) != nets.size or min(widths) < 1):
        raise ValueError(f"{name}: any_subset={widths!r}; accepted: True, or widths of columns that add up to {nets.size}.")
    models = {reading: model._replace(transform=answering(model.transform, rest)) for reading, model in entry.models.items()}
    objective = objectives.any_subset(entry.objective, widths)
    readings = MappingProxyType(models if entry.readings else {})
    return entry._replace(model=models[entry.card.reading], objective=objective, readings=readings)


def by_guidance(nets: Nets, entry: Entry, prediction: Prediction, any_subset: AnySubset) -> Entry:
    """Return a diffusion that answers questions approximately, by guidance, although it was not trained to.

    The denoiser is updated by the known coordinates as if the data around it were Gaussian (`paths.conditioned_on`): exact for Gaussian data.
    Samples of an answer have an implicit density.

    Args:
        nets: What events are.
        entry: The entry.
        prediction: What its network predicts.
        any_subset: The option of the entry; an entry that is trained on all subsets needs no guidance and is returned as it is.
    """
    if any_subset or nets.is_image or nets.cond_dim is not None or prediction.coupled:
        return entry

    def answers(f: Transform) -> Transform:
        through = lambda given, asked: _guided(f, prediction, np.array(given)) if any(given) else _unconditional(f, all(asked))
        return f._replace(hooks=f.hooks._replace(questions=Questions(through=through)))

    models = {reading: model._replace(transform=answers(model.transform)) for reading, model in entry.models.items()}
    return entry._replace(model=models[entry.card.reading], readings=MappingProxyType(models))


def _unconditional(f: Transform, everything: bool) -> Transform:
    """Return `f` under a condition in which nothing is given; the density of some coordinates alone is unknown."""

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return f.forward(params, z)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        assert f.inverse is not None
        return f.inverse(params, x, None, key)

    return Transform(f.init, Maps(forward, inverse if everything else None), f.kind if everything else Density.IMPLICIT)


def _guided(f: Transform, prediction: Prediction, given: np.ndarray) -> Transform:
    """Return the transform of a row, given some of its coordinates by its condition."""
    warnings.warn(
        "This diffusion was not trained on questions: its answer is by guidance, exact for Gaussian data alone. any_subset=True trains it.",
        stacklevel=2,
    )
    posterior = conditioned_on(prediction, np.eye(len(given))[given], None, KNOWN_TO)
    sampler = heun(f.init, posterior, GUIDED_STEPS)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        # The noise of a chain begins with that of an ODE.
        start = z["x0"] if isinstance(z, dict) else z
        row = jnp.asarray(cond, start.dtype)
        return jnp.where(given, row, sampler.forward(params, start, row[given]))

    return Transform(f.init, Maps(forward), Density.IMPLICIT)


def of_normal(scale: float) -> Rest:
    """Return what standard normal noise z counts in an ODE that starts at `scale z` and leaves it there.

    Args:
        scale: The standard deviation of the state at the start.
    """
    constant = 0.5 * math.log(2 * math.pi) + math.log(scale)

    def rest(z: jax.Array) -> jax.Array:
        return -0.5 * z**2 - constant

    return rest
