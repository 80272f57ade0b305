"""The variational bound of rows of numbers and categories, each under its own process."""

import math

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, PairingError, drawn, no_aux, require
from jaxgen.objectives.times import stratified_times
from jaxgen.objectives.weights import log_snr_and_rate
from jaxgen.paths.mixed import MixedPath
from jaxgen.types import Aux, Cond, DTypeLike, Key, Params

TOGETHER, SITES, NUMBERS = 0, 1, 2
"""Which of its terms a row draws: both at one time, or one alone, that of the categories without the numbers or of the numbers given them."""


def mixed_bound(model: Model, path: MixedPath, *, apart: bool = True) -> Objective:
    """Minimise the continuous-time bound on -log p(x) of rows of numbers and categories, in nats per coordinate.

    The noising processes of the columns are independent given the row. So at one time t the bound is the sum of the numbers' diffusion term,
    `(1/2) lambda' |eps - eps_hat|^2` with the terms of both ends, and of the categories' masked term, `1 / (1 - t) -log p(x_i | x_t)` over the
    masked sites, and both read one evaluation of the network on the whole state. t is drawn with density `1 / (2 sqrt(1 - t))`, because the
    variance of the masked term is infinite for uniform t.

    Args:
        model: A model whose transform has the part `mixed`.
        path: The path; it reaches neither the data nor pure noise.
        apart: Whether half of the rows train another bound on the same -log p(x), in which all categories come first: that of the
            categories without the numbers, and that of the numbers given the categories. `transforms.categories_first` needs it.

    Returns:
        An objective whose metrics are `nll_bound` in nats per event, and its terms `numbers` and `categories`.

    Raises:
        PairingError: The transform lacks the part, or the path of the numbers has an infinite log SNR at an end.

    Source: arXiv 2107.00630, equation 17; arXiv 2406.07524, equation 11; arXiv 2410.20626 for both on one row.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> path = jaxgen.paths.mixed_path((2, 2), jaxgen.paths.vp_linear())
    >>> read = jaxgen.paths.mixed_prediction(path, lambda params, h, t, cond=None: jax.numpy.asarray([9.0, -9.0, 9.0, -9.0]))
    >>> f = jaxgen.transforms.mixed_ancestral(lambda key, z, cond=None: (), read, 2)
    >>> objective = mixed_bound(jaxgen.Model(jaxgen.bases.uniform((2, 2)), f), path)
    >>> zeros = Batch(jax.numpy.zeros((8, 2)))  # All data are zeros, and so is the prediction.
    >>> round(float(objective.loss((), (), jax.random.key(0), zeros, Clock(0, 1, ()))[0]), 3)
    0.0
    """
    require("mixed_bound", model, frozenset({"mixed"}))
    if any(path.numbers.ends()):
        raise PairingError("mixed_bound: path=one whose numbers have an infinite log SNR at an end; accepted: paths.vp_log_snr() for them.")
    predict, reversal = model.transform.parts["mixed"], path.sites.reversal
    assert reversal is not None
    num = len(path.number_places)
    apart = apart and 0 < num < len(path.categories)

    def ends(y: jax.Array) -> jax.Array:
        """What the two ends of the numbers' path cost, given numbers `(n,)`."""
        first, last = jnp.zeros((), y.dtype), jnp.ones((), y.dtype)
        prior = 0.5 * jnp.exp(2 * path.numbers.log_snr(first)) * jnp.sum(y**2)
        return prior + y.size * (0.5 * math.log(2 * math.pi * math.e) - path.numbers.log_snr(last))

    def of_event(
        params: Params, x: jax.Array, cond: Cond, z: jax.Array, u: jax.Array, t: jax.Array, weight: jax.Array, role: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        y, codes = path.split(x)
        missing = path.missing(codes)
        y, noise = jnp.where(missing, z[num:], y), z[:num]
        # The log density of the noise that stands for a missing number belongs to the bound.
        log_q = jnp.sum(jnp.where(missing, -0.5 * y**2 - 0.5 * math.log(2 * math.pi), 0))
        codes_t = jnp.where(role == NUMBERS, codes, path.sites.state(codes, u, t))
        hidden = jnp.asarray(role == SITES, x.dtype)
        eps, p = predict(params, path.joined(path.numbers.at(t, y, noise), codes_t), t * (1 - hidden), cond=cond, shown=role != SITES)
        diffusion = 0.5 * log_snr_and_rate(path.numbers, t)[1] * jnp.sum((noise - eps) ** 2)
        of_sites = jnp.sum(reversal.bound(p, codes, codes_t, t))
        share = jnp.where(role == TOGETHER, 1.0, 2.0).astype(x.dtype)
        numbers = jnp.where(role == SITES, 0, share * (weight * diffusion + ends(y) + log_q))
        return numbers, jnp.where(role == NUMBERS, 0, share * weight * of_sites)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_u, key_t = jax.random.split(key, 3)
        x = batch.x
        z = drawn(batch, lambda rows: jax.random.normal(key_z, (rows, 2 * num), x.dtype))
        u = drawn(batch, lambda rows: jax.random.uniform(key_u, (rows, len(path.counts)), x.dtype))
        t, weight = drawn(batch, lambda rows: _times(key_t, rows, x.dtype))
        # Neighbouring rows, whose times are close, have all roles in turn.
        role = drawn(batch, lambda rows: jnp.asarray([TOGETHER, SITES, TOGETHER, NUMBERS], jnp.int32)[jnp.arange(rows, dtype=jnp.int32) % 4])
        role = role if apart else jnp.zeros_like(role)
        numbers, sites = jax.vmap(of_event, (None, *(0,) * 7))(params, x, batch.cond, z, u, t, weight, role)
        terms = {"numbers": jnp.mean(numbers), "categories": jnp.mean(sites)}
        nats = terms["numbers"] + terms["categories"]
        return nats / x.shape[1], {"nll_bound": nats, **terms}

    return Objective(no_aux, loss, additive=True)


def _times(key: Key, rows: int, dtype: DTypeLike) -> tuple[jax.Array, jax.Array]:
    """Return times 1 - v^2 for stratified v, and the inverse of their density; below v = 1e-3 the masked part would be rounding."""
    v = jnp.clip(1 - stratified_times(key, rows, dtype), 1e-3, 1)
    return 1 - v**2, 2 * v
