"""One network, every reading: noise, data, score, v and velocity from whichever linear target in (x, z) the network was trained on."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths.path import Path
from jaxgen.paths.target import Target, conversion, resolve, singular_ends

Function = Callable[..., jax.Array]


class Prediction(NamedTuple):
    """Functions `(params, x_t (d,), t, cond=None) -> (d,)` of one network on one path.

    eps: E[z | x_t];  denoiser: E[x | x_t];  velocity: alpha' x + sigma' z in expectation;  score: grad log p_t = -eps / sigma;
    v: alpha z - sigma x in expectation.  read: `(target) -> function`, the same for any other target, by name or as a `Target`.
    """

    path: Path
    eps: Function
    denoiser: Function
    velocity: Function
    score: Function
    v: Function
    read: Callable[[str | Target], Function]

    def parts(self) -> dict[str, Function]:
        """The five functions by name, for `Transform.parts`."""
        return {"eps": self.eps, "denoiser": self.denoiser, "velocity": self.velocity, "score": self.score, "v": self.v}


def prediction(path: Path, output: Function, target: str | Target) -> Prediction:
    """Read a network whose `output(params, x_t, t, cond)` predicts `target`: "eps", "denoiser", "velocity", "score", "v", or a `Target`.

    A target is linear in data and noise, `y = a x + b z`; with `x_t = alpha x + sigma z` it is a 2 x 2 system, solved for any other. The
    reading of a network's own target is its output. Where the system is singular at an end, as noise is at t = 0 if alpha(0) = 0 (it says
    nothing about data), the reading is a limit: schedules and network are asked at most sqrt(machine epsilon) away from that end, or its
    cube root for a double pole (a score from a denoiser has one), so its error is of that size. No other time is moved. Raises ValueError
    for an unknown target.
    """
    own = resolve(target)

    def read(wanted: str | Target) -> Function:
        wanted = resolve(wanted)
        if wanted is own:
            return lambda params, x, t, cond=None: output(params, x, t, cond)
        at = conversion(path, own, wanted)
        ends = functools.cache(lambda: singular_ends(at))

        def function(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
            t = inside(t, *ends())
            p, q = at(t)
            return p * output(params, x, t, cond) + q * x

        return function

    return Prediction(path, read("eps"), read("denoiser"), read("velocity"), read("score"), read("v"), read)


def inside(t: jax.Array, start: float, end: float) -> jax.Array:
    """`t` at least `eps^start` away from t = 0 and `eps^end` from t = 1, eps its machine epsilon; a power of 0 leaves that end alone."""
    eps = float(jnp.finfo(t.dtype).eps)
    t = jnp.maximum(t, jnp.asarray(eps**start, t.dtype)) if start else t
    return jnp.minimum(t, jnp.asarray(1 - eps**end, t.dtype)) if end else t


def preconditioned(path: Path, output: Function, sigma_data: float = 1.0) -> Function:
    """EDM's preconditioned denoiser `c_skip x + c_out F(c_in x, c_noise)` (arXiv 2206.00364, table 1), here for any path.

    With `n^2 = alpha^2 sigma_data^2 + sigma^2`: c_skip = alpha sigma_data^2 / n^2, c_out = sigma sigma_data / n, c_in = 1 / n; alpha = 1
    gives the paper's. The network F predicts `unit_target(sigma_data)`. It sees `t` itself for c_noise: on the rho-grid it is a monotone
    function of sigma that fills [0, 1].
    """
    checks.number("sigma_data", sigma_data, above=0)

    def denoiser(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        alpha, sigma = path.alpha(t), path.sigma(t)
        norm = jnp.sqrt((alpha * sigma_data) ** 2 + sigma**2)
        return x * (alpha * (sigma_data / norm) ** 2) + sigma * sigma_data / norm * output(params, x / norm, t, cond)

    return denoiser
