"""What a network on a path may predict: targets that are linear in data and noise, and the conversion of one into another."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths.path import Path

Coefficient = Callable[[Path, jax.Array], jax.Array]


class Target(NamedTuple):
    """Describe what a network predicts: `y = a(path, t) x + b(path, t) z`, for the data x and the noise z of `x_t = alpha x + sigma z`.

    Attributes:
        a: The weight of the data, a function of the path and t.
        b: The weight of the noise, a function of the path and t.
    """

    a: Coefficient
    b: Coefficient

    def at(self, path: Path, t: jax.Array, x: jax.Array, z: jax.Array) -> jax.Array:
        """Return the value that a network regresses on.

        Args:
            path: The path.
            t: The time, a scalar.
            x: Data `(d,)`.
            z: Noise `(d,)`.

        Returns:
            The value `(d,)`.
        """
        return self.a(path, t) * x + self.b(path, t) * z


TARGETS = {
    "eps": Target(lambda path, t: jnp.zeros_like(t), lambda path, t: jnp.ones_like(t)),
    "denoiser": Target(lambda path, t: jnp.ones_like(t), lambda path, t: jnp.zeros_like(t)),
    "velocity": Target(lambda path, t: path.rates(t)[0], lambda path, t: path.rates(t)[1]),
    "score": Target(lambda path, t: jnp.zeros_like(t), lambda path, t: -1 / path.sigma(t)),
    "v": Target(lambda path, t: -path.sigma(t), lambda path, t: path.alpha(t)),
}
"""The targets by name. v is that of arXiv 2202.00512: `alpha z - sigma x`."""


def unit_target(sigma_data: float = 1.0) -> Target:
    """Return EDM's target F on any path: what remains to predict once the best linear denoiser is known, with unit variance.

    It is `F = (sigma x - alpha sigma_data^2 z) / (sigma_data n)` with `n^2 = alpha^2 sigma_data^2 + sigma^2`. For sigma_data = 1 on a
    variance-preserving path it is -v. Its conversion is never singular, so every target that is finite at an end of the path can be read
    from it there.

    Source: arXiv 2206.00364, eq. 7.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths
    >>> t, one, zero = jnp.asarray(0.0), jnp.ones(1), jnp.zeros(1)
    >>> paths.unit_target().at(paths.linear(), t, one, zero)  # at t = 0 it is the data
    Array([1.], dtype=float32)
    """
    checks.number("unit_target: sigma_data", sigma_data, above=0)

    def norm(path: Path, t: jax.Array) -> jax.Array:
        return sigma_data * jnp.sqrt((path.alpha(t) * sigma_data) ** 2 + path.sigma(t) ** 2)

    return Target(
        lambda path, t: path.sigma(t) / norm(path, t),
        lambda path, t: -path.alpha(t) * sigma_data**2 / norm(path, t),
    )


def resolve(target: str | Target) -> Target:
    """Return the target of that name, or the target given; raise ValueError for an unknown name."""
    if isinstance(target, Target):
        return target
    if target not in TARGETS:
        raise ValueError(f"prediction: target={target!r}; accepted: {', '.join(TARGETS)}, or a Target.")
    return TARGETS[target]


def conversion(path: Path, known: Target, wanted: Target) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    """Return the coefficients that turn one target into another: `t -> (p, q)` with `wanted = p known + q x_t`.

    They solve the 2 x 2 system of `known` and `x_t` in data and noise.

    Args:
        path: The path.
        known: The target that is known.
        wanted: The target that is wanted.

    Returns:
        `t -> (p, q)`; they may be infinite at an end.
    """
    if wanted is known:
        # Without the division, which is 0 / 0 where the target and x_t are the same.
        return lambda t: (jnp.ones_like(t), jnp.zeros_like(t))

    def at(t: jax.Array) -> tuple[jax.Array, jax.Array]:
        alpha, sigma = path.alpha(t), path.sigma(t)
        a, b = known.a(path, t), known.b(path, t)
        a_wanted, b_wanted = wanted.a(path, t), wanted.b(path, t)
        det = alpha * b - sigma * a
        return (alpha * b_wanted - sigma * a_wanted) / det, (a_wanted * b - a * b_wanted) / det

    return at


def singular_ends(at: Callable[[jax.Array], tuple[jax.Array, jax.Array]]) -> tuple[float, float]:
    """Return how far from t = 0 and t = 1 a conversion is read, as powers of the machine epsilon; 0 if it is finite at that end.

    A pole of order k loses `eps / distance^k` to rounding and `distance` to the limit, so the best distance is `eps^(1 / (k + 1))`. A
    conversion of a learned schedule, which is being traced, counts as finite.
    """

    def size(t: float) -> float:
        p, q = at(jnp.asarray(t))
        return float(jnp.maximum(jnp.abs(p), jnp.abs(q)))

    def power(t: float) -> float:
        eps = float(jnp.finfo(jnp.asarray(t).dtype).eps)
        if size(t) < 0.1 / eps:
            return 0.0
        # A simple pole has grown to about eps^-1/2 at that distance, a double one to 1 / eps.
        return 1 / 2 if size(abs(t - eps**0.5)) < eps**-0.75 else 1 / 3

    try:
        with jax.ensure_compile_time_eval():
            return power(0.0), power(1.0)
    except jax.errors.ConcretizationTypeError:
        return 0.0, 0.0
