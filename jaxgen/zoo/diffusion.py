"""Diffusion: denoise a Gaussian path; the same params are read as a stochastic sampler, as a sampler of few steps, or as an ODE."""

import jax
import jax.numpy as jnp

from jaxgen import paths
from jaxgen.bases import diffusion_noise, normal
from jaxgen.model import Model
from jaxgen.numerics import adaptive
from jaxgen.objectives import denoising, grid_times, lognormal_times, variational_bound
from jaxgen.objectives.weights import Weight
from jaxgen.training import Entry, Style, adam
from jaxgen.transform import Transform
from jaxgen.transforms import ancestral, ddim, euler_maruyama, heun, learned_path, probability_flow
from jaxgen.types import Params
from jaxgen.zoo.any_subset import AnySubset, by_guidance, of_normal, over_subsets, restricted
from jaxgen.zoo.forms import image, vector
from jaxgen.zoo.guidance import check_guidance, steered, with_dropout
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import read_as
from jaxgen.zoo.registry import Family, register
from jaxgen.zoo.velocity import in_steps, init_in_time, trace_for

DIFFUSION = Family(
    "diffusion",
    Style(
        "#8a63d6",
        "Noise is taken away little by little: along smooth paths by an ODE sampler, with fresh noise on the way by any other.",
        stage="t = {time:.2f}",
        moves=True,
    ),
)
NEIGHBOURS = {"width": 64, "depth": 2, "stem": 1, "network": "unet", "dtype": None, "remat": False}
"""The network options of images in time, which other families use too."""


@register(
    DIFFUSION,
    vector(width=108, depth=3, num_steps=5_000, small={"num_steps": 4, "num_ddim_steps": 4}),
    image(
        "continuous",
        **NEIGHBOURS,
        small={"num_steps": 4, "num_ddim_steps": 4, "num_ode_steps": 4},
        options={"num_steps": 250, "num_ddim_steps": 50, "num_ode_steps": 50, "learning_rate": 1e-3},
    ),
)
def ddpm(
    nets: Nets,
    *,
    num_steps: int = 100,
    num_ddim_steps: int = 25,
    num_ode_steps: int | None = None,
    guidance: float = 1.0,
    any_subset: AnySubset = False,
    learning_rate: float = 3e-3,
) -> Entry:
    """Predict the noise on a grid of noise levels, with the cosine schedule.

    Args:
        num_steps: Noise levels, which are the steps of the "ancestral" reading.
        num_ddim_steps: Steps of the "ddim" reading.
        num_ode_steps: Steps of Heun's method that a density takes; None solves it adaptively.
        guidance: The scale of classifier-free guidance; another scale than 1 drops a tenth of the conditions in training.
        any_subset: As for `cfm`. There is no "ancestral" reading then: its bound would count steps of coordinates that nobody asks for.

    Source: arXiv 2006.11239; arXiv 2102.09672; arXiv 2010.02502.
    """
    check_guidance("ddpm", guidance, nets.cond_dim)
    net, path, solver, trace = nets.of_event(1), paths.vp_cosine(), in_steps(num_ode_steps, "heun"), trace_for(nets.size)
    init, learnt = init_in_time(net), restricted(paths.prediction(path, net.apply, "eps"), any_subset)
    eps = steered(learnt, nets.cond_dim, guidance)
    readings = {
        "ancestral": Model(diffusion_noise(nets.event, num_steps), ancestral(init, eps, num_steps)),
        "ddim": Model(normal(nets.event), ddim(init, eps, num_ddim_steps, density_solver=solver, trace=trace)),
        "ode": Model(normal(nets.event), probability_flow(init, eps, solver=solver, trace=trace)),
    }
    plain = Model(diffusion_noise(nets.event, num_steps), ancestral(init, learnt, num_steps))
    objective = with_dropout(denoising(plain, path, "eps", times=grid_times(num_steps)), guidance)
    if any_subset:
        del readings["ancestral"]
    entry = read_as(_without_ode(readings, nets), objective, "noise prediction", adam(learning_rate))
    entry = by_guidance(nets, entry, learnt, any_subset)
    return over_subsets("ddpm", nets, entry, any_subset, of_normal(float(path.sigma(jnp.zeros(())))))


@register(DIFFUSION, vector(width=108, depth=3, num_steps=5_000, small={"num_steps": 4}))
def score_sde(nets: Nets, *, num_steps: int = 200, learning_rate: float = 3e-3) -> Entry:
    """Match the score of the variance-preserving SDE in continuous time, weighted by sigma^2.

    Args:
        num_steps: Steps of the "sde" reading.

    Source: arXiv 2011.13456.
    """
    net, path = nets.of_event(1), paths.vp_linear()
    score, init = paths.prediction(path, net.apply, "eps"), init_in_time(net)
    readings = {
        "sde": Model(diffusion_noise(nets.event, num_steps), euler_maruyama(init, score, num_steps)),
        # This path is stiff near the data: only so does the log-det agree with the solve's own Jacobian to 1e-4.
        "ode": Model(normal(nets.event), probability_flow(init, score, solver=adaptive(1e-6, 1e-6), trace=trace_for(nets.size))),
    }
    objective = denoising(readings["sde"], path, "score", weight=lambda path, t: path.sigma(t) ** 2)
    return read_as(readings, objective, "score matching", adam(learning_rate))


