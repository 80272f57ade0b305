"""Stochastic samplers without a density: their noise goes through the network within a step, so that no step is Gaussian.

All are IMPLICIT for that reason. All but `stochastic_runge_kutta` end with the denoiser, on the grid of the deterministic samplers, and
leave no noise; their base is `diffusion_noise(event, num_increments)` with the number each states.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths import Prediction
from jaxgen.paths.prediction import refuse_coupled
from jaxgen.transform import Hooks, Init, Maps, Transform
from jaxgen.transforms.parts import prediction_parts
from jaxgen.transforms.samplers.gaussian_chain import posterior_sd
from jaxgen.transforms.samplers.grid_sampler import heun_step, noise_levels
from jaxgen.transforms.samplers.sde_sampler import Diffusion, reverse_sde
from jaxgen.types import Cond, Noise, Params, PyTree

NoisyStep = Callable[[Params, jax.Array, jax.Array, jax.Array, Cond, jax.Array], jax.Array]
"""`(params, x, t, s, cond, increments (draws, *event)) -> x`."""
Run = Callable[[Params, Noise, Cond], tuple[jax.Array, jax.Array]]
"""`(params, z, cond) -> (x, states)`: the sample and all states `(num_steps, *event)`, apart, so that sampling keeps no states."""


def edm_stochastic(
    init: Init,
    prediction: Prediction,
    num_steps: int,
    *,
    churn: float = 40.0,
    noise: float = 1.0,
    min_level: float = 0.0,
    max_level: float = math.inf,
) -> Transform:
    """Sample by EDM's stochastic sampler, for any path in `sigma / alpha`: noise is added, then a step of `heun` taken.

    Noise levels are not raised above the path's first, and the last step adds none.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        num_steps: How many steps; a sample takes `2 num_steps - 1` network evaluations.
        churn: The paper's S_churn; 0 is `heun`.
        noise: S_noise, the factor of the standard deviation of the noise added.
        min_level: S_tmin, the noise level `sigma / alpha` below which none is added.
        max_level: S_tmax, the level above which none is added.

    Returns:
        An IMPLICIT transform of the base `diffusion_noise(event, num_steps - 1)`.

    Raises:
        ValueError: A number is out of range.

    Source: arXiv 2206.00364, algorithm 2.

    >>> import jax.numpy as jnp, jaxgen
    >>> ones = jaxgen.paths.prediction(jaxgen.paths.edm(), lambda params, x, t, cond=None: jnp.ones_like(x), "denoiser")
    >>> sampler = edm_stochastic(lambda key, z, cond=None: (), ones, 3)
    >>> sampler.forward((), {"x0": jnp.zeros(1), "increments": jnp.ones((2, 1))}).tolist()
    [1.0]
    """
    path = prediction.path
    checks.count("edm_stochastic: num_steps", num_steps)
    for name, value in (("churn", churn), ("noise", noise), ("min_level", min_level)):
        checks.number(f"edm_stochastic: {name}", value, least=0)
    gain = min(churn / num_steps, math.sqrt(2) - 1)

    def step(params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond, increments: jax.Array) -> jax.Array:
        level = path.sigma(t) / jnp.maximum(path.alpha(t), jnp.finfo(t.dtype).tiny)
        inside = (level >= min_level) & (level <= max_level) & (t > 0) & (gain > 0)
        top = -path.log_snr(jnp.zeros_like(t))
        raised = jnp.where(inside, path.time_of(-jnp.minimum(jnp.log(level) + math.log1p(gain), top)), t)
        scale = path.alpha(raised) / jnp.where(inside, path.alpha(t), 1)
        extra = path.sigma(raised) ** 2 - (scale * path.sigma(t)) ** 2
        sd = jnp.where(inside, jnp.sqrt(jnp.maximum(extra, 0)), 0)
        x = jnp.where(inside, scale, 1) * x + noise * sd * increments[0]
        return heun_step(prediction, params, x, raised, s, cond)

    return _with_noise("edm_stochastic", init, prediction, step, num_steps, 1, 2)


def predictor_corrector(
    init: Init, prediction: Prediction, num_steps: int, *, num_corrector: int = 1, snr: float = 0.16, eta: float = 1.0
) -> Transform:
    """Sample by ancestral steps, each followed by `num_corrector` Langevin steps at the level it reached.

    A corrector is `x + e score + sqrt(2 e) z` with `e = 2 (snr sigma)^2`: the paper's e for a score of its usual length, without the
    dependence of e on the noise.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        num_steps: How many predictor steps, the denoiser at the end included.
        num_corrector: How many corrector steps follow each.
        snr: The corrector's signal-to-noise ratio.
        eta: The factor of the predictor's standard deviation.

    Returns:
        An IMPLICIT transform of the base `diffusion_noise(event, (num_steps - 1) (1 + num_corrector))`.

    Raises:
        ValueError: A number is out of range.

    Source: arXiv 2011.13456, algorithms 2 to 5.

    >>> import jax.numpy as jnp, jaxgen
    >>> ones = jaxgen.paths.prediction(jaxgen.paths.edm(), lambda params, x, t, cond=None: jnp.ones_like(x), "denoiser")
    >>> sampler = predictor_corrector(lambda key, z, cond=None: (), ones, 2)
    >>> sampler.forward((), {"x0": jnp.zeros(1), "increments": jnp.ones((2, 1))}).tolist()
    [1.0]
    """
    path = prediction.path
    checks.count("predictor_corrector: num_corrector", num_corrector, 0)
    checks.number("predictor_corrector: snr", snr, above=0)
    checks.number("predictor_corrector: eta", eta, least=0)

    def step(params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond, increments: jax.Array) -> jax.Array:
        _, keep = posterior_sd(path, t, s, eta)
        sd = jnp.sqrt(jnp.maximum(path.sigma(s) ** 2 - keep**2, 0))
        x_hat, z_hat = prediction.both(params, x, t, cond)
        x = path.alpha(s) * x_hat + keep * z_hat + sd * increments[0]
        return _langevin(prediction, params, x, s, cond, increments[1:], snr)

    return _with_noise("predictor_corrector", init, prediction, step, num_steps, 1 + num_corrector, 1 + num_corrector)


def langevin(init: Init, prediction: Prediction, num_steps: int, *, num_per_level: int = 10, snr: float = 0.3) -> Transform:
    """Sample by annealed Langevin dynamics over `num_steps` noise levels, denoised at the end (arXiv 2006.09011).

    Each step is `x + e score + sqrt(2 e) z` with `e = 2 (snr sigma)^2`, proportional to the level's variance as in the paper. The first
    level is the noise that is given.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        num_steps: How many noise levels.
        num_per_level: How many steps are taken at each.
        snr: The signal-to-noise ratio of a step.

    Returns:
        An IMPLICIT transform of the base `diffusion_noise(event, (num_steps - 1) num_per_level)`.

    Raises:
        ValueError: A number is out of range.

    Source: arXiv 1907.05600, algorithm 1.

    >>> import jax.numpy as jnp, jaxgen
    >>> ones = jaxgen.paths.prediction(jaxgen.paths.ve(), lambda params, x, t, cond=None: jnp.ones_like(x), "denoiser")
    >>> sampler = langevin(lambda key, z, cond=None: (), ones, 2, num_per_level=1)
    >>> sampler.forward((), {"x0": jnp.zeros(1), "increments": jnp.ones((1, 1))}).tolist()
    [1.0]
    """
    checks.count("langevin: num_per_level", num_per_level)
    checks.number("langevin: snr", snr, above=0)

    def step(params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond, increments: jax.Array) -> jax.Array:
        return _langevin(prediction, params, x, s, cond, increments, snr)

    return _with_noise("langevin", init, prediction, step, num_steps, num_per_level, num_per_level)


def stochastic_runge_kutta(init: Init, prediction: Prediction, num_steps: int, *, diffusion: Diffusion | None = None) -> Transform:
    """Sample by SRA1 on the reverse SDE of `euler_maruyama`, of strong order 1.5 for additive noise.

    With increments dW = sqrt(h) u and areas w, the time integral of the noise over a step is `h dW / 2 + sqrt(h^3 / 12) w`. The sampler
    ends at t = 1 with the SDE's own noise.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        num_steps: How many steps, of two network evaluations each.
        diffusion: `(path, t) -> g^2`, as for `euler_maruyama`.

    Returns:
        An IMPLICIT transform of the base `diffusion_noise(event, num_steps, areas=True)`.

    Raises:
        ValueError: `num_steps` is below 1.

    Source: Roessler 2010, SIAM J. Numer. Anal. 48, table 6.1.

    >>> import jax.numpy as jnp, jaxgen
    >>> noisy = jaxgen.paths.prediction(jaxgen.paths.vp_linear(), lambda params, x, t, cond=None: x, "eps")
    >>> sampler = stochastic_runge_kutta(lambda key, z, cond=None: (), noisy, 2)
    >>> sampler.forward((), {"x0": jnp.ones(1), "increments": jnp.zeros((2, 1)), "areas": jnp.zeros((2, 1))}).shape
    (1,)
    """
    checks.count("stochastic_runge_kutta: num_steps", num_steps)
    # Not diffrax's SRA1: its noise is drawn from a key within the solve, and ours is no slower (benchmarks/sde_grid.py).
    path, (drift, g2) = prediction.path, reverse_sde(prediction, diffusion)

    def run(params: Params, z: Noise, cond: Cond) -> tuple[jax.Array, jax.Array]:
        ts = jnp.linspace(0.0, 1.0, num_steps + 1, dtype=z["x0"].dtype)
        h = jnp.asarray(1 / num_steps, ts.dtype)

        def step(x: jax.Array, inputs: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            x = sra1_step(lambda x, t: drift(params, x, t, cond), g2, x, inputs[0], h, *inputs[1:])
            return x, x

        return jax.lax.scan(step, path.sigma(ts[0]) * z["x0"], (ts[:-1], z["increments"], z["areas"]))

    return _implicit(init, prediction, run, 2 * num_steps)


def sra1_step(
    drift: Callable[[jax.Array, jax.Array], jax.Array],
    g2: Callable[[jax.Array], jax.Array],
    x: jax.Array,
    t: jax.Array,
    h: jax.Array,
    increment: jax.Array,
    area: jax.Array,
) -> jax.Array:
    """Take one step of SRA1 of `dX = drift(X, t) dt + sqrt(g2(t)) dW`.

    Args:
        drift: `(x, t) -> rate`.
        g2: `t -> g^2`.
        x: The state at t.
        t: Where the step starts.
        h: Its length.
        increment: Standard Gaussian noise, shaped as `x`: the increment of the Wiener process over sqrt(h).
        area: Standard Gaussian noise, shaped as `x`, for the process's time integral.

    Returns:
        The state at t + h.
    """
    dw = jnp.sqrt(h) * increment
    mean_w = 0.5 * dw + jnp.sqrt(h / 12) * area
    f, g, g_end = drift(x, t), jnp.sqrt(g2(t)), jnp.sqrt(g2(t + h))
    f_middle = drift(x + 0.75 * h * f + 1.5 * g_end * mean_w, t + 0.75 * h)
    return x + h * (f + 2 * f_middle) / 3 + g_end * dw + (g - g_end) * mean_w


def _langevin(
    prediction: Prediction, params: Params, x: jax.Array, t: jax.Array, cond: Cond, increments: jax.Array, snr: float
) -> jax.Array:
    sigma = prediction.path.sigma(t)

    def step(x: jax.Array, increment: jax.Array) -> tuple[jax.Array, None]:
        return x - 2 * snr**2 * sigma * prediction.eps(params, x, t, cond) + 2 * snr * sigma * increment, None

    return jax.lax.scan(step, x, increments)[0]


def _with_noise(name: str, init: Init, prediction: Prediction, step: NoisyStep, num_steps: int, draws: int, evaluations: int) -> Transform:
    """The sampler of `step` with `draws` increments each over `noise_levels`, then the denoiser."""
    checks.count(f"{name}: num_steps", num_steps)
    path, num = prediction.path, (num_steps - 1) * draws

    def run(params: Params, z: Noise, cond: Cond) -> tuple[jax.Array, jax.Array]:
        x0, increments = z["x0"], z["increments"]
        if increments.shape[0] != num:
            raise ValueError(f"{name}: increments of shape {increments.shape}; accepted: ({num}, ...), of diffusion_noise(event, {num}).")
        grid = noise_levels(path, num_steps, x0.dtype)

        def body(x: jax.Array, inputs: PyTree) -> tuple[jax.Array, jax.Array]:
            t, s, noises = inputs
            x = step(params, x, t, s, cond, noises)
            return x, x

        each = increments.reshape(num_steps - 1, draws, *x0.shape)
        x, states = jax.lax.scan(body, path.sigma(grid[0]) * x0, (grid[:-1], grid[1:], each))
        end = prediction.denoiser(params, x, grid[-1], cond)
        return end, jnp.concatenate([states, end[None]])

    return _implicit(init, prediction, run, (num_steps - 1) * evaluations + 1)


def _implicit(init: Init, prediction: Prediction, run: Run, num_evaluations: int) -> Transform:
    if prediction.coupled:
        refuse_coupled("sampler: prediction")
    return Transform(
        lambda key, z, cond=None: init(key, z["x0"], cond),
        Maps(lambda params, z, cond=None: run(params, z, cond)[0]),
        hooks=Hooks(lambda params, z, cond=None: run(params, z, cond)[1], lambda params, z, cond=None: num_evaluations),
        parts=prediction_parts(prediction),
    )
