"""One network, every prediction: noise, data, score, v and velocity, whichever linear target the network was trained on."""

import functools
from collections.abc import Callable
from typing import NamedTuple, NoReturn

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths.path import Path
from jaxgen.paths.target import Target, conversion, resolve, singular_ends
from jaxgen.types import Cond, Params

Function = Callable[..., jax.Array]


class Prediction(NamedTuple):
    """Hold the functions `(params, x_t (d,), t, cond=None) -> (d,)` that one network on one path gives.

    Attributes:
        path: The path.
        eps: The expected noise, E[z | x_t].
        denoiser: The expected data, E[x | x_t].
        velocity: The expectation of `alpha' x + sigma' z` given x_t.
        score: The gradient of `log p_t`, which is `-eps / sigma`.
        v: The expectation of `alpha z - sigma x` given x_t.
        read: `(target) -> function` for any other target, by name or as a `Target`.
        both: `(params, x_t, t, cond=None) -> (x_hat, z_hat)`, the denoiser and eps from one evaluation of the network. If one of the two is
            a limit at an end, both are read at the time of that limit.
        coupled: True if the network was trained on pairs of noise and data that depend on each other. The velocity still carries the law of
            the noise to that of the data, so every ODE is right. `-eps / sigma` is no longer the gradient of `log p_t`: `score` raises
            ValueError, `parts` lacks it, and every sampler of an SDE refuses the prediction.
    """

    path: Path
    eps: Function
    denoiser: Function
    velocity: Function
    score: Function
    v: Function
    read: Callable[[str | Target], Function]
    both: Callable[..., tuple[jax.Array, jax.Array]]
    coupled: bool = False

    def parts(self) -> dict[str, Function]:
        """Return the five functions by name, for `Transform.parts`; a coupled prediction has no `score`."""
        functions = {"eps": self.eps, "denoiser": self.denoiser, "velocity": self.velocity, "score": self.score, "v": self.v}
        return {name: function for name, function in functions.items() if name != "score" or not self.coupled}


