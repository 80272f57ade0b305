"""Diffusion: denoise a Gaussian path; the same params are read as a stochastic sampler, a few-step one, or an ODE.

The recipes take any network in `(x, t, cond)` and any shape of events; the forms for images give them others (`zoo/images/diffusion.py`).
"""

import math
from collections.abc import Sequence
from typing import Any

import jax

from jaxgen import paths
from jaxgen.bases import diffusion_noise, normal
from jaxgen.model import Model
from jaxgen.nets import Net, time_mlp
from jaxgen.numerics import Solver, adaptive
from jaxgen.objectives import denoising, lognormal_times, variational_bound
from jaxgen.objectives.denoising import grid_times
from jaxgen.training import adam
from jaxgen.transform import Transform
from jaxgen.transforms import ancestral, ddim, euler_maruyama, heun, learned_path, probability_flow
from jaxgen.zoo.guidance import steered, with_dropout
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
    return ddpm_recipe(time_mlp(dim, width=width, depth=depth), (dim,), cond_dim, num_steps, num_ddim_steps, learning_rate)


def ddpm_recipe(
    net: Net,
    shape: Sequence[int],
    cond_dim: int | None,
    num_steps: int,
    num_ddim_steps: int,
    learning_rate: float,
    solver: Solver | None = None,
    guidance: float = 1.0,
) -> Recipe:
    """`ddpm` of any network for events of `shape`."""
    path, init, trace = paths.vp_cosine(), init_in_time(net), trace_for(math.prod(shape))
    learnt = paths.prediction(path, net.apply, "eps")
    eps = steered(learnt, cond_dim, guidance)
    readings = {
        "ancestral": Model(diffusion_noise(shape, num_steps), ancestral(init, eps, num_steps)),
        "ddim": Model(normal(shape), ddim(init, eps, num_ddim_steps, density_solver=solver, trace=trace)),
        "ode": Model(normal(shape), probability_flow(init, eps, solver=solver, trace=trace)),
    }
    plain = Model(diffusion_noise(shape, num_steps), ancestral(init, learnt, num_steps))
    objective = with_dropout(denoising(plain, path, "eps", times=grid_times(num_steps)), guidance)
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
    return edm_recipe(time_mlp(dim, width=width, depth=depth), (dim,), cond_dim, num_steps, sigma_data, learning_rate)


def edm_recipe(
    net: Net,
    shape: Sequence[int],
    cond_dim: int | None,
    num_steps: int,
    sigma_data: float,
    learning_rate: float,
    solver: Solver | None = None,
    guidance: float = 1.0,
) -> Recipe:
    """`edm` of any network for events of `shape`."""
    path, init, trace = paths.edm(), init_in_time(net), trace_for(math.prod(shape))
    learnt = paths.prediction(path, paths.preconditioned(path, net.apply, sigma_data), "denoiser")
    denoiser = steered(learnt, cond_dim, guidance)
    readings = {
        "heun": Model(normal(shape), heun(init, denoiser, num_steps, density_solver=solver, trace=trace)),
        "ode": Model(normal(shape), probability_flow(init, denoiser, solver=solver, trace=trace)),
    }
    plain = Model(normal(shape), probability_flow(init, learnt, trace=trace))
    objective = denoising(
        plain, path, "denoiser", weight=lambda path, t: (1 / path.sigma(t)) ** 2 + sigma_data**-2, times=lognormal_times(path)
    )
    return Recipe(readings, with_dropout(objective, guidance), "denoising", adam(learning_rate), 5_000)


@register(FAMILY, compared=False)
def vdm(dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, num_steps: int = 100, learning_rate: float = 3e-3) -> Recipe:
    """Variational diffusion: the bound itself, in bits per dimension, with the ends of the noise schedule learnt (arXiv 2107.00630)."""
    return vdm_recipe(time_mlp(dim, width=width, depth=depth), (dim,), num_steps, {"low": -5.0, "gap": 12.0}, learning_rate)


def vdm_recipe(net: Net, shape: Sequence[int], num_steps: int, start: dict[str, float], learning_rate: float) -> Recipe:
    """`vdm` of any network for events of `shape`; start: the lowest log SNR and (before softplus) how much higher the highest is."""

    def path(ends: Any) -> paths.Path:
        # Whatever training does to the numbers, the log SNR grows.
        return paths.vp_log_snr(ends["low"], ends["low"] + jax.nn.softplus(ends["gap"]))

    def sampler(ends: Any) -> Transform:
        return ancestral(init_in_time(net), paths.prediction(path(ends), net.apply, "eps"), num_steps)

    model = Model(diffusion_noise(shape, num_steps), learned_path(sampler, start))
    objective = variational_bound(model, lambda params: path(params["path"]), num_time_bins=16)
    return Recipe({"ancestral": model}, objective, "variational bound", adam(learning_rate), 5_000)
