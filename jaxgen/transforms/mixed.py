"""A table's row from noise by one chain: numbers lose their noise and categories their mask on one grid of time."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths.discrete import drawn, middle
from jaxgen.paths.mixed import MixedPrediction
from jaxgen.transform import Density, Hooks, Init, Maps, Part, Preimage, Transform, require_key
from jaxgen.transforms.discrete.chain import codes_only
from jaxgen.transforms.samplers.gaussian_chain import noised, noising, posterior_sd
from jaxgen.types import Cond, Event, Key, Noise, Params

MOST = 1.5**0.5
"""The largest standard deviation of a step, over that of the posterior."""


def mixed_ancestral(init: Init, prediction: MixedPrediction, num_steps: int) -> Transform:
    """Sample numbers and categories together: in each step numbers take a Gaussian posterior step and masks take categories.

    The noise is `{"x0": (n,), "increments": (num_steps, n), "sites": (num_steps, c)}` of `bases.mixed_noise`, Gaussian for the n numbers and
    uniform for the c categories, without the leaves of a kind that no column has. Both parts of a step read one evaluation of the network
    on the whole row. A step draws its coordinates independently, so few steps miss what coordinates have in common. The
    standard deviation of a step is that of the noising step, which makes the bound of a standard normal number tight from about 40 steps on.

    `inverse` draws both noising chains from its key: they are independent given the row, so log densities of the two add up to one draw of the
    variational bound of the whole row. A missing number is given standard normal noise, whose log density counts in `log_q`.

    Args:
        init: `(key, z, cond=None) -> params`, for z shaped as a row `(d,)`.
        prediction: The network read on its path.
        num_steps: How many steps of equal length in t, each of one network evaluation.

    Returns:
        A LOWER_BOUND transform of rows `(d,)`, with the part `mixed (params, x_t (d,), t, cond=None, shown=True) -> (eps (n,), p (c, K))`;
        -inf for a row with a
        number that is no code in the place of a category.

    Raises:
        ValueError: `num_steps` is below 1.

    Source: arXiv 2006.11239, equation 5; arXiv 2406.07524, equation 7; arXiv 2410.20626 for tables.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths, transforms
    >>> path = paths.mixed_path((2, 0), paths.vp_linear())
    >>> read = paths.mixed_prediction(path, lambda params, h, t, cond=None: jnp.asarray([0.0, 9.0, -9.0]))
    >>> f = transforms.mixed_ancestral(lambda key, z, cond=None: (), read, 4)
    >>> z = {"x0": jnp.zeros(1), "increments": jnp.zeros((4, 1)), "sites": jnp.full((4, 1), 0.5)}
    >>> f.forward((), z).tolist()
    [0.0, 0.0]
    """
    checks.count("mixed_ancestral: num_steps", num_steps)
    path = prediction.path
    reversal, mask = path.sites.reversal, float(path.sites.num_categories)
    assert reversal is not None

    def leaves(z: Noise) -> tuple[jax.Array, jax.Array, jax.Array]:
        dtype = jnp.result_type(*jax.tree.leaves(z))
        none = jnp.zeros((num_steps, 0), dtype)
        return z.get("x0", none[0]), z.get("increments", none), z.get("sites", none)

    def grid(like: jax.Array) -> tuple[jax.Array, jax.Array]:
        ts = jnp.linspace(0.0, 1.0, num_steps + 1, dtype=like.dtype)
        return ts[:-1], ts[1:]

    def step(params: Params, y: jax.Array, codes: jax.Array, t: jax.Array, s: jax.Array, cond: Cond) -> tuple[jax.Array, ...]:
        """The mean and the standard deviation of the numbers at s, and the probabilities of the categories' states."""
        v, p = prediction.read(params, y, codes, t, cond)
        x_hat, z_hat = prediction.reader.both(v, y, t)
        posterior, keep = posterior_sd(path.numbers, t, s)
        # The variance that is right for a standard normal number; that of the posterior would cost most of the bound's gap. From twice the
        # posterior's on, which few steps reach, importance weights would have no variance.
        sd = jnp.minimum(noising(path.numbers, t, s)[1], MOST * posterior)
        return path.numbers.alpha(s) * x_hat + keep * z_hat, sd, reversal.posterior(p, codes, t, s)

    def run(params: Params, z: Noise, cond: Cond) -> tuple[jax.Array, jax.Array]:
        def one(carry: tuple[jax.Array, jax.Array], inputs: Any) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
            t, s, increment, u = inputs
            mean, sd, p = step(params, *carry, t, s, cond)
            y, codes = mean + sd * increment, drawn(p, u)
            return (y, codes), path.joined(y, codes)

        x0, increments, sites = leaves(z)
        start = path.numbers.sigma(jnp.zeros((), x0.dtype)) * x0, jnp.full(len(path.counts), mask, x0.dtype)
        (y, codes), states = jax.lax.scan(one, start, (*grid(x0), increments, sites))
        return path.joined(jnp.where(path.missing(codes), 0, y), codes), states

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        y, codes = path.split(x)
        codes, known = codes_only(codes, path.sites.num_categories)
        # A code of the path's largest count may be none of its own site.
        known = known & jnp.all(codes < jnp.asarray(path.counts, x.dtype))
        key_sites, key_y, key_missing = jax.random.split(require_key("mixed_ancestral", key, "the noising chain is drawn"), 3)
        y, known, log_q = filled(key_missing, y, path.missing(codes), known)
        ts, ss = grid(x)
        states, log_q_numbers = noised(path.numbers, y, ts, ss, jax.random.normal(key_y, (num_steps, *y.shape), x.dtype))
        uniforms = jax.random.uniform(key_sites, (num_steps, *codes.shape), x.dtype)

        def back(carry: tuple[jax.Array, ...], inputs: Any) -> tuple[tuple[jax.Array, ...], Any]:
            codes_s, log_det, log_q = carry
            t, s, u, y_t, y_s = inputs
            q = reversal.noising(codes, codes_s, s, t)
            codes_t = drawn(q, u)
            mean, sd, p = step(params, y_t, codes_t, t, s, cond)
            z, log_p = middle(p, codes_s)
            log_det = log_det + jnp.sum(log_p) - y_t.size * jnp.log(sd)
            return (codes_t, log_det, log_q + jnp.sum(middle(q, codes_t)[1])), ((y_s - mean) / sd, z)

        inputs = (ts, ss, uniforms, states, jnp.concatenate([states[1:], y[None]]))
        carry = (codes, jnp.zeros((), x.dtype), log_q + log_q_numbers)
        (_, log_det, log_q), (increments, sites) = jax.lax.scan(back, carry, inputs, reverse=True)
        scale = path.numbers.sigma(ts[0])
        log_det = jnp.where(known, log_det - y.size * jnp.log(scale), -jnp.inf)
        z = {"x0": states[0] / scale, "increments": increments, "sites": sites}
        return Preimage({name: leaf for name, leaf in z.items() if leaf.size}, log_det, log_q)

    return Transform(
        lambda key, z, cond=None: init(key, path.joined(leaves(z)[0], leaves(z)[2][0]), cond),
        Maps(lambda params, z, cond=None: run(params, z, cond)[0], inverse),
        Density.LOWER_BOUND,
        hooks=Hooks(lambda params, z, cond=None: run(params, z, cond)[1], lambda params, z, cond=None: num_steps),
        parts={"mixed": mixed_part(prediction)},
    )


