"""Stochastic samplers of a diffusion as transforms: their noise path is in the base, their inverse is the noising chain."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.paths import Path, Prediction
from jaxgen.transform import Density, Preimage, Transform

Kernel = Callable[..., tuple[jax.Array, jax.Array]]


def ancestral(init: Callable[..., Any], prediction: Prediction, num_steps: int) -> Transform:
    """Ancestral sampling (arXiv 2006.11239, algorithm 2) on `num_steps` equal steps of any path.

    Each step is the noising chain's posterior `q(x_s | x_t, x_hat)` (eq. 6). The last keeps the noising step's own variance: there the
    posterior's is almost zero and would make the bound infinite.
    """
    path = prediction.path

    def kernel(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
        ratio, noise = _noising(path, t, s)
        posterior = path.sigma(s) * noise / path.sigma(t)
        sd = jnp.where(s >= 1, noise / ratio, posterior)
        keep = jnp.sqrt(jnp.maximum(path.sigma(s) ** 2 - posterior**2, 0))
        return path.alpha(s) * prediction.denoiser(params, x, t, cond) + keep * prediction.eps(params, x, t, cond), sd

    return _gaussian_chain(init, prediction, kernel, num_steps)


def euler_maruyama(init: Callable[..., Any], prediction: Prediction, num_steps: int) -> Transform:
    """Euler-Maruyama on the reverse SDE (arXiv 2011.13456, eq. 6): drift `velocity + g^2 score / 2`, diffusion `g`."""
    path = prediction.path

    def kernel(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
        g2, dt = path.diffusion(t), s - t
        alpha, sigma = path.alpha(t), path.sigma(t)
        d_alpha, _ = path.rates(t)
        # velocity + g^2 score / 2 = (alpha' / alpha) x + g^2 score, with one evaluation of the network.
        drift = d_alpha / alpha * x - g2 / sigma * prediction.eps(params, x, t, cond)
        return x + drift * dt, jnp.sqrt(g2 * dt)

    return _gaussian_chain(init, prediction, kernel, num_steps)


def _noising(path: Path, t: jax.Array, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Scale and standard deviation of `q(x_t | x_s)` for t noisier than s."""
    ratio = path.alpha(t) / path.alpha(s)
    return ratio, jnp.sqrt(path.sigma(t) ** 2 - (ratio * path.sigma(s)) ** 2)


def _gaussian_chain(init: Callable[..., Any], prediction: Prediction, kernel: Kernel, num_steps: int) -> Transform:
    """`x_{k+1} = mean(x_k) + sd_k * increment_k` from `x_0 = sigma(0) z`; `kernel(params, x, t, s, cond) -> (mean, sd)`.

    The inverse draws the noising chain from data to noise (`log_q`) and reads the increments off, `log_det = -sum d log sd_k`: the
    variational bound (arXiv 2006.11239, eq. 5), with one draw of the chain.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps={num_steps!r}; accepted: an integer of at least 1.")
    path = prediction.path

    def grid(dtype: Any) -> tuple[jax.Array, jax.Array]:
        ts = jnp.linspace(0.0, 1.0, num_steps + 1, dtype=dtype)
        return ts[:-1], ts[1:]

    def run(params: Any, z: Any, cond: Any) -> tuple[jax.Array, jax.Array]:
        def step(x: jax.Array, inputs: Any) -> Any:
            t, s, increment = inputs
            mean, sd = kernel(params, x, t, s, cond)
            x = mean + sd * increment
            return x, x

        ts, ss = grid(z["x0"].dtype)
        return jax.lax.scan(step, path.sigma(ts[0]) * z["x0"], (ts, ss, z["increments"]))

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        if key is None:
            raise ValueError("sampler.inverse: key=None; the noising chain is drawn, give a key such as jax.random.key(0).")
        d = x.shape[0]

        def step(carry: Any, inputs: Any) -> Any:
            x_s, log_det, log_q = carry
            t, s, noise = inputs
            ratio, noise_sd = _noising(path, t, s)
            x_t = ratio * x_s + noise_sd * noise
            log_q = log_q + jnp.sum(-0.5 * noise**2) - d * (0.5 * jnp.log(2 * jnp.pi).astype(x.dtype) + jnp.log(noise_sd))
            mean, sd = kernel(params, x_t, t, s, cond)
            return (x_t, log_det - d * jnp.log(sd), log_q), (x_s - mean) / sd

        ts, ss = grid(x.dtype)
        zero = jnp.zeros((), x.dtype)
        noises = jax.random.normal(key, (num_steps, *x.shape), x.dtype)
        (x0, log_det, log_q), increments = jax.lax.scan(step, (x, zero, zero), (ts, ss, noises), reverse=True)
        scale = path.sigma(ts[0])
        return Preimage({"x0": x0 / scale, "increments": increments}, log_det - d * jnp.log(scale), log_q)

    return Transform(
        lambda key, z, cond=None: init(key, z["x0"], cond),
        lambda params, z, cond=None: run(params, z, cond)[0],
        inverse,
        None,
        Density.LOWER_BOUND,
        {
            **prediction.parts(),
            "stages": lambda params, z, cond=None: run(params, z, cond)[1],
            "nfe": lambda params, z, cond=None: num_steps,
        },
    )
