"""The third noun: an objective says how parameters are trained, and sampling drops it together with its auxiliaries.

An objective factory takes a model and checks what it needs: `flow_matching(model, path)` needs the part `velocity` and raises
`PairingError` for a model without it. Every valid pairing trains. An objective works on batches, while a transform works on one event.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import jax
from jax.sharding import Mesh

from jaxgen.arguments import require_model
from jaxgen.meshes import split_rows
from jaxgen.model import Model
from jaxgen.refusals import require_transform
from jaxgen.types import Aux, Cond, Key, Noise, Params

Draws = TypeVar("Draws")


@jax.tree_util.register_static
@dataclass(frozen=True)
class Share:
    """Say that a batch is one of several equal shares of a larger one, each on a device of its own.

    Attributes:
        axis_name: The mapped axis over whose devices the larger batch is split.
        count: The number of shares.
    """

    axis_name: str
    count: int


@jax.tree_util.register_static
@dataclass(frozen=True)
class Spread:
    """Say that a batch is whole and that the compiler splits its rows over a mesh.

    Attributes:
        mesh: The mesh.
    """

    mesh: Mesh


class Batch(NamedTuple):
    """Hold the data that an objective reads.

    Attributes:
        x: Events `(n, *event)`. A `data_free` objective gets `(n, 0)`, which only says how many draws to make.
        cond: Conditions `(n, *cond)`, or None for a model without conditions.
        z: Noise that an objective's `prepare` paired with `x`, or None.
        share: Which share of a larger batch these events are, or the mesh over which a whole batch is spread; None for a whole batch.
    """

    x: jax.Array
    cond: Cond = None
    z: Noise | None = None
    share: Share | Spread | None = None


def drawn(batch: Batch, draw: Callable[[int], Draws], axis: int = 0) -> Draws:
    """Return what a loss draws for the events of a batch, such as noise, times or keys, whoever holds the other events.

    The draw is made for the whole batch, and cut to the rows of this share, or spread as the batch is. So a loss that draws through this
    function sees the same numbers on one device and on many.

    Args:
        batch: The batch, or one share of it.
        draw: `num -> draws`: arrays with `num` rows, for that many events.
        axis: The axis of the rows.

    Returns:
        The draws of the events in `batch`.

    >>> import jax
    >>> drawn(Batch(jax.numpy.zeros((3, 2))), lambda num: jax.random.normal(jax.random.key(0), (num,))).shape
    (3,)
    """
    num, share = batch.x.shape[0], batch.share
    if share is None:
        return draw(num)
    if isinstance(share, Spread):
        return split_rows(share.mesh, draw(num), axis)
    first = jax.lax.axis_index(share.axis_name) * num

    def cut(a: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice_in_dim(a, first, num, axis)

    return jax.tree.map(cut, draw(num * share.count))


class Clock(NamedTuple):
    """Say where training stands.

    Attributes:
        step: The number of steps done, an int32 scalar.
        num_steps: The number of steps of the whole training, an int32 scalar.
        ema: The exponential moving average of the params.
    """

    step: jax.Array
    num_steps: jax.Array
    ema: Params


class Init(Protocol):
    """Set the params up from a first batch, and create the auxiliaries that are trained beside them, such as a critic."""

    def __call__(self, key: Key, params: Params, batch: Batch, /) -> tuple[Params, Aux]: ...


class Loss(Protocol):
    """Return the scalar loss of a batch and its metrics by name.

    The gradient of the loss is taken in params and aux together.
    """

    def __call__(self, params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock, /) -> tuple[jax.Array, dict[str, jax.Array]]: ...


class Update(Protocol):
    """Return aux after a step whose params are given: this changes auxiliaries without a gradient, such as a frozen teacher."""

    def __call__(self, params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock, /) -> Aux: ...


class Prepare(Protocol):
    """Return a batch of numpy arrays with `z` set, by work on the host such as an optimal-transport plan.

    It leaves `x` and `cond` as they are.
    """

    def __call__(self, key: Key, batch: Batch, /) -> Batch: ...


class Finish(Protocol):
    """Return the final params, given those that were trained and all the data, such as the Gaussian of an autoencoder's codes."""

    def __call__(self, params: Params, aux: Aux, data: Batch, /) -> Params: ...


