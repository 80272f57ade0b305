"""The second noun: a transform says how noise becomes data, as a tuple of pure functions of explicit parameters.

A deep generative model is a *probability transformation function* (arXiv 2506.17171): draw noise `z` from a fixed base and return
`x = forward(params, z)`. `forward` takes no key, because randomness that shapes a sample lives in the base; the `key` of `inverse` only
estimates a number. This file holds the protocol; `lifting.py` reads it and `combinators.py` builds transforms from transforms.
"""

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import jax

from jaxgen.types import Cond, Event, Float, Key, Noise, Params, PyTree


class Density(enum.IntEnum):
    """Say what the number `base.log_prob(z) + log_det - log_q` is, from the strongest kind to the weakest.

    `inverse` returns `z`, `log_det` and `log_q` as a `Preimage`. A chain has the weakest kind of its links.
    """

    EXACT = 0
    """The number is log p(x) itself; no key is needed."""
    UNBIASED = 1
    """The number is an unbiased estimate of log p(x); several draws are averaged."""
    LOWER_BOUND = 2
    """The number is in expectation a lower bound of log p(x); several draws take logmeanexp (arXiv 1509.00519)."""
    IMPLICIT = 3
    """There is no density: asking for one raises `ImplicitDensityError`."""

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class Preimage(NamedTuple):
    """What `inverse` returns: the noise behind an event, and what the way back costs.

    Attributes:
        z: The noise, shaped as the base's event.
        log_det: The log-determinant of the inverse map, a scalar: minus log|det J_forward| at `z` for a bijection, the likelihood
            contribution of a surjection or a stochastic inverse otherwise (arXiv 2007.02731).
        log_q: The log density of whatever `inverse` drew from its key, a scalar.
    """

    z: Noise
    log_det: Float[jax.Array, ""]
    log_q: Float[jax.Array, ""] | float = 0.0


class Init(Protocol):
    """Makes params; `z` is one example of noise, from which shapes are read."""

    def __call__(self, key: Key, z: Noise, /, cond: Cond = None) -> Params: ...


class Forward(Protocol):
    """Maps noise to data. It is deterministic."""

    def __call__(self, params: Params, z: Noise, /, cond: Cond = None) -> Event: ...


