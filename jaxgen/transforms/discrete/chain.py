"""Chains of discrete states from noise to data, whose density is the bound of a noising chain."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths.discrete import DiscretePath, DiscretePrediction, drawn, middle, one_hot
from jaxgen.transform import Density, Hooks, Init, Maps, Part, Preimage, Transform, field_part, require_key
from jaxgen.types import Cond, Event, Key, Noise, Params

Noising = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]
"""`(x, x_s, s, t) -> (*event, S)`, the probabilities `q(x_t | x_s, x)` of a noising chain, for t noisier than s."""


class Step(Protocol):
    """The probabilities `(*event, S)` of the state at s given the state at t, for s cleaner than t."""

    def __call__(self, params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond, /) -> jax.Array: ...


def discrete_ancestral(init: Init, prediction: DiscretePrediction, num_steps: int) -> Transform:
    """Sample by the reversal of the noising chain: each step draws all sites from `sum_x p(x | x_t) q(x_s | x_t, x)`.

    The noise is `(num_steps + 1, *event)` uniform numbers, `bases.uniform`: the first row draws the start from the path's prior, and each
    other row a step. It is the only memory that grows with the number of steps; `sample(batch_size=...)` bounds it. A step draws its sites
    independently, so few steps miss what sites have in common.

    `inverse` draws the noising chain from x by its key. It returns the middles of the cells of noise, with the chain's log probability
    under the model as `log_det` and under the noising chain as `log_q`: one draw of the variational bound, and an importance weight. On a
    path of `remasked` it stays a bound with any number of draws, because no noising chain visits the categories that the sampler corrects.

    Args:
        init: `(key, z, cond=None) -> params`, for noise z shaped as an event.
        prediction: The network read on its path; the path of `paths.discrete.remasked` makes a sampler that corrects itself.
        num_steps: How many steps of equal length in t, each of one network evaluation.

    Returns:
        A LOWER_BOUND transform of events of codes 0.0, 1.0, ...; -inf for an event with a number that is no code. Its parts are
        `probabilities`, `ratios` and `rates` `(params, x_t, t, cond=None)`.

    Raises:
        ValueError: `num_steps` is below 1, or the path has no reversal.

    Source: arXiv 2107.03006, section 3; arXiv 2406.07524, equation 7; arXiv 2503.00307 for remasking.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths, transforms
    >>> truth = paths.discrete.tabular(paths.discrete.masked(2))
    >>> f = transforms.discrete_ancestral(lambda key, z, cond=None: jnp.zeros((2, 2)), truth, 4)
    >>> f.forward(jnp.asarray([[0.0, -9.0], [-9.0, -9.0]]), jnp.full((5, 2), 0.5)).tolist()
    [0.0, 0.0]
    """
    reversal = prediction.path.reversal
    if reversal is None:
        raise ValueError("discrete_ancestral: prediction.path=one without a reversal; accepted: masked or mixture; tau_leaping takes any.")

    def step(params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond) -> jax.Array:
        return reversal.posterior(prediction.probabilities(params, x, t, cond), x, t, s)

    return chain_of("discrete_ancestral", init, prediction, step, num_steps, reversal.noising)


def chain_of(name: str, init: Init, prediction: DiscretePrediction, step: Step, num_steps: int, noising: Noising | None) -> Transform:
    """Build the chain of a step on equal steps of t.

    Args:
        name: The factory's name, for messages.
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        step: The probabilities of one step.
        num_steps: How many steps.
        noising: The noising chain that `inverse` draws; None leaves the chain without a density.

    Returns:
        A LOWER_BOUND transform, or an IMPLICIT one without `noising`.

    Raises:
        ValueError: `num_steps` is below 1.
    """
    checks.count(f"{name}: num_steps", num_steps)
    chain = _Chain(name, prediction.path, step, num_steps, noising)
    return Transform(
        lambda key, z, cond=None: init(key, z[0], cond),
        Maps(lambda params, z, cond=None: chain.run(params, z, cond)[0], chain.inverse if noising else None),
        Density.LOWER_BOUND if noising else Density.IMPLICIT,
        hooks=Hooks(lambda params, z, cond=None: chain.run(params, z, cond)[1], lambda params, z, cond=None: num_steps),
        parts=reading_parts(prediction),
    )


def reading_parts(prediction: DiscretePrediction) -> dict[str, Part]:
    """Return the readings of a prediction as parts, all of a state on the path."""
    return {name: field_part(function) for name, function in prediction.parts().items()}


def codes_only(x: jax.Array, num: int) -> tuple[jax.Array, jax.Array]:
    """Return the codes of an event, with 0 in place of a number that is no code, and whether there was none.

    Args:
        x: An event.
        num: How many codes there are.
    """
    is_code = jnp.sum(one_hot(x, num), -1) > 0
    return jnp.where(is_code, x, 0), jnp.all(is_code)


@dataclass(frozen=True)
class _Chain:
    """The chain of a sampler, from noise to data and back."""

    name: str
    path: DiscretePath
    step: Step
    num_steps: int
    noising: Noising | None

    def grid(self, like: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Where each step starts and where it ends."""
        ts = jnp.linspace(0.0, 1.0, self.num_steps + 1, dtype=like.dtype)
        return ts[:-1], ts[1:]

    def run(self, params: Params, z: Noise, cond: Cond) -> tuple[Event, jax.Array]:
        """The sample, and all states `(num_steps, *event)`: apart, so that sampling keeps no states."""

        def one(x: jax.Array, inputs: Any) -> tuple[jax.Array, jax.Array]:
            t, s, u = inputs
            x = drawn(self.step(params, x, t, s, cond), u)
            return x, x

        start = drawn(self.path.prior_at(z[0]), z[0])
        return jax.lax.scan(one, start, (*self.grid(z), z[1:]))

    def inverse(self, params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        """The middles of the cells of a noising chain that is drawn from the data on."""
        noising = self.noising
        assert noising is not None
        x, known = codes_only(x, self.path.num_categories)
        uniforms = jax.random.uniform(require_key(self.name, key, "the noising chain is drawn"), (self.num_steps, *x.shape), x.dtype)

        def back(carry: tuple[jax.Array, jax.Array, jax.Array], inputs: Any) -> tuple[tuple[jax.Array, jax.Array, jax.Array], jax.Array]:
            x_s, log_det, log_q = carry
            t, s, u = inputs
            q = noising(x, x_s, s, t)
            x_t = drawn(q, u)
            z, log_p = middle(self.step(params, x_t, t, s, cond), x_s)
            return (x_t, log_det + jnp.sum(log_p), log_q + jnp.sum(middle(q, x_t)[1])), z

        zero = jnp.zeros((), x.dtype)
        (first, log_det, log_q), zs = jax.lax.scan(back, (x, zero, zero), (*self.grid(x), uniforms), reverse=True)
        start, log_p = middle(self.path.prior_at(first), first)
        log_det = jnp.where(known, log_det + jnp.sum(log_p), -jnp.inf)
        return Preimage(jnp.concatenate([start[None], zs]), log_det, log_q)