def filled(key: Key, y: jax.Array, missing: jax.Array, known: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Put standard normal noise in the places of missing numbers.

    Args:
        key: A random key.
        y: The numbers `(n,)`.
        missing: Whether each is missing `(n,)`; it is then 0 in an event.
        known: Whether the event can be, so far.

    Returns:
        The numbers, whether the event can be, and the log density of the noise.
    """
    noise = jax.random.normal(key, y.shape, y.dtype)
    log_q = jnp.sum(jnp.where(missing, -0.5 * noise**2 - 0.5 * jnp.log(2 * jnp.pi).astype(y.dtype), 0))
    return jnp.where(missing, noise, y), known & jnp.all(jnp.where(missing, y == 0, True)), log_q


def mixed_part(prediction: MixedPrediction) -> Part:
    """Return the numbers' expected noise and the categories' probabilities as a part of a state `(d,)`, with masks in place of categories."""

    def mixed(
        params: Params, x_t: jax.Array, t: jax.Array, cond: Cond = None, shown: bool | jax.Array = True
    ) -> tuple[jax.Array, jax.Array]:
        y, codes = prediction.path.split(x_t)
        v, p = prediction.read(params, y, codes, t, cond, shown)
        return prediction.reader.eps(v, y, t), p

    return Part(mixed)
