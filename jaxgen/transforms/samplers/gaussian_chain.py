"""Stochastic samplers with Gaussian steps: the base holds their noise, and their density is the bound of the noising chain."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths import Path
from jaxgen.paths.prediction import refuse_coupled
from jaxgen.transform import Density, Hooks, Init, Maps, Preimage, Transform, require_key
from jaxgen.transforms.parts import prediction_parts
from jaxgen.transforms.samplers.affine_step import AffineSampler, Memory
from jaxgen.types import Cond, Key, Noise, Params, PyTree


def noising(path: Path, t: jax.Array, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the Gaussian `q(x_t | x_s)` for t noisier than s.

    Args:
        path: The path.
        t: The noisier time.
        s: The other time.

    Returns:
        The scale of x_s and the standard deviation.
    """
    ratio = path.alpha(t) / path.alpha(s)
    return ratio, jnp.sqrt(path.sigma(t) ** 2 - (ratio * path.sigma(s)) ** 2)


def posterior_sd(path: Path, t: jax.Array, s: jax.Array, eta: float = 1.0) -> tuple[jax.Array, jax.Array]:
    """Return `eta` times the standard deviation of `q(x_s | x_t, x)`, and how much of z_hat stays beside it.

    The last step, at s = 1, keeps the noising step's own standard deviation instead (for alpha = 1, what is left of it for data of unit
    variance). The posterior's is almost zero there, or zero, and would make the bound infinite.

    Args:
        path: The path.
        t: Where the step starts.
        s: Where it ends.
        eta: The factor of DDIM (arXiv 2010.02502, eqs. 12 and 16).

    Returns:
        The standard deviation and the coefficient of z_hat.
    """
    ratio, noise = noising(path, t, s)
    posterior = eta * path.sigma(s) * noise / path.sigma(t)
    keep = jnp.sqrt(jnp.maximum(path.sigma(s) ** 2 - posterior**2, 0))
    return jnp.where(s >= 1, noise / jnp.sqrt(ratio**2 + noise**2), posterior), keep


def gaussian_chain(init: Init, sampler: AffineSampler, num_steps: int) -> Transform:
    """Build the chain `x_{k+1} = mean(x_k) + sd_k * increment_k` from `x_0 = sigma(0) z` on equal steps of t.

    The inverse draws the noising chain from data to noise (`log_q`) and reads the increments off, with `log_det = -sum d log sd_k`: this
    is the variational bound with one draw of the chain.

    Args:
        init: `(key, z, cond=None) -> params`.
        sampler: The steps; each has a standard deviation.
        num_steps: How many steps.

    Returns:
        A LOWER_BOUND transform of the base `diffusion_noise(event, num_steps)`.

    Raises:
        ValueError: `num_steps` is below 1, or the prediction is of coupled noise and data.

    Source: arXiv 2006.11239, eq. 5.
    """
    checks.count("sampler: num_steps", num_steps)
    if sampler.prediction.coupled:
        refuse_coupled("sampler: prediction")
    chain = _Chain(sampler, num_steps)
    return Transform(
        lambda key, z, cond=None: init(key, z["x0"], cond),
        Maps(lambda params, z, cond=None: chain.run(params, z, cond)[0], chain.inverse),
        Density.LOWER_BOUND,
        hooks=Hooks(lambda params, z, cond=None: chain.run(params, z, cond)[1], lambda params, z, cond=None: num_steps),
        parts=prediction_parts(sampler.prediction),
    )


@dataclass(frozen=True)
class _Chain:
    """The chain of a sampler, from noise to data and back."""

    sampler: AffineSampler
    num_steps: int

    @property
    def path(self) -> Path:
        return self.sampler.prediction.path

    def grid(self, like: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Where each step starts and where it ends."""
        ts = jnp.linspace(0.0, 1.0, self.num_steps + 1, dtype=like.dtype)
        return ts[:-1], ts[1:]

    def run(self, params: Params, z: Noise, cond: Cond) -> tuple[jax.Array, jax.Array]:
        """The sample, and all states after the first, `(num_steps, *event)`: apart, so that sampling keeps no states."""

        def step(carry: tuple[jax.Array, Memory], inputs: PyTree) -> tuple[tuple[jax.Array, Memory], jax.Array]:
            t, s, increment = inputs
            mean, sd, memory = self.sampler.mean(params, carry[0], t, s, cond, carry[1])
            x = mean + sd * increment
            return (x, memory), x

        ts, ss = self.grid(z["x0"])
        start = self.path.sigma(ts[0]) * z["x0"]
        (x, _), states = jax.lax.scan(step, (start, self.sampler.start(start)), (ts, ss, z["increments"]))
        return x, states

    def inverse(self, params: Params, x: jax.Array, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        """Increments read off a drawn noising chain."""
        ts, ss = self.grid(x)
        noises = jax.random.normal(require_key("sampler", key, "the noising chain is drawn"), (self.num_steps, *x.shape), x.dtype)
        states, log_q = noised(self.path, x, ts, ss, noises)

        def step(carry: tuple[jax.Array, Memory], inputs: PyTree) -> tuple[tuple[jax.Array, Memory], jax.Array]:
            t, s, x_t, x_s = inputs
            mean, sd, memory = self.sampler.mean(params, x_t, t, s, cond, carry[1])
            assert sd is not None
            return (carry[0] - x.size * jnp.log(sd), memory), (x_s - mean) / sd

        carry = (jnp.zeros((), x.dtype), self.sampler.start(states[0]))
        (log_det, _), increments = jax.lax.scan(step, carry, (ts, ss, states, jnp.concatenate([states[1:], x[None]])))
        scale = self.path.sigma(ts[0])
        return Preimage({"x0": states[0] / scale, "increments": increments}, log_det - x.size * jnp.log(scale), log_q)


def noised(path: Path, x: jax.Array, ts: jax.Array, ss: jax.Array, noises: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The noising chain from data `x`, in order from noise to data without `x` itself `(num_steps, *event)`, and its log density."""

    def step(carry: tuple[jax.Array, jax.Array], inputs: PyTree) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        x_s, log_q = carry
        t, s, noise = inputs
        ratio, sd = noising(path, t, s)
        x_t = ratio * x_s + sd * noise
        log_q = log_q + jnp.sum(-0.5 * noise**2) - x.size * (0.5 * jnp.log(2 * jnp.pi).astype(x.dtype) + jnp.log(sd))
        return (x_t, log_q), x_t

    (_, log_q), states = jax.lax.scan(step, (x, jnp.zeros((), x.dtype)), (ts, ss, noises), reverse=True)
    return states, log_q