class Inverse(Protocol):
    """Maps data to noise. A stochastic inverse reads `key`, the others ignore it."""

    def __call__(self, params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage: ...


class WithLogDet(Protocol):
    """Maps noise to data and returns log|det J_forward| beside it."""

    def __call__(self, params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]: ...


class NumEvaluations(Protocol):
    """Returns how often one sample calls a network, a scalar."""

    def __call__(self, params: Params, z: Noise, /, cond: Cond = None) -> jax.Array | int: ...


class Field(Protocol):
    """A function of a state `(d,)` and a time, such as a velocity, a score or a denoiser."""

    def __call__(self, params: Params, x: jax.Array, t: jax.Array, /, cond: Cond = None) -> jax.Array: ...


class Maps(NamedTuple):
    """Hold the three maps of a transform, over one event or over a batch with one more leading axis and shared params.

    Attributes:
        forward: Maps noise to data.
        inverse: Maps data to noise; None if there is no inverse.
        forward_and_log_det: Maps noise to data and returns log|det J_forward| beside it; None if it is not known.
    """

    forward: Forward
    inverse: Inverse | None = None
    forward_and_log_det: WithLogDet | None = None


class DataInit(Protocol):
    """Sets params from a batch: every argument but `params` has a leading axis. Returns them with the batch's noise."""

    def __call__(self, params: Params, x: Event, /, cond: Cond = None, keys: Key | None = None) -> tuple[Params, Noise]: ...


class Refine(Protocol):
    """Returns the transform on the same params with every tolerance `level` steps tighter.

    If `exact`, exact values also replace estimates.
    """

    def __call__(self, level: int, exact: bool = False) -> "Transform": ...


class Questions(NamedTuple):
    """Say that a transform answers questions of a partly known event: its condition is then a row `(d,)`, NaN where nothing is given.

    Attributes:
        columns: The names of the event's columns; () if they have none.
        number: `(column, value) -> number` reads a cell in the units of the data, such as a label or a date, as the number that an event
            has. It raises a ValueError for a cell that cannot be. None takes numbers as they are.
        through: `(given, asked) -> transform` for which coordinates are given and asked for: the transform on the same params that
            answers. It raises a ValueError if there is none. None if the transform answers all questions itself.
    """

    columns: tuple[str, ...] = ()
    number: "Callable[[int, object], float] | None" = None
    through: "Callable[[tuple[bool, ...], tuple[bool, ...]], Transform] | None" = None


class Hooks(NamedTuple):
    """What the library itself reads of a transform, beyond its maps.

    Attributes:
        stages: `(params, z, cond=None) -> (S, *event)`, the states on the way to the output; the last one is the output.
        nfe: `(params, z, cond=None) -> scalar`, the number of function evaluations: how often one sample calls a network.
        data_init: Sets params from a first batch of data, as activation normalisation does.
        refine: Tightens the solvers behind `inverse`; None if there is nothing to tighten.
        questions: Which questions of a partly known event the transform answers; None if it answers none.
    """

    stages: Forward | None = None
    nfe: NumEvaluations | None = None
    data_init: DataInit | None = None
    refine: Refine | None = None
    questions: Questions | None = None


NO_HOOKS = Hooks()


class Space(enum.Enum):
    """Where the event lives that a part takes: data, or a state inside the transform such as a latent or a point of a path."""

    DATA = "data"
    STATE = "state"


class Part(NamedTuple):
    """A further function of the params that an objective trains or a picture shows, such as a velocity or an encoder.

    A part is called as `part(params, *args, cond=cond)`: the condition is always a keyword, so that no combinator has to guess which
    argument it is.

    Attributes:
        function: The function; its parameter for a condition is named `cond`.
        space: Where its event lives. A chain moves DATA parts through the inverse of what follows them and leaves STATE parts alone.
    """

    function: Callable[..., Any]
    space: Space = Space.STATE

    def __call__(self, params: Params, *args: PyTree, cond: Cond = None, **keywords: PyTree) -> Any:
        return self.function(params, *args, cond=cond, **keywords)

    def field(self) -> Field:
        """Return the part of a state and a time as a function that takes the condition in its fourth place, as ODEs and SDEs do."""
        return lambda params, x, t, cond=None: self(params, x, t, cond=cond)


def field_part(function: Callable[..., jax.Array]) -> Part:
    """Return the part of a function of a state and times that takes the condition in its last place: `(params, x, *times, cond)`."""

    def part(params: Params, x: Event, *times: jax.Array, cond: Cond = None) -> jax.Array:
        return function(params, x, *times, cond)

    return Part(part)


class Transform(NamedTuple):
    """Describe a map from noise to data by pure functions of one event; some transforms add maps over a batch.

    Transforms are compared by identity, so one can be a static argument of `jax.jit`.

    Attributes:
        init: `(key, z, cond=None) -> params` for one example of noise.
        one: The maps over one event.
        kind: Which kind of number `log_prob` returns. It decides, and not a missing inverse, whether there is a density.
        many: The maps over a batch, for transforms that gain from a shared step such as an ODE solve. None means `jax.vmap` of `one`.
        proxy: The transform whose density this one reports, such as the ODE behind a sampler of few steps; None if the density is its own.
        hooks: What the library reads: stages, number of function evaluations, data-dependent initialisation, refinement.
        parts: Further functions of the same params by name, for objectives and pictures.
    """

    init: Init
    one: Maps
    kind: Density = Density.IMPLICIT
    many: Maps | None = None
    proxy: "Transform | None" = None
    hooks: Hooks = NO_HOOKS
    parts: Mapping[str, Part] = MappingProxyType({})

    @property
    def forward(self) -> Forward:
        """Return the map `(params, z, cond=None) -> x` of one event."""
        return self.one.forward

    @property
    def inverse(self) -> Inverse | None:
        """Return the map `(params, x, cond=None, key=None) -> Preimage` of one event, which inverts the map whose density this is."""
        return density_of(self).one.inverse

    @property
    def forward_and_log_det(self) -> WithLogDet | None:
        """Return the map `(params, z, cond=None) -> (x, log|det J_forward|)` of one event."""
        return self.one.forward_and_log_det

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __repr__(self) -> str:
        return f"Transform({self.kind!s}{', parts: ' + ', '.join(sorted(self.parts)) if self.parts else ''})"


class ImplicitDensityError(TypeError):
    """Raised when a density is asked of a model that has none; the message names what to use instead."""


def bijective(forward_and_log_det: WithLogDet, inverse: Inverse) -> Maps:
    """Return the three maps of a bijection; `forward` is derived from `forward_and_log_det`.

    Args:
        forward_and_log_det: `(params, z, cond=None) -> (x, log|det J_forward|)`.
        inverse: `(params, x, cond=None, key=None) -> Preimage`.

    Returns:
        The maps; the compiler drops a log-determinant that nobody reads.
    """

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        pair = forward_and_log_det(params, z, cond)
        # An array would give its first row for the event, silently.
        if not isinstance(pair, tuple | list):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError("bijection: forward_and_log_det=a function that returns no pair; accepted: one that returns (x, log_det).")
        return pair[0]

    return Maps(forward, inverse, forward_and_log_det)


def bijection(
    init: Init,
    forward_and_log_det: WithLogDet,
    inverse: Inverse,
    *,
    many: Maps | None = None,
    hooks: Hooks = NO_HOOKS,
    parts: Mapping[str, Part] = MappingProxyType({}),
) -> Transform:
    """Build an EXACT transform from the two directions of a bijection.

    Args:
        init: `(key, z, cond=None) -> params`; `no_params` for a constant map.
        forward_and_log_det: `(params, z, cond=None) -> (x, log|det J_forward|)` for one event.
        inverse: `(params, x, cond=None, key=None) -> Preimage` for one event; its `log_det` is the log-determinant of the inverse map.
        many: The maps over a batch, if they gain from a shared step. None maps single events by `jax.vmap`.
        hooks: What the library reads of the transform.
        parts: Further functions of the params by name.

    Returns:
        The transform.

    Raises:
        ValueError: A direction is no function.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen.transform import Preimage, bijection, no_params
    >>> exponential = bijection(
    ...     no_params,
    ...     lambda params, z, cond=None: (jnp.exp(z), jnp.sum(z)),
    ...     lambda params, x, cond=None, key=None: Preimage(jnp.log(x), -jnp.sum(jnp.log(x))),
    ... )
    >>> float(exponential.forward((), jnp.zeros(2))[0]), str(exponential.kind)
    (1.0, 'exact')
    """
    for name, function in (("forward_and_log_det", forward_and_log_det), ("inverse", inverse)):
        if not callable(function):
            raise ValueError(f"bijection: {name}=<{type(function).__name__}>; accepted: a function.")
    return Transform(init, bijective(forward_and_log_det, inverse), Density.EXACT, many, None, hooks, parts)


def no_params(key: Key, z: Noise, /, cond: Cond = None) -> Params:
    """Return the params of a transform without any, an empty tuple.

    Args:
        key: A random key, which is not used.
        z: An example of noise, which is not used.
        cond: A condition, which is not used.

    Returns:
        `()`.
    """
    return ()


def density_of(f: Transform) -> Transform:
    """Return the transform whose density `f` reports: its proxy if it has one, `f` itself otherwise."""
    return f if f.proxy is None else f.proxy


def require_key(name: str, key: Key | None, why: str = "what the transform forgets is drawn") -> Key:
    """Return `key`, or raise a ValueError that names the transform and says why its inverse is random.

    Args:
        name: The transform's factory.
        key: The key that `inverse` was given.
        why: What is random, as a clause.

    Returns:
        The key.

    Raises:
        ValueError: `key` is None.
    """
    if key is None:
        raise ValueError(f"{name}.inverse: key=None; accepted: a key such as jax.random.key(0), because {why}.")
    return key
