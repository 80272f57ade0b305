"""Stochastic samplers with a bound on the density: ancestral, Euler-Maruyama on the reverse SDE, and DPM-Solver++ of second order."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.paths import Path, Prediction
from jaxgen.paths.prediction import inside
from jaxgen.transform import Field, Init, Transform
from jaxgen.transforms.samplers.affine_step import AffineSampler, Step
from jaxgen.transforms.samplers.gaussian_chain import gaussian_chain, noising, posterior_sd
from jaxgen.types import Cond, Params

Diffusion = Callable[[Path, jax.Array], jax.Array]


def ancestral(init: Init, prediction: Prediction, num_steps: int, *, eta: float = 1.0) -> Transform:
    """Sample ancestrally: each step is the noising chain's posterior `q(x_s | x_t, x_hat)`, on equal steps of any path.

    The last step keeps the noising step's own standard deviation, because the posterior's is almost zero there and would make the bound
    infinite.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        num_steps: How many steps.
        eta: The factor of each step's standard deviation, as in DDIM (arXiv 2010.02502, eq. 16).

    Returns:
        A LOWER_BOUND transform of the base `diffusion_noise(event, num_steps)`.

    Raises:
        ValueError: `num_steps` is below 1, or `eta` is outside (0, 1].

    Source: arXiv 2006.11239, algorithm 2 and eq. 6.

    >>> import jax.numpy as jnp, jaxgen
    >>> zero = jaxgen.paths.prediction(jaxgen.paths.vp_linear(), lambda params, x, t, cond=None: x, "eps")
    >>> sampler = ancestral(lambda key, z, cond=None: (), zero, 4)
    >>> sampler.forward((), {"x0": jnp.ones(2), "increments": jnp.zeros((4, 2))}).shape
    (2,)
    """
    if not 0 < eta <= 1:
        raise ValueError(f"ancestral: eta={eta!r}; accepted: above 0 and at most 1.")

    def step(path: Path, t: jax.Array, s: jax.Array) -> Step:
        sd, keep = posterior_sd(path, t, s, eta)
        return Step(path.alpha(s), keep, deviation=sd)

    return gaussian_chain(init, AffineSampler(prediction, step), num_steps)


def euler_maruyama(init: Init, prediction: Prediction, num_steps: int, *, diffusion: Diffusion | None = None) -> Transform:
    """Sample by Euler-Maruyama on the reverse SDE with drift `velocity + g^2 score / 2` and diffusion `g`.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        num_steps: How many steps.
        diffusion: `(path, t) -> g^2`. Any g has the same marginals (arXiv 2303.08797, corollary 2.18); the noising SDE's own, the default,
            has the tightest bound. `reverse_sde` says what it is for paths that start from pure noise.

    Returns:
        A LOWER_BOUND transform of the base `diffusion_noise(event, num_steps)`.

    Raises:
        ValueError: `num_steps` is below 1.

    Source: arXiv 2011.13456, eq. 6.

    >>> import jax.numpy as jnp, jaxgen
    >>> zero = jaxgen.paths.prediction(jaxgen.paths.vp_linear(), lambda params, x, t, cond=None: x, "eps")
    >>> sampler = euler_maruyama(lambda key, z, cond=None: (), zero, 4)
    >>> sampler.forward((), {"x0": jnp.ones(2), "increments": jnp.zeros((4, 2))}).shape
    (2,)
    """
    coefficients, g2 = _reverse_coefficients(prediction, diffusion)

    def step(path: Path, t: jax.Array, s: jax.Array) -> Step:
        on_data, on_noise = coefficients(t)
        return Step((s - t) * on_data, (s - t) * on_noise, jnp.ones_like(t), jnp.sqrt(g2(t) * (s - t)))

    return gaussian_chain(init, AffineSampler(prediction, step), num_steps)


def dpm_solver_sde(init: Init, prediction: Prediction, num_steps: int) -> Transform:
    """Sample by SDE-DPM-Solver++(2M): ancestral steps with x_hat extrapolated from two states to the middle of the step.

    The last step does not extrapolate and keeps its standard deviation, as `ancestral`'s does. Each step is Gaussian given the two states
    before it, so the bound is that of a chain of second order.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        num_steps: How many steps.

    Returns:
        A LOWER_BOUND transform of the base `diffusion_noise(event, num_steps)`.

    Raises:
        ValueError: `num_steps` is below 1.

    Source: arXiv 2211.01095, eq. 19.

    >>> import jax.numpy as jnp, jaxgen
    >>> zero = jaxgen.paths.prediction(jaxgen.paths.vp_linear(), lambda params, x, t, cond=None: x, "eps")
    >>> sampler = dpm_solver_sde(lambda key, z, cond=None: (), zero, 4)
    >>> sampler.forward((), {"x0": jnp.ones(2), "increments": jnp.zeros((4, 2))}).shape
    (2,)
    """

    def step(path: Path, t: jax.Array, s: jax.Array) -> Step:
        ratio, noise = noising(path, t, s)
        shrink = ratio * (path.sigma(s) / path.sigma(t)) ** 2
        return Step(path.alpha(s) * (noise / path.sigma(t)) ** 2, None, shrink, posterior_sd(path, t, s)[0])

    return gaussian_chain(init, AffineSampler(prediction, step, multistep=True, plain_end=True), num_steps)


def reverse_sde(prediction: Prediction, diffusion: Diffusion | None = None) -> tuple[Field, Callable[[jax.Array], jax.Array]]:
    """Return drift and squared diffusion of the SDE from noise to data: `velocity - g^2 z_hat / (2 sigma)` and `g^2(t)`.

    Args:
        prediction: The network read on its path. It is called once for each drift.
        diffusion: `(path, t) -> g^2`, `Path.diffusion` by default. If alpha(0) = 0 that is infinite at t = 0, and the default is alpha
            times it, which is finite.

    Returns:
        `drift(params, x, t, cond=None)` and `g2(t)`.
    """
    coefficients, g2 = _reverse_coefficients(prediction, diffusion)

    def drift(params: Params, x: jax.Array, t: jax.Array, /, cond: Cond = None) -> jax.Array:
        (on_data, on_noise), (x_hat, z_hat) = coefficients(t), prediction.both(params, x, t, cond)
        return on_data * x_hat + on_noise * z_hat

    return drift, g2


def _reverse_coefficients(
    prediction: Prediction, diffusion: Diffusion | None
) -> tuple[Callable[[jax.Array], tuple[jax.Array, jax.Array]], Callable[[jax.Array], jax.Array]]:
    """The drift's coefficients of x_hat and z_hat at t, `alpha'` and `sigma' - g^2 / (2 sigma)`, and `g^2(t)`."""
    path = prediction.path
    start, end = path.ends()

    def tamed(path: Path, t: jax.Array) -> jax.Array:
        d_alpha, d_sigma = path.rates(t)
        return 2 * path.sigma(t) * (path.sigma(t) * d_alpha - path.alpha(t) * d_sigma)

    if diffusion is None:
        diffusion = tamed if start else Path.diffusion

    def g2(t: jax.Array) -> jax.Array:
        return diffusion(path, inside(t, 0, 0.5 * end))

    def coefficients(t: jax.Array) -> tuple[jax.Array, jax.Array]:
        t = inside(t, 0, 0.5 * end)
        d_alpha, d_sigma = path.rates(t)
        return d_alpha, d_sigma - 0.5 * g2(t) / path.sigma(t)

    return coefficients, g2
