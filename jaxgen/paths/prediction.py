"""One network, every reading: noise, data, score and velocity from whichever linear target in (x, z) the network was trained on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.paths.path import Path

Function = Callable[..., jax.Array]


class Prediction(NamedTuple):
    """Functions `(params, x_t (d,), t, cond=None) -> (d,)` of one network on one path.

    eps: E[z | x_t];  denoiser: E[x | x_t];  velocity: alpha' x + sigma' z in expectation;  score: grad log p_t = -eps / sigma.
    """

    path: Path
    eps: Function
    denoiser: Function
    velocity: Function
    score: Function

    def parts(self) -> dict[str, Function]:
        """The four functions by name, for `Transform.parts`."""
        return {"eps": self.eps, "denoiser": self.denoiser, "velocity": self.velocity, "score": self.score}


def prediction(path: Path, output: Function, target: str) -> Prediction:
    """Read a network whose `output(params, x_t, t, cond)` predicts `target`: "eps", "denoiser" or "velocity".

    A target is linear in data and noise, `y = a x + b z`; with `x_t = alpha x + sigma z` it is a 2 x 2 system, solved for x and z.
    Raises ValueError for another target.
    """
    coefficients: dict[str, Callable[[jax.Array], tuple[jax.Array, jax.Array]]] = {
        "eps": lambda t: (jnp.zeros_like(t), jnp.ones_like(t)),
        "denoiser": lambda t: (jnp.ones_like(t), jnp.zeros_like(t)),
        "velocity": path.rates,
    }
    if target not in coefficients:
        raise ValueError(f"target={target!r}; accepted: {', '.join(coefficients)}.")

    def solved(params: Any, x: jax.Array, t: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
        y, (a, b) = output(params, x, t, cond), coefficients[target](t)
        alpha, sigma = path.alpha(t), path.sigma(t)
        det = alpha * b - sigma * a
        return (b * x - sigma * y) / det, (alpha * y - a * x) / det

    def eps(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        return output(params, x, t, cond) if target == "eps" else solved(params, x, t, cond)[1]

    def denoiser(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        return output(params, x, t, cond) if target == "denoiser" else solved(params, x, t, cond)[0]

    def velocity(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        if target == "velocity":
            return output(params, x, t, cond)
        d_alpha, d_sigma = path.rates(t)
        x_hat, z_hat = solved(params, x, t, cond)
        return d_alpha * x_hat + d_sigma * z_hat

    return Prediction(path, eps, denoiser, velocity, lambda params, x, t, cond=None: -eps(params, x, t, cond) / path.sigma(t))


def preconditioned(path: Path, output: Function, sigma_data: float = 1.0) -> Function:
    """EDM's preconditioned denoiser `c_skip x + c_out F(c_in x, c_noise)` (arXiv 2206.00364, table 1), for paths with alpha = 1.

    The network sees `t` itself for `c_noise`: on the rho-grid it is a monotone function of sigma that fills [0, 1].
    """

    def denoiser(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        sigma = path.sigma(t)
        norm = jnp.sqrt(sigma**2 + sigma_data**2)
        return x * (sigma_data / norm) ** 2 + sigma * sigma_data / norm * output(params, x / norm, t, cond)

    return denoiser
