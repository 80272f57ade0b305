"""Drifting: a generator is moved, step by step, along a field that attracts its samples to the data and repels them from each other."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.numerics import distances
from jaxgen.objective import Batch, Clock, Objective, no_aux, require
from jaxgen.objectives.discrepancy import energy
from jaxgen.objectives.joint import joint
from jaxgen.types import Aux, Cond, Key, Params


def drifting(model: Model, temperatures: tuple[float, ...] = (0.02, 0.05, 0.2), *, normalise: bool = True) -> Objective:
    """Minimise `E |x - stop(x + V(x))|^2` for samples x of the model, V being the drifting field between the data and the samples.

    V is zero if both have one law, and no critic is trained. Distances are measured in a unit in which a sample and an event are `sqrt(d)`
    apart on average. The fields of all temperatures are added: small ones see detail, large ones find data that are far away. With
    conditions the kernel compares pairs of event and condition while the field moves events alone, so conditional laws have to agree.

    Args:
        model: Any model that samples arrays of the shape of an event.
        temperatures: Each temperature tau gives a field with the kernel `exp(-distance / (tau d))`, d being the size of an event.
        normalise: Scale the field of each temperature to a root mean square of 1 per coordinate. The loss is then nearly the same number
            throughout training, and the metric `drift` is the one to watch.

    Returns:
        An objective whose metric `drift` is the root mean square of the last temperature's field, in the units of the data.

    Raises:
        ValueError: `temperatures` is empty or one of them is not positive.

    Source: arXiv 2602.04770, appendix A.6 for the units and the normalisation.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> loss, _ = drifting(model, (0.1,)).loss((), (), jax.random.key(0), Batch(jax.numpy.ones((8, 1))), Clock(0, 1, ()))
    >>> round(float(loss), 3)
    1.0
    """
    require("drifting", model, frozenset())
    if not temperatures:
        raise ValueError(f"drifting: temperatures={temperatures!r}; accepted: one or more positive numbers.")
    for temperature in temperatures:
        checks.number("drifting: temperatures", temperature, above=0)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        num = batch.x.shape[0]
        z = model.base.sample(seed=key, sample_shape=(num,))
        x = over_batch(model.transform).forward(params, z, batch.cond).reshape(num, -1)
        y, fixed = batch.x.reshape(num, -1), jax.lax.stop_gradient(x)
        d, tiny = y.shape[1], jnp.finfo(y.dtype).tiny
        unit = jnp.maximum(jnp.mean(distances(fixed, y)) / jnp.sqrt(jnp.asarray(d, y.dtype)), tiny)
        total = size = jnp.zeros((), y.dtype)
        for temperature in temperatures:
            field = drift(fixed / unit, y / unit, batch.cond, temperature * d)
            size = jnp.sqrt(jnp.mean(field**2))
            total = total + (field / jnp.maximum(size, tiny) if normalise else field)
        value = jnp.mean((x / unit - (fixed / unit + total)) ** 2)
        return value, {"drift": unit * size}

    return Objective(no_aux, loss, judge=energy(model).loss)


def drift(x: jax.Array, y: jax.Array, cond: Cond, temperature: float) -> jax.Array:
    """Return the field `V_i = sum_jk A_ij B_ik (y_j - x_k)` at each sample x_i.

    A and B are the affinities of x_i to the data and to the other samples: `exp(-distance / temperature)`, normalised over both together,
    by rows and by columns in geometric mean. Exchanging samples and data changes the sign of V.

    Args:
        x: Samples `(n, d)`.
        y: Data `(n, d)`.
        cond: Conditions `(n, *cond)` of both, or None.
        temperature: The distance over which affinity falls by a factor e.

    Returns:
        The field `(n, d)`.

    Source: arXiv 2602.04770, algorithm 2.

    >>> import jax.numpy as jnp
    >>> drift(jnp.zeros((2, 1)), jnp.full((2, 1), 3.0), None, 1.0).ravel() > 0
    Array([ True,  True], dtype=bool)
    """
    points, itself = joint(x, cond), jnp.eye(x.shape[0], dtype=bool)
    to_others = jnp.where(itself, jnp.inf, distances(points, points))
    logits = -jnp.concatenate([distances(points, joint(y, cond)), to_others], 1) / temperature
    affinity = jnp.exp(0.5 * (jax.nn.log_softmax(logits, 1) + jax.nn.log_softmax(logits, 0)))
    to_data, to_samples = jnp.split(affinity, 2, 1)
    mass, repelled = jnp.sum(to_data, 1, keepdims=True), jnp.sum(to_samples, 1, keepdims=True)
    return repelled * (to_data @ y) - mass * (to_samples @ x)
