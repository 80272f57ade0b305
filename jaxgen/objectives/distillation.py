"""Distillation: a model of few evaluations learns, noise by noise, what a sampler of many evaluations makes of it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.model import init as init_model
from jaxgen.objective import Batch, Clock, Objective, PairingError, Schedule, no_aux
from jaxgen.types import Aux, Key, Params


def distillation(
    model: Model, teacher: Model, taught: Objective | None = None, params: Params | None = None, *, share: float = 0.5, pairs: float = 0.5
) -> Objective:
    """Minimise `E |model(z) - teacher(z)|^2` per coordinate over the noise z that both consume, under the conditions of the batch.

    A sampler is a function of its noise, so any deterministic or stochastic sampler can be distilled if its base draws the noise that
    `model` takes.

    Args:
        model: The model that learns.
        teacher: The sampler that is distilled.
        taught: The objective that trains the teacher, whose params are then `aux["teacher"]`: they learn in the first `share` of training
            alone, from the same data, and are frozen after it, when `model` learns.
        params: The params of a teacher that is trained already; they are frozen. Give either `taught` or `params`.
        share: The first fraction of training, in which the teacher learns; used with `taught`.
        pairs: The number of noises per step as a share of the batch. Each costs the teacher's evaluations.

    Returns:
        An objective whose metric is `error`, the loss of the one who learns.

    Raises:
        ValueError: Neither or both of `taught` and `params` are given, or a share is out of range.
        PairingError: The two bases draw noise of different shapes.

    Source: arXiv 2101.02388, for any sampler.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> twice = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 2.0))
    >>> shifted = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(3.0, 2.0))
    >>> objective = distillation(twice, shifted, params=())
    >>> loss, _ = objective.loss((), (), jax.random.key(0), Batch(jax.numpy.zeros((4, 2))), Clock(0, 1, ()))
    >>> round(float(loss), 4)
    9.0
    """
    if (taught is None) == (params is None):
        given = "taught=None, params=None" if taught is None else "taught and params are both given"
        raise ValueError(f"distillation: {given}; accepted: exactly one of them, the objective that trains the teacher or its params.")
    checks.number("distillation: share", share, above=0, below=1)
    checks.number("distillation: pairs", pairs, above=0, most=1)
    _check_noise(model, teacher)

    def error_of(params: Params, frozen: Params, key: Key, batch: Batch) -> jax.Array:
        num = max(1, round(pairs * batch.x.shape[0]))
        z = model.base.sample(seed=key, sample_shape=(num,))
        cond = None if batch.cond is None else batch.cond[:num]
        goal = jax.lax.stop_gradient(over_batch(teacher.transform).forward(frozen, z, cond))
        return jnp.mean((over_batch(model.transform).forward(params, z, cond) - goal) ** 2)

    if taught is not None:
        return _after_the_teacher(teacher, taught, share, error_of)

    def loss(learner: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        error = error_of(learner, params, key, batch)
        return error, {"error": error}

    return Objective(no_aux, loss)


def _after_the_teacher(
    teacher: Model, taught: Objective, share: float, error_of: Callable[[Params, Params, Key, Batch], jax.Array]
) -> Objective:
    """Return the objective of two stages: `taught` trains the teacher in the first `share` of training, `error_of` the model after it."""

    def init(key: Key, params: Params, batch: Batch) -> tuple[Params, Aux]:
        key_params, key_aux = jax.random.split(key)
        first_cond = None if batch.cond is None else batch.cond[0]
        teacher_params, aux = taught.init(key_aux, init_model(key_params, teacher, first_cond), batch)
        return params, {"teacher": teacher_params, "aux": aux}

    def clock_of_teacher(clock: Clock, aux: Aux) -> Clock:
        return Clock(clock.step, jnp.round(share * clock.num_steps).astype(clock.num_steps.dtype), aux["teacher"])

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        first_stage = clock_of_teacher(clock, aux)
        error = jax.lax.cond(
            clock.step < first_stage.num_steps,
            lambda: taught.loss(aux["teacher"], aux["aux"], key, batch, first_stage)[0],
            lambda: error_of(params, aux["teacher"], key, batch),
        )
        return error, {"error": error}

    def update(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> Aux:
        assert taught.update is not None
        return {**aux, "aux": taught.update(aux["teacher"], aux["aux"], key, batch, clock_of_teacher(clock, aux))}

    schedule = Schedule(prepare_until=share * taught.schedule.prepare_until, judge_from=share)
    return Objective(init, loss, None if taught.update is None else update, taught.prepare, schedule=schedule)


def _check_noise(model: Model, teacher: Model) -> None:
    """Raise PairingError unless both bases draw noise of one shape."""
    shapes = [jax.tree.map(jnp.shape, jax.eval_shape(lambda m=m: m.base.sample(seed=jax.random.key(0)))) for m in (model, teacher)]
    if shapes[0] != shapes[1]:
        raise PairingError(f"distillation: teacher.base draws noise of shape {shapes[1]}; accepted: the model's, {shapes[0]}.")
