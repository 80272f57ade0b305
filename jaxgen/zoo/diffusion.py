"""Diffusion: denoise a Gaussian path; the same params are read as a stochastic sampler, a few-step one, or an ODE."""

from typing import Any

import jax

from jaxgen import paths
from jaxgen.bases import diffusion_noise, normal
from jaxgen.model import Model
from jaxgen.nets import time_mlp
from jaxgen.numerics import adaptive
from jaxgen.objectives import denoising, lognormal_times, variational_bound
from jaxgen.objectives.denoising import grid_times
from jaxgen.training import adam
from jaxgen.transform import Transform
from jaxgen.transforms import ancestral, ddim, euler_maruyama, heun, learned_path, probability_flow
from jaxgen.zoo.registry import Recipe, register
from jaxgen.zoo.velocity import init_in_time, trace_for

FAMILY = "diffusion"


@register(FAMILY)
def ddpm(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 108,
    depth: int = 3,
    num_steps: int = 100,
    num_ddim_steps: int = 25,
    learning_rate: float = 3e-3,
) -> Recipe:
    """Noise prediction on a grid of `num_steps` noise levels (arXiv 2006.11239), cosine schedule (arXiv 2102.09672)."""
    net, path = time_mlp(dim, width=width, depth=depth), paths.vp_cosine()
    eps, init, trace = paths.prediction(path, net.apply, "eps"), init_in_time(net), trace_for(dim)
    readings = {
        "ancestral": Model(diffusion_noise((dim,), num_steps), ancestral(init, eps, num_steps)),
        "ddim": Model(normal((dim,)), ddim(init, eps, num_ddim_steps, trace=trace)),
        "ode": Model(normal((dim,)), probability_flow(init, eps, trace=trace)),
    }
    objective = denoising(readings["ancestral"], path, "eps", times=grid_times(num_steps))
    return Recipe(readings, objective, "noise prediction", adam(learning_rate), 5_000)


@register(FAMILY)
def score_sde(
    dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, num_steps: int = 200, learning_rate: float = 3e-3
) -> Recipe:
    """Score matching in continuous time on the variance-preserving SDE (arXiv 2011.13456), weighted by sigma^2."""
    net, path = time_mlp(dim, width=width, depth=depth), paths.vp_linear()
    score, init = paths.prediction(path, net.apply, "eps"), init_in_time(net)
    readings = {
        "sde": Model(diffusion_noise((dim,), num_steps), euler_maruyama(init, score, num_steps)),
        # This path is stiff near the data: only so does the log-det agree with the solve's own Jacobian to 1e-4.
        "ode": Model(normal((dim,)), probability_flow(init, score, solver=adaptive(1e-6, 1e-6), trace=trace_for(dim))),
    }
    objective = denoising(readings["sde"], path, "score", weight=lambda path, t: path.sigma(t) ** 2)
    return Recipe(readings, objective, "score matching", adam(learning_rate), 5_000)


@register(FAMILY)
def edm(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 108,
    depth: int = 3,
    num_steps: int = 18,
    sigma_data: float = 1.0,
    learning_rate: float = 3e-3,
) -> Recipe:
    """Preconditioned denoiser, log-normal noise levels, Heun's method (arXiv 2206.00364)."""
    net, path = time_mlp(dim, width=width, depth=depth), paths.edm()
    denoiser, init = paths.prediction(path, paths.preconditioned(path, net.apply, sigma_data), "denoiser"), init_in_time(net)
    readings = {
        "heun": Model(normal((dim,)), heun(init, denoiser, num_steps, trace=trace_for(dim))),
        "ode": Model(normal((dim,)), probability_flow(init, denoiser, trace=trace_for(dim))),
    }
    objective = denoising(
        readings["ode"], path, "denoiser", weight=lambda path, t: (1 / path.sigma(t)) ** 2 + sigma_data**-2, times=lognormal_times(path)
    )
    return Recipe(readings, objective, "denoising", adam(learning_rate), 5_000)


@register(FAMILY, compared=False)
def vdm(dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, num_steps: int = 100, learning_rate: float = 3e-3) -> Recipe:
    """Variational diffusion: the bound itself, in bits per dimension, with the ends of the noise schedule learnt (arXiv 2107.00630)."""
    net = time_mlp(dim, width=width, depth=depth)

    def path(ends: Any) -> paths.Path:
        # Whatever training does to the numbers, the log SNR grows.
        return paths.vp_log_snr(ends["low"], ends["low"] + jax.nn.softplus(ends["gap"]))

    def sampler(ends: Any) -> Transform:
        return ancestral(init_in_time(net), paths.prediction(path(ends), net.apply, "eps"), num_steps)

    model = Model(diffusion_noise((dim,), num_steps), learned_path(sampler, {"low": -5.0, "gap": 12.0}))
    objective = variational_bound(model, lambda params: path(params["path"]), num_time_bins=16)
    return Recipe({"ancestral": model}, objective, "variational bound", adam(learning_rate), 5_000)
