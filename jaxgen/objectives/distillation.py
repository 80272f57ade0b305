"""Distillation: a model of few evaluations learns, noise by noise, what a sampler of many makes of it."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model, init
from jaxgen.objective import Batch, Clock, Objective, PairingError
from jaxgen.transform import over_batch


def distillation(
    model: Model, teacher: Model, taught: Objective | None = None, params: Any = None, *, share: float = 0.5, pairs: float = 0.5
) -> Objective:
    """Minimise `E |model(z) - teacher(z)|^2` per coordinate over the noise z that both consume (arXiv 2101.02388, to any sampler).

    A sampler is a function of its noise, whatever happens on the way, so any deterministic or stochastic one can be distilled whose base
    gives the noise that `model` takes. The conditions are the batch's.

    params: the teacher's, where it is trained already; it is then frozen. Otherwise `taught` is the objective of `teacher`, whose params
        are aux["teacher"] and learn in the first `share` of the fit alone, from the same data; after it they stand and `model` learns.
    pairs: how many noises a step, as a share of the batch; each costs the teacher's evaluations.

    Raises ValueError for neither or both of taught and params, or a share out of (0, 1); PairingError for bases of unlike noise.
    """
    if (taught is None) == (params is None):
        raise ValueError("distillation: give the objective that trains the teacher, taught=, or the params it has, params=; one of them.")
    checks.number("distillation: share", share, above=0, below=1)
    checks.number("distillation: pairs", pairs, above=0, most=1)
    _check_noise(model, teacher)

    def start(key: jax.Array, own: Any, batch: Batch) -> tuple[Any, Any]:
        if taught is None:
            return own, ()
        key_params, key_aux = jax.random.split(key)
        first = None if batch.cond is None else batch.cond[0]
        learning, aux = taught.init(key_aux, init(key_params, teacher, first), batch)
        return own, {"teacher": learning, "aux": aux}

    def of_teacher(clock: Clock, aux: Any) -> Clock:
        return Clock(clock.step, jnp.round(share * clock.num_steps).astype(clock.num_steps.dtype), aux["teacher"])

    def update_teacher(own: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> Any:
        assert taught is not None and taught.update is not None
        return {**aux, "aux": taught.update(aux["teacher"], aux["aux"], key, batch, of_teacher(clock, aux))}

    def apart(own: Any, frozen: Any, key: jax.Array, batch: Batch) -> jax.Array:
        num = max(1, round(pairs * batch.x.shape[0]))
        z = model.base.sample(seed=key, sample_shape=(num,))
        cond = None if batch.cond is None else batch.cond[:num]
        goal = jax.lax.stop_gradient(over_batch(teacher.transform).forward(frozen, z, cond))
        return jnp.mean((over_batch(model.transform).forward(own, z, cond) - goal) ** 2)

    def loss(own: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        if taught is None:
            error = apart(own, params, key, batch)
            return error, {"error": error}
        lesson, lessons = taught.loss, of_teacher(clock, aux)
        error = jax.lax.cond(
            clock.step < lessons.num_steps,
            lambda: lesson(aux["teacher"], aux["aux"], key, batch, lessons)[0],
            lambda: apart(own, jax.lax.stop_gradient(aux["teacher"]), key, batch),
        )
        return error, {"error": error}

    if taught is None:
        return Objective(start, loss)
    update = None if taught.update is None else update_teacher
    return Objective(start, loss, update=update, prepare=taught.prepare, prepared=share * taught.prepared, unjudged=share)


def _check_noise(model: Model, teacher: Model) -> None:
    """PairingError unless both take noise of one shape."""
    shapes = [jax.tree.map(jnp.shape, jax.eval_shape(lambda m=m: m.base.sample(seed=jax.random.key(0)))) for m in (model, teacher)]
    if shapes[0] != shapes[1]:
        raise PairingError(f"distillation: the model's noise is {shapes[0]} and the teacher's {shapes[1]}; both have to take the same.")
