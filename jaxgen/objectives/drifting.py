"""Drifting: any transform is moved, step by step, along a field that is zero where samples and data have one law."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.numerics import distances
from jaxgen.objective import Batch, Clock, Objective
from jaxgen.objectives.discrepancy import energy
from jaxgen.objectives.fields import DriftField, one_step_transport
from jaxgen.objectives.samples import drawing, require_pathwise
from jaxgen.types import Aux, Key, Params


def drift_field(model: Model, fields: DriftField | Sequence[DriftField], *, normalise: bool = True, stratified: bool = False) -> Objective:
    """Minimise `E |x - stop(x + V(x))|^2` for samples x of the model, V being the sum of drift fields between the data and the samples.

    The gradient moves each sample along V, whatever the transform, so training comes to rest where V is zero. Fields are evaluated in a unit
    in which a sample and an event are `sqrt(d)` apart on average. With conditions a field compares pairs of event and condition while it
    moves events alone, so conditional laws have to agree.

    Args:
        model: Any model that samples arrays of the shape of an event and whose samples move with its params.
        fields: One or more of `objectives.fields`, which are added.
        normalise: Scale each field to a root mean square of 1 per coordinate. The loss is then nearly the same number throughout training,
            and the metric `drift` is the one to watch.
        stratified: Draw the noise of a batch by `bases.stratified`.

    Returns:
        An objective whose metric `drift` is the root mean square of the last field, in the units of the data, and whose aux holds those of
        each field that is learnt, in order.

    Raises:
        ValueError: `fields` is empty.
        PairingError: As for `energy`.

    Source: arXiv 2605.05118; arXiv 2602.04770, appendix A.6 for the units and the normalisation.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> from jaxgen.objectives import discrepancies, fields
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> objective = drift_field(model, fields.descent(discrepancies.energy_distance()))
    >>> round(float(objective.loss((), (), jax.random.key(0), Batch(jax.numpy.ones((8, 1))), Clock(0, 1, ()))[0]), 3)
    1.0
    """
    every = (fields,) if isinstance(fields, DriftField) else tuple(fields) if isinstance(fields, Sequence) else ()
    if not every or not all(isinstance(field, DriftField) for field in every):
        raise ValueError(f"drift_field: fields={fields!r}; accepted: one or more of jaxgen.objectives.fields.")
    return _drifting("drift_field", model, every, normalise, stratified)


def drifting(
    model: Model, temperatures: tuple[float, ...] = (0.02, 0.05, 0.2), *, normalise: bool = True, stratified: bool = False
) -> Objective:
    """Minimise `E |x - stop(x + V(x))|^2` for samples x of the model, V being the drifting field between the data and the samples.

    It is `drift_field` with one field of `fields.one_step_transport` for each temperature. V is zero if both have one law, and no critic is
    trained. Small temperatures see detail, and large ones find data that are far away.

    Args:
        model: Any model that samples arrays of the shape of an event and whose samples move with its params.
        temperatures: Each temperature tau gives a field with the kernel `exp(-distance / (tau d))`, d being the size of an event.
        normalise: As for `drift_field`.
        stratified: Draw the noise of a batch by `bases.stratified`.

    Returns:
        An objective whose metric `drift` is the root mean square of the last temperature's field, in the units of the data.

    Raises:
        ValueError: `temperatures` is empty or one of them is not positive.
        PairingError: As for `energy`.

    Source: arXiv 2602.04770, appendix A.6 for the units and the normalisation.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> loss, _ = drifting(model, (0.1,)).loss((), (), jax.random.key(0), Batch(jax.numpy.ones((8, 1))), Clock(0, 1, ()))
    >>> round(float(loss), 3)
    1.0
    """
    checks.positive_numbers("drifting: temperatures", temperatures)
    return _drifting("drifting", model, tuple(one_step_transport(tau) for tau in temperatures), normalise, stratified)


def _drifting(name: str, model: Model, fields: tuple[DriftField, ...], normalise: bool, stratified: bool) -> Objective:
    draw = drawing(name, model, stratified)

    def init(key: Key, params: Params, batch: Batch) -> tuple[Params, Aux]:
        cond = None if batch.cond is None else batch.cond[0]
        require_pathwise(name, model, params, cond)
        keys = jax.random.split(key, len(fields))
        return params, tuple(f.init(k, batch.x[0].ravel(), cond) for f, k in zip(fields, keys, strict=True) if f.loss is not None)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        num = batch.x.shape[0]
        key_noise, *keys = jax.random.split(key, 1 + len(fields))
        x, y = draw(params, key_noise, batch).reshape(num, -1), batch.x.reshape(num, -1)
        fixed, tiny = jax.lax.stop_gradient(x), jnp.finfo(y.dtype).tiny
        unit = jnp.maximum(jnp.mean(distances(fixed, y)) / jnp.sqrt(jnp.asarray(y.shape[1], y.dtype)), tiny)
        total = size = loss_of_critics = jnp.zeros((), y.dtype)
        critics = iter(aux)
        for field, key_field in zip(fields, keys, strict=True):
            critic = () if field.loss is None else next(critics)
            points = (key_field, fixed / unit, y / unit, batch.cond)
            velocity = jax.lax.stop_gradient(field.evaluate(critic, *points))
            size = jnp.sqrt(jnp.mean(velocity**2))
            total = total + (velocity / jnp.maximum(size, tiny) if normalise else velocity)
            if field.loss is not None:
                loss_of_critics = loss_of_critics + field.loss(critic, *points)
        value = jnp.mean((x / unit - (fixed / unit + total)) ** 2)
        return value + loss_of_critics, {"drift": unit * size}

    return Objective(init, loss, judge=energy(model).loss)