@register(
    DIFFUSION,
    vector(width=108, depth=3, num_steps=5_000, small={"num_steps": 4}),
    image(
        "continuous",
        **NEIGHBOURS,
        small={"num_steps": 4, "num_ode_steps": 4},
        options={"num_ode_steps": 50, "sigma_data": 0.5, "learning_rate": 1e-3},
    ),
)
def edm(
    nets: Nets,
    *,
    num_steps: int = 18,
    num_ode_steps: int | None = None,
    sigma_data: float = 1.0,
    guidance: float = 1.0,
    coupling: str = "independent",
    any_subset: AnySubset = False,
    learning_rate: float = 3e-3,
) -> Entry:
    """Train a preconditioned denoiser at log-normal noise levels, sampled by Heun's method.

    Args:
        num_steps: Steps of the "heun" reading.
        num_ode_steps: Steps of Heun's method that a density takes; None solves it adaptively.
        sigma_data: The standard deviation of the data.
        guidance: As for `ddpm`.
        coupling: Which noise meets which event, as `objectives.denoising` takes it by name. Any other than "independent" leaves no score.
        any_subset: As for `cfm`.

    Source: arXiv 2206.00364.
    """
    check_guidance("edm", guidance, nets.cond_dim)
    net, path, solver, trace = nets.of_event(1), paths.edm(), in_steps(num_ode_steps, "heun"), trace_for(nets.size)
    init, output = init_in_time(net), paths.preconditioned(path, net.apply, sigma_data)
    learnt = restricted(paths.prediction(path, output, "denoiser", coupled=coupling != "independent"), any_subset)
    denoiser = steered(learnt, nets.cond_dim, guidance)
    readings = {
        "heun": Model(normal(nets.event), heun(init, denoiser, num_steps, density_solver=solver, trace=trace)),
        "ode": Model(normal(nets.event), probability_flow(init, denoiser, solver=solver, trace=trace)),
    }
    plain = Model(normal(nets.event), probability_flow(init, learnt, trace=trace))
    objective = denoising(plain, path, "denoiser", weight=_inverse_variance(sigma_data), times=lognormal_times(path), coupling=coupling)
    entry = read_as(_without_ode(readings, nets), with_dropout(objective, guidance), "denoising", adam(learning_rate))
    entry = by_guidance(nets, entry, learnt, any_subset)
    return over_subsets("edm", nets, entry, any_subset, of_normal(float(path.sigma(jnp.zeros(())))))


@register(
    DIFFUSION,
    vector(width=108, depth=3, num_steps=5_000, small={"num_steps": 4}),
    image("continuous", **NEIGHBOURS, small={"num_steps": 4}, options={"num_steps": 250, "learning_rate": 1e-3}),
    compared=False,
)
def vdm(nets: Nets, *, num_steps: int = 100, learning_rate: float = 3e-3) -> Entry:
    """Train the variational bound itself, in bits per dimension, with the ends of the noise schedule learnt.

    The bound holds for an event in the units of its data; `zoo.in_units` counts the units of an image's pixels.

    Args:
        num_steps: Steps of the sampler and of the density.

    Source: arXiv 2107.00630.
    """
    net = nets.of_event(1)

    def path(ends: Params) -> paths.Path:
        # Whatever training does to the numbers, the log SNR grows.
        return paths.vp_log_snr(ends["low"], ends["low"] + jax.nn.softplus(ends["gap"]))

    def sampler(ends: Params) -> Transform:
        return ancestral(init_in_time(net), paths.prediction(path(ends), net.apply, "eps"), num_steps)

    # Pixels are known more finely than the coordinates of a plane, so their schedule ends at less noise.
    start = {"low": -5.0, "gap": 15.0 if nets.is_image else 12.0}
    model = Model(diffusion_noise(nets.event, num_steps), learned_path(sampler, start))
    objective = variational_bound(model, lambda params: path(params["path"]), num_time_bins=16)
    return read_as({"ancestral": model}, objective, "variational bound", adam(learning_rate))


def _inverse_variance(sigma_data: float) -> Weight:
    return lambda path, t: (1 / path.sigma(t)) ** 2 + sigma_data**-2


def _without_ode(readings: dict[str, Model], nets: Nets) -> dict[str, Model]:
    # An image's sampler of few steps has the ODE's density already.
    return {name: model for name, model in readings.items() if name != "ode" or not nets.is_image}