def prediction(path: Path, output: Function, target: str | Target, *, coupled: bool = False) -> Prediction:
    """Read every prediction off a network whose `output(params, x_t, t, cond)` predicts `target`.

    A target is linear in data and noise, `y = a x + b z`. Together with `x_t = alpha x + sigma z` it is a 2 x 2 system, which is solved for
    any other target; the network's own target is its output. At an end the system may be singular: if alpha(0) = 0, noise says nothing
    about data at t = 0. The reading there is a limit, for which schedules and network are asked at a distance of the square root of the
    machine epsilon, or of its cube root for a double pole, as a score from a denoiser has. The error is of that size, and no other time is
    moved.

    Args:
        path: The path on which the network was trained.
        output: `(params, x_t (d,), t, cond) -> (d,)`, the network.
        target: What the network predicts: "eps", "denoiser", "velocity", "score", "v", or a `Target`.
        coupled: Whether the network is trained on noise and data that depend on each other, as `denoising(coupling=...)` pairs them. Then
            there is no score, and no sampler of an SDE takes the prediction.

    Returns:
        The five functions, `read` for any other target, and `both` for the denoiser and eps from one evaluation.

    Raises:
        ValueError: The name of the target is unknown, or a score is asked of a coupled prediction.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> network = lambda params, x, t, cond=None: jnp.zeros_like(x)
    >>> read = paths.prediction(paths.linear(), network, "eps")
    >>> read.both((), jnp.asarray([1.0]), jnp.asarray(0.5))
    (Array([2.], dtype=float32), Array([0.], dtype=float32))
    """
    own, score = resolve(target), resolve("score")
    if coupled and own is score:
        refuse_coupled("prediction: target='score'")

    def read(wanted: str | Target) -> Function:
        wanted = resolve(wanted)
        if coupled and wanted is score:
            return lambda params, x, t, cond=None: refuse_coupled("Prediction.score")
        if wanted is own:
            return lambda params, x, t, cond=None: output(params, x, t, cond)
        at = conversion(path, own, wanted)
        ends = functools.cache(lambda: singular_ends(at))

        def function(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
            t = inside(t, *ends())
            p, q = at(t)
            return p * output(params, x, t, cond) + q * x

        return function

    both = _both(path, output, own)
    return Prediction(path, read("eps"), read("denoiser"), read("velocity"), read("score"), read("v"), read, both, coupled)


def refuse_coupled(where: str) -> NoReturn:
    """Raise the ValueError that says why a prediction of coupled noise and data is refused.

    Args:
        where: The function, and the argument that is refused.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        f"{where} of coupled noise and data; accepted: the ODE's readings (velocity, eps, denoiser; probability_flow, heun, ddim), or a "
        "prediction of independent noise, because -E[z | x_t] / sigma is the score of the path only if the noise does not depend on the data."
    )


def _both(path: Path, output: Function, own: Target) -> Callable[..., tuple[jax.Array, jax.Array]]:
    to_data, to_noise = (conversion(path, own, resolve(name)) for name in ("denoiser", "eps"))

    @functools.cache
    def ends() -> tuple[float, ...]:
        # The larger of two distances from an end is the smaller power of the machine epsilon; 0 is none.
        powers = zip(singular_ends(to_data), singular_ends(to_noise), strict=True)
        return tuple(min(filter(None, pair), default=0.0) for pair in powers)

    def both(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        t = inside(t, *ends())
        y = output(params, x, t, cond)
        (p, q), (r, s) = to_data(t), to_noise(t)
        return p * y + q * x, r * y + s * x

    return both


def inside(t: jax.Array, start: float, end: float) -> jax.Array:
    """Move times away from the ends of [0, 1] by powers of the machine epsilon.

    Args:
        t: Times of any shape.
        start: The distance from t = 0 is at least `eps^start`; 0 leaves that end alone.
        end: The distance from t = 1 is at least `eps^end`; 0 leaves that end alone.

    Returns:
        The times.
    """
    eps = float(jnp.finfo(t.dtype).eps)
    t = jnp.maximum(t, jnp.asarray(eps**start, t.dtype)) if start else t
    return jnp.minimum(t, jnp.asarray(1 - eps**end, t.dtype)) if end else t


def preconditioned(path: Path, output: Function, sigma_data: float = 1.0) -> Function:
    """Return EDM's preconditioned denoiser `c_skip x + c_out F(c_in x, t)` for any path.

    With `n^2 = alpha^2 sigma_data^2 + sigma^2` the coefficients are `c_skip = alpha sigma_data^2 / n^2`, `c_out = sigma sigma_data / n` and
    `c_in = 1 / n`; alpha = 1 gives the paper's. The network F then predicts `unit_target(sigma_data)`. It reads `t` itself in place of the
    paper's c_noise: on the rho-grid t is a monotone function of sigma that fills [0, 1].

    Args:
        path: The path.
        output: `(params, x (d,), t, cond) -> (d,)`, the network F.
        sigma_data: The standard deviation of the data, above 0.

    Returns:
        `(params, x_t (d,), t, cond=None) -> (d,)`, the denoiser.

    Raises:
        ValueError: `sigma_data` is not positive.

    Source: arXiv 2206.00364, table 1.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> denoiser = paths.preconditioned(paths.linear(), lambda params, x, t, cond=None: jnp.zeros_like(x))
    >>> denoiser((), jnp.ones(1), jnp.asarray(0.5))
    Array([1.], dtype=float32)
    """
    checks.number("preconditioned: sigma_data", sigma_data, above=0)

    def denoiser(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
        alpha, sigma = path.alpha(t), path.sigma(t)
        norm = jnp.sqrt((alpha * sigma_data) ** 2 + sigma**2)
        return x * (alpha * (sigma_data / norm) ** 2) + sigma * sigma_data / norm * output(params, x / norm, t, cond)

    return denoiser
