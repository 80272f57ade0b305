"""Stochastic samplers whose steps are Gaussian: their noise is in the base, their inverse draws the noising chain, their density is its bound."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths import Path, Prediction
from jaxgen.transform import Density, Preimage, Transform

Kernel = Callable[..., tuple[jax.Array, jax.Array, Any]]


def noising(path: Path, t: jax.Array, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Scale and standard deviation of `q(x_t | x_s)` for t noisier than s."""
    ratio = path.alpha(t) / path.alpha(s)
    return ratio, jnp.sqrt(path.sigma(t) ** 2 - (ratio * path.sigma(s)) ** 2)


def posterior_sd(path: Path, t: jax.Array, s: jax.Array, eta: float = 1.0) -> tuple[jax.Array, jax.Array]:
    """`eta` times the standard deviation of `q(x_s | x_t, x)`, and how much of z_hat is kept beside it (arXiv 2010.02502, eqs. 12 and 16).

    The last step, at s = 1, keeps the noising step's own deviation instead (for alpha = 1, what is left of it for data of unit variance):
    the posterior's is almost zero there, or zero, and would make the bound infinite.
    """
    ratio, noise = noising(path, t, s)
    posterior = eta * path.sigma(s) * noise / path.sigma(t)
    keep = jnp.sqrt(jnp.maximum(path.sigma(s) ** 2 - posterior**2, 0))
    return jnp.where(s >= 1, noise / jnp.sqrt(ratio**2 + noise**2), posterior), keep


def gaussian_chain(
    init: Callable[..., Any], prediction: Prediction, kernel: Kernel, num_steps: int, memory: Callable[[jax.Array], Any] = lambda x: ()
) -> Transform:
    """`x_{k+1} = mean(x_k) + sd_k * increment_k` from `x_0 = sigma(0) z`; `kernel(params, x, t, s, cond, memory) -> (mean, sd, memory)`.

    memory: what a multistep method keeps of the states before, from `memory(x_0)` on. The base is `diffusion_noise(event, num_steps)`. The
    inverse draws the noising chain from data to noise (`log_q`) and reads the increments off, `log_det = -sum d log sd_k`: the variational
    bound (arXiv 2006.11239, eq. 5), with one draw of the chain.
    """
    checks.count("num_steps", num_steps)
    chain = _Chain(prediction.path, kernel, num_steps, memory)
    return Transform(
        lambda key, z, cond=None: init(key, z["x0"], cond),
        lambda params, z, cond=None: _run(chain, params, z, cond)[0],
        functools.partial(_inverse, chain),
        None,
        Density.LOWER_BOUND,
        {
            **prediction.parts(),
            "stages": lambda params, z, cond=None: _run(chain, params, z, cond)[1],
            "nfe": lambda params, z, cond=None: num_steps,
        },
    )


class _Chain(NamedTuple):
    """What is drawn and how; the functions below that take it first are the transform's."""

    path: Path
    kernel: Kernel
    num_steps: int
    memory: Callable[[jax.Array], Any]

    def grid(self, dtype: Any) -> tuple[jax.Array, jax.Array]:
        """Where each step starts and where it ends."""
        ts = jnp.linspace(0.0, 1.0, self.num_steps + 1, dtype=dtype)
        return ts[:-1], ts[1:]


def _run(chain: _Chain, params: Any, z: Any, cond: Any) -> tuple[jax.Array, jax.Array]:
    """The last state, and all of them `(num_steps, *event)`."""

    def step(carry: Any, inputs: Any) -> Any:
        t, s, increment = inputs
        mean, sd, kept = chain.kernel(params, carry[0], t, s, cond, carry[1])
        x = mean + sd * increment
        return (x, kept), x

    ts, ss = chain.grid(z["x0"].dtype)
    start = chain.path.sigma(ts[0]) * z["x0"]
    (x, _), seen = jax.lax.scan(step, (start, chain.memory(start)), (ts, ss, z["increments"]))
    return x, seen


def _inverse(chain: _Chain, params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
    if key is None:
        raise ValueError("sampler.inverse: key=None; the noising chain is drawn, give a key such as jax.random.key(0).")
    ts, ss = chain.grid(x.dtype)
    noises = jax.random.normal(key, (chain.num_steps, *x.shape), x.dtype)
    states, log_q = _noised(chain.path, x, ts, ss, noises)

    def step(carry: Any, inputs: Any) -> Any:
        t, s, x_t, x_s = inputs
        mean, sd, kept = chain.kernel(params, x_t, t, s, cond, carry[1])
        return (carry[0] - x.size * jnp.log(sd), kept), (x_s - mean) / sd

    carry = (jnp.zeros((), x.dtype), chain.memory(states[0]))
    (log_det, _), increments = jax.lax.scan(step, carry, (ts, ss, states, jnp.concatenate([states[1:], x[None]])))
    scale = chain.path.sigma(ts[0])
    return Preimage({"x0": states[0] / scale, "increments": increments}, log_det - x.size * jnp.log(scale), log_q)


def _noised(path: Path, x: jax.Array, ts: jax.Array, ss: jax.Array, noises: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The noising chain from data `x`, in order from noise to data without `x` itself `(num_steps, d)`, and its log density."""

    def step(carry: Any, inputs: Any) -> Any:
        x_s, log_q = carry
        t, s, noise = inputs
        ratio, sd = noising(path, t, s)
        x_t = ratio * x_s + sd * noise
        log_q = log_q + jnp.sum(-0.5 * noise**2) - x.size * (0.5 * jnp.log(2 * jnp.pi).astype(x.dtype) + jnp.log(sd))
        return (x_t, log_q), x_t

    (_, log_q), states = jax.lax.scan(step, (x, jnp.zeros((), x.dtype)), (ts, ss, noises), reverse=True)
    return states, log_q
