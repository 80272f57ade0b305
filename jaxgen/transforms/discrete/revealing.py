"""Sites revealed one group after the other: a masked network read as an autoregressive model of a stated or a drawn order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.paths.discrete import DiscretePrediction, Schedule, drawn, middle
from jaxgen.transform import Density, Hooks, Init, Maps, Preimage, Transform, require_key
from jaxgen.transforms.discrete.chain import codes_only, reading_parts
from jaxgen.types import Cond, Event, Key, Noise, Params


def any_order(init: Init, prediction: DiscretePrediction, order: Sequence[int] | None = None, *, num_steps: int | None = None) -> Transform:
    """Read a masked network as an autoregressive model: the sites are revealed in a stated order, each given those before it.

    The noise is one uniform number for each site, `bases.uniform(event)`. With as many steps as sites this is an autoregressive model, and
    one network serves every order. With fewer steps the sites of a step are independent of each other given those before:
    another model, whose density is just as exact. `inverse` asks the network once for each step.

    Args:
        init: `(key, z, cond=None) -> params`, for noise z shaped as an event.
        prediction: The network read on a masked path. The time it is asked at is the one at which as many sites are known on average.
        order: The sites in raster order's numbers, a permutation of 0 ... n - 1; None is the raster order.
        num_steps: In how many steps the sites are revealed, in groups of nearly equal size; None reveals one at a time.

    Returns:
        An EXACT transform of events of codes; -inf for an event with a number that is no code. Its parts are those of
        `discrete_ancestral`.

    Raises:
        ValueError: The path has no mask, `order` is no permutation, or `num_steps` is below 1; at evaluation, `order` or `num_steps` does
            not fit the event.

    Source: arXiv 2110.02037, section 2; arXiv 2406.03736, section 3.

    >>> import jax.numpy as jnp
    >>> from jaxgen import Model, bases, log_prob, paths, transforms
    >>> truth, table = paths.discrete.tabular(paths.discrete.masked(2)), jnp.log(jnp.asarray([[0.1, 0.2], [0.3, 0.4]]))
    >>> f = transforms.any_order(lambda key, z, cond=None: table, truth, [1, 0])
    >>> log_prob(Model(bases.uniform((2,)), f), table, jnp.asarray([[1.0, 0.0]])).value
    Array([-1.204], dtype=float32)
    """
    reveal = _Reveal("any_order", prediction, _schedule("any_order", prediction), num_steps)
    if order is not None and sorted(order) != list(range(len(order))):
        raise ValueError(f"any_order: order={list(order)!r}; accepted: a permutation of 0 ... {len(order) - 1}, or None.")

    def fixed(like: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The group of each site, shaped as an event, and the time of each group."""
        if order is not None and len(order) != like.size:
            raise ValueError(f"any_order: order of {len(order)} sites for an event of {like.size}; accepted: one number a site.")
        groups, starts = reveal.groups(like.size)
        of_site = np.empty(like.size)
        of_site[np.arange(like.size) if order is None else np.asarray(order)] = groups
        shown = jnp.asarray(starts / like.size, like.dtype)
        return jnp.asarray(of_site.reshape(like.shape), like.dtype), reveal.schedule.inverse(shown)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return reveal.run(params, z, *fixed(z), cond)[0]

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        return Preimage(*reveal.back(params, x, *fixed(x), cond))

    def stages(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        return reveal.run(params, z, *fixed(z), cond)[1]

    hooks = Hooks(stages, lambda params, z, cond=None: len(reveal.groups(z.size)[1]))
    return Transform(init, Maps(forward, inverse), Density.EXACT, hooks=hooks, parts=reading_parts(prediction))


def first_hitting(init: Init, prediction: DiscretePrediction, *, num_steps: int | None = None) -> Transform:
    """Sample masked diffusion in continuous time by the times at which its sites are revealed: a drawn order, one site or a few at a time.

    The noise is `{"order", "sites"}`, both uniform and shaped as an event (`bases.joint`). A site is revealed at the time at which kappa is
    its number in "order", and by its number in "sites". One at a time this is the diffusion without any error of steps, in as many
    evaluations as there are sites. With fewer steps the sites of a group share the evaluation of its first.

    `inverse` draws the order by its key. The number is log p(x given the order): in expectation the continuous-time bound, and the log of
    the mean over orders is the model's own log probability.

    Args:
        init: `(key, z, cond=None) -> params`, for noise z shaped as an event.
        prediction: The network read on a masked path.
        num_steps: In how many steps the sites are revealed; None reveals one at a time.

    Returns:
        A LOWER_BOUND transform of events of codes, with the parts of `discrete_ancestral`.

    Raises:
        ValueError: The path has no mask, or `num_steps` is below 1; at evaluation, it is above the number of sites.

    Source: arXiv 2409.02908, algorithm 1; arXiv 2110.02037, equation 2.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths, transforms
    >>> truth = paths.discrete.tabular(paths.discrete.masked(2))
    >>> f = transforms.first_hitting(lambda key, z, cond=None: jnp.zeros((2, 2)), truth)
    >>> noise = {"order": jnp.asarray([0.7, 0.1]), "sites": jnp.asarray([0.5, 0.5])}
    >>> f.forward(jnp.asarray([[0.0, -jnp.inf], [-jnp.inf, 0.1]]), noise).tolist()  # both sites are always equal
    [1.0, 1.0]
    """
    reveal = _Reveal("first_hitting", prediction, _schedule("first_hitting", prediction), num_steps)

    def by_times(u: jax.Array) -> tuple[jax.Array, jax.Array]:
        groups, starts = reveal.groups(u.size)
        rank = jnp.argsort(jnp.argsort(u.ravel()))
        times = reveal.schedule.inverse(jnp.sort(u.ravel())[starts])
        return jnp.asarray(groups, u.dtype)[rank].reshape(u.shape), times

    def run(params: Params, z: Noise, cond: Cond) -> tuple[Event, jax.Array]:
        return reveal.run(params, z["sites"], *by_times(z["order"]), cond)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        u = jax.random.uniform(require_key("first_hitting", key, "the order of the sites is drawn"), x.shape, x.dtype)
        sites, log_det = reveal.back(params, x, *by_times(u), cond)
        return Preimage({"order": u, "sites": sites}, log_det)

    hooks = Hooks(lambda params, z, cond=None: run(params, z, cond)[1], lambda params, z, cond=None: len(reveal.groups(z["sites"].size)[1]))
    return Transform(
        lambda key, z, cond=None: init(key, z["sites"], cond),
        Maps(lambda params, z, cond=None: run(params, z, cond)[0], inverse),
        Density.LOWER_BOUND,
        hooks=hooks,
        parts=reading_parts(prediction),
    )


@dataclass(frozen=True)
class _Reveal:
    """Sites revealed group by group, from uniform numbers to data and back."""

    name: str
    prediction: DiscretePrediction
    schedule: Schedule
    num_steps: int | None

    def __post_init__(self) -> None:
        if self.num_steps is not None:
            checks.count(f"{self.name}: num_steps", self.num_steps)

    def groups(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The group of each place in the order `(n,)`, and the place at which each group starts."""
        num = size if self.num_steps is None else self.num_steps
        if num > size:
            raise ValueError(f"{self.name}: num_steps={num} for an event of {size} sites; accepted: at most one step a site.")
        groups = np.arange(size) * num // size
        return groups, np.searchsorted(groups, np.arange(num))

    def run(self, params: Params, u: jax.Array, group: jax.Array, times: jax.Array, cond: Cond) -> tuple[Event, jax.Array]:
        """The sample, and the states after each group."""

        def one(x: jax.Array, inputs: Any) -> tuple[jax.Array, jax.Array]:
            g, t = inputs
            x = jnp.where(group == g, drawn(self.prediction.probabilities(params, x, t, cond), u), x)
            return x, x

        masks = jnp.full_like(u, self.prediction.path.num_categories)
        return jax.lax.scan(one, masks, (jnp.arange(len(times), dtype=u.dtype), times))

    def back(self, params: Params, x: Event, group: jax.Array, times: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array]:
        """The middles of the cells of an event, and their log-volume."""
        x, known = codes_only(x, self.prediction.path.num_categories)

        def one(carry: tuple[jax.Array, jax.Array], inputs: Any) -> tuple[tuple[jax.Array, jax.Array], None]:
            z, log_det = carry
            g, t = inputs
            seen = jnp.where(group < g, x, self.prediction.path.num_categories)
            u, log_p = middle(self.prediction.probabilities(params, seen, t, cond), x)
            here = group == g
            return (jnp.where(here, u, z), log_det + jnp.sum(jnp.where(here, log_p, 0))), None

        start = (jnp.zeros_like(x), jnp.zeros((), x.dtype))
        (z, log_det), _ = jax.lax.scan(one, start, (jnp.arange(len(times), dtype=x.dtype), times))
        return z, jnp.where(known, log_det, -jnp.inf)


def _schedule(name: str, prediction: DiscretePrediction) -> Schedule:
    path = prediction.path
    if path.mask is None or path.schedule is None:
        raise ValueError(f"{name}: prediction.path=one without a mask; accepted: a path from paths.discrete.masked.")
    return path.schedule
