"""Stochastic samplers with a bound on the density: ancestral, Euler-Maruyama on the reverse SDE, and DPM-Solver++ of second order."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.paths import Path, Prediction
from jaxgen.paths.prediction import inside
from jaxgen.transform import Transform
from jaxgen.transforms.samplers.gaussian_chain import gaussian_chain, noising, posterior_sd

Diffusion = Callable[[Path, jax.Array], jax.Array]


def ancestral(init: Callable[..., Any], prediction: Prediction, num_steps: int, *, eta: float = 1.0) -> Transform:
    """Ancestral sampling (arXiv 2006.11239, algorithm 2) on `num_steps` equal steps of any path.

    Each step is the noising chain's posterior `q(x_s | x_t, x_hat)` (eq. 6); with 0 < eta < 1 its deviation is eta times as large, as in
    DDIM (arXiv 2010.02502, eq. 16). The last keeps the noising step's own deviation: there the posterior's is almost zero and would make
    the bound infinite. Raises ValueError for fewer than one step, or an `eta` outside (0, 1].
    """
    if not 0 < eta <= 1:
        raise ValueError(f"eta={eta!r}; accepted: above 0 and at most 1.")
    path = prediction.path

    def kernel(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any, memory: Any) -> tuple[jax.Array, jax.Array, Any]:
        sd, keep = posterior_sd(path, t, s, eta)
        return path.alpha(s) * prediction.denoiser(params, x, t, cond) + keep * prediction.eps(params, x, t, cond), sd, memory

    return gaussian_chain(init, prediction, kernel, num_steps)


def euler_maruyama(init: Callable[..., Any], prediction: Prediction, num_steps: int, *, diffusion: Diffusion | None = None) -> Transform:
    """Euler-Maruyama on the reverse SDE (arXiv 2011.13456, eq. 6): drift `velocity + g^2 score / 2`, diffusion `g`.

    diffusion: `(path, t) -> g^2`; any g has the same marginals (arXiv 2303.08797, corollary 2.18), and the noising SDE's own, the default,
    the tightest bound. See `reverse_sde` for paths that start from pure noise.
    """
    drift, g2 = reverse_sde(prediction, diffusion)

    def kernel(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any, memory: Any) -> tuple[jax.Array, jax.Array, Any]:
        return x + drift(params, x, t, cond) * (s - t), jnp.sqrt(g2(t) * (s - t)), memory

    return gaussian_chain(init, prediction, kernel, num_steps)


def dpm_solver_sde(init: Callable[..., Any], prediction: Prediction, num_steps: int) -> Transform:
    """SDE-DPM-Solver++(2M) (arXiv 2211.01095, eq. 19): ancestral steps with x_hat extrapolated from two states to the middle of the step.

    The last step does not extrapolate and keeps its deviation, as `ancestral`'s does. Each step is Gaussian given the two states before it,
    so the bound is that of a chain of second order.
    """
    path = prediction.path

    def kernel(params: Any, x: jax.Array, t: jax.Array, s: jax.Array, cond: Any, memory: Any) -> tuple[jax.Array, jax.Array, Any]:
        x_hat = prediction.denoiser(params, x, t, cond)
        ahead, memory = extrapolated(path, x_hat, t, s, memory)
        # Log-SNR may be infinite at t = 1 (algorithm 2 of the paper also takes the last step at first order).
        ahead = jnp.where(s >= 1, x_hat, ahead)
        ratio, noise = noising(path, t, s)
        shrink = ratio * (path.sigma(s) / path.sigma(t)) ** 2
        mean = shrink * x + path.alpha(s) * (noise / path.sigma(t)) ** 2 * ahead
        return mean, posterior_sd(path, t, s)[0], memory

    return gaussian_chain(init, prediction, kernel, num_steps, no_memory)


def no_memory(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What a two-step method remembers before its first step: no x_hat, an infinitely long step."""
    return jnp.zeros_like(x), jnp.asarray(jnp.inf, x.dtype)


def extrapolated(path: Path, x_hat: jax.Array, t: jax.Array, s: jax.Array, memory: Any) -> tuple[jax.Array, Any]:
    """x_hat in the middle of the step in log-SNR, `x_hat + (x_hat - before) / (2 r)` with r = step before / step, and the next memory."""
    before, step_before = memory
    step = path.log_snr(s) - path.log_snr(t)
    return x_hat + 0.5 * step / step_before * (x_hat - before), (x_hat, step)


def reverse_sde(
    prediction: Prediction, diffusion: Diffusion | None = None
) -> tuple[Callable[..., jax.Array], Callable[[jax.Array], jax.Array]]:
    """`drift(params, x, t, cond) = velocity - g^2 eps / (2 sigma)` and `g^2(t)` of the SDE from noise to data.

    g^2 is `path.diffusion(t)` by default. Where alpha(0) = 0 that is infinite at t = 0, and the default is alpha times it, which is not.
    """
    path = prediction.path
    start, end = path.ends()

    def tamed(path: Path, t: jax.Array) -> jax.Array:
        d_alpha, d_sigma = path.rates(t)
        return 2 * path.sigma(t) * (path.sigma(t) * d_alpha - path.alpha(t) * d_sigma)

    if diffusion is None:
        diffusion = tamed if start else Path.diffusion

    def g2(t: jax.Array) -> jax.Array:
        return diffusion(path, inside(t, 0, 0.5 * end))

    def drift(params: Any, x: jax.Array, t: jax.Array, cond: Any) -> jax.Array:
        return prediction.velocity(params, x, t, cond) - 0.5 * g2(t) / path.sigma(t) * prediction.eps(params, x, t, cond)

    return drift, g2
