"""The one step that most samplers of a diffusion repeat: affine in the network's guesses of data and noise, and in the state."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.paths import Path, Prediction
from jaxgen.types import Cond, Params

Memory = tuple[jax.Array, jax.Array] | tuple[()]


class Step(NamedTuple):
    """The step `x' = data * x_hat + noise * z_hat + state * x + deviation * increment`; None is a coefficient of zero.

    Attributes:
        data: The coefficient of x_hat, the network's guess of the data.
        noise: The coefficient of z_hat, the network's guess of the noise.
        state: The coefficient of the state itself.
        deviation: The standard deviation of the step's own noise.
    """

    data: jax.Array
    noise: jax.Array | None = None
    state: jax.Array | None = None
    deviation: jax.Array | None = None


@dataclass(frozen=True)
class AffineSampler:
    """A sampler whose steps are affine, in the notation of its paper: a network and the coefficients from any t to any later s.

    Attributes:
        prediction: The network read on its path. It is called once for each step.
        step: `(path, t, s) -> Step`.
        multistep: Replace x_hat by its extrapolation to the middle of the step in log-SNR, from the guess of the step before
            (arXiv 2211.01095, algorithm 2).
        plain_end: Do not extrapolate in a step that ends at t = 1, where the log-SNR may be infinite.
    """

    prediction: Prediction
    step: Callable[[Path, jax.Array, jax.Array], Step]
    multistep: bool = False
    plain_end: bool = False

    def start(self, x: jax.Array) -> Memory:
        """Return what the sampler remembers before its first step: no guess, after an infinitely long step."""
        return (jnp.zeros_like(x), jnp.asarray(jnp.inf, x.dtype)) if self.multistep else ()

    def mean(
        self, params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond, memory: Memory
    ) -> tuple[jax.Array, jax.Array | None, Memory]:
        """Compute one step's mean and standard deviation.

        Args:
            params: The params of the network.
            x: The state `(*event)`.
            t: The time of the state.
            s: A later time.
            cond: A condition, or None.
            memory: What the step before remembers; `start` for the first step.

        Returns:
            The mean `(*event)`, the standard deviation or None, and what the next step remembers.
        """
        data, noise, state, deviation = self.step(self.prediction.path, t, s)
        if noise is None:
            x_hat, noise_term = self.prediction.denoiser(params, x, t, cond), None
        else:
            x_hat, z_hat = self.prediction.both(params, x, t, cond)
            noise_term = noise * z_hat
        if memory:
            x_hat, memory = self._ahead(x_hat, t, s, *memory)
        mean = data * x_hat
        mean = mean if noise_term is None else mean + noise_term
        return mean if state is None else state * x + mean, deviation, memory

    def _ahead(self, x_hat: jax.Array, t: jax.Array, s: jax.Array, before: jax.Array, step_before: jax.Array) -> tuple[jax.Array, Memory]:
        """`x_hat + (x_hat - before) / (2 r)` with r = step before / step, in log-SNR."""
        step = self.prediction.path.log_snr(s) - self.prediction.path.log_snr(t)
        ahead = x_hat + 0.5 * step / step_before * (x_hat - before)
        return jnp.where(s >= 1, x_hat, ahead) if self.plain_end else ahead, (x_hat, step)