class Schedule(NamedTuple):
    """Say in which fractions of training an objective prepares batches and in which its validation losses count.

    Attributes:
        prepare_until: Prepare batches on the host during this first fraction of training only; the loss does not read their `z` after it.
        judge_from: Ignore validation losses during this first fraction of training: early stopping must not compare losses of different
            stages.
    """

    prepare_until: float = 1.0
    judge_from: float = 0.0


class Objective(NamedTuple):
    """Describe how params are trained, as a tuple of pure functions.

    A game between two players is one scalar `L_G(theta, stop(phi)) + L_D(stop(theta), phi)` for the params theta of the model and phi of
    its critic. `stop` blocks gradients, so the gradient of the sum holds the gradient of each player's own loss.

    Attributes:
        init: `(key, params, batch) -> (params, aux)`. Data-dependent initialisation happens here; `aux` are the trained auxiliaries.
        loss: `(params, aux, key, batch, clock) -> (scalar, metrics)`.
        update: `(params, aux, key, batch, clock) -> aux`, after each step, or None.
        prepare: `(key, batch) -> batch`, on the host in numpy before each step, or None. It may set `z` and nothing else.
        finish: `(params, aux, data) -> params`, after training, or None. An interrupted fit is finished too, and again when it is resumed, so
            finishing twice must give what finishing once does.
        data_free: True if the objective learns from something else than events, such as an unnormalised density; `fit` then takes no data.
        schedule: The fractions of training in which batches are prepared and validation losses count.
        judge: What validation takes in place of the loss, with the arguments of the loss and smaller for a better model. None takes the
            loss, which for a game or a moving target says nothing about how good the samples are.
        additive: True if the loss is the mean of the losses of single events and all that it draws comes through `drawn`. Only then do several
            devices share a batch; the others see each batch whole, so that what is trained does not depend on the number of devices.
        num_codes: How many codes 0.0, 1.0, ... events may hold, and `fit` refuses any other number; one number for all coordinates or one
            for each, in raster order. None for events of numbers.
        gaps: Whether NaN in an event stands for a missing value; `fit` refuses it otherwise.
    """

    init: Init
    loss: Loss
    update: Update | None = None
    prepare: Prepare | None = None
    finish: Finish | None = None
    data_free: bool = False
    schedule: Schedule = Schedule()
    judge: Loss | None = None
    additive: bool = False
    num_codes: int | tuple[int, ...] | None = None
    gaps: bool = False


class PairingError(TypeError):
    """Report that an objective is paired with a model that lacks what the objective needs."""


def require(objective: str, model: Model, needs: frozenset[str]) -> None:
    """Refuse a model whose transform lacks a part that the objective needs.

    Args:
        objective: The name of the objective's factory, for the message.
        model: The model that is paired with it.
        needs: The names of the parts of `model.transform` that the objective reads.

    Raises:
        PairingError: A part is missing; the message names it and the parts that the transform has.

    >>> import jaxgen
    >>> require("flow_matching", jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.diagonal_affine()), frozenset({"velocity"}))
    Traceback (most recent call last):
    jaxgen.objective.PairingError: flow_matching: model=one without the parts velocity; accepted: a transform with them. This one has: none.
    """
    require_model(objective, model)
    require_transform(f"{objective}: model.transform", model.transform)
    missing = sorted(needs - set(model.transform.parts))
    if missing:
        have = ", ".join(sorted(model.transform.parts)) or "none"
        raise PairingError(
            f"{objective}: model=one without the parts {', '.join(missing)}; accepted: a transform with them. This one has: {have}."
        )


def no_aux(key: Key, params: Params, batch: Batch) -> tuple[Params, Aux]:
    """Return the params as they are and an empty tuple: the `init` of an objective without auxiliaries.

    Args:
        key: A random key, which is not used.
        params: The model's params.
        batch: A first batch, which is not used.

    Returns:
        `(params, ())`.
    """
    del key, batch
    return params, ()
