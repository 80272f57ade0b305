"""Few steps: flow maps from noise to data in one evaluation of a network. Other readings of the params take more steps."""

from collections.abc import Callable

import jax

from jaxgen import objectives
from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import Net
from jaxgen.numerics import fixed
from jaxgen.training import Entry, Style, adam
from jaxgen.transforms import flow_map, generator, ode_flow
from jaxgen.zoo.adversarial import free_generator
from jaxgen.zoo.diffusion import NEIGHBOURS
from jaxgen.zoo.forms import image, vector
from jaxgen.zoo.guidance import DROPPED, check_guidance
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import read_as, titled
from jaxgen.zoo.registry import Family, register
from jaxgen.zoo.velocity import in_steps, init_in_time, init_in_times, trace_for, velocity_flow

FEW_STEPS = Family(
    "few steps",
    Style(
        "#cf5450",
        "The way from noise to data in one evaluation of a network, or a few: the map itself is learned, not a velocity to be followed.",
    ),
)


@register(FEW_STEPS, vector(width=108, depth=3, num_steps=8_000), compared=False)
def rectified_flow(nets: Nets, *, rounds: int = 2, learning_rate: float = 3e-3) -> Entry:
    """Match a flow, then match it again on its own pairs, until one step of Euler's method solves it.

    Args:
        rounds: How often a flow is matched; the first round is flow matching on data.

    Source: arXiv 2209.03003.
    """
    net, base = nets.of_event(1), normal(nets.event)
    step = flow_map(init_in_time(net), _to_end(net), density="ode", trace=trace_for(nets.size))
    readings = {"one_step": Model(base, step), "ode": Model(base, velocity_flow(net, nets.size))}
    return read_as(readings, objectives.reflow(readings["ode"], rounds), "flow matching, reflow", adam(learning_rate, cycles=rounds))


@register(
    FEW_STEPS,
    vector(width=108, depth=3, num_steps=5_000),
    image(
        "continuous",
        **NEIGHBOURS,
        small={"num_steps": 4},
        options={"num_steps": 25, "coupling": "independent", "power": 1.0, "learning_rate": 1e-3},
    ),
    compared=False,
)
def meanflow(
    nets: Nets,
    *,
    num_steps: int | None = None,
    coupling: str = "conditional_optimal_transport",
    power: float = 0.0,
    guidance: float = 1.0,
    learning_rate: float = 3e-3,
) -> Entry:
    """Learn the average velocity of flow matching's ODE by the MeanFlow identity.

    Args:
        num_steps: Steps of the midpoint rule that the "ode" reading and the density take; None solves the ODE adaptively.
        coupling: The coupling of noise and data. Optimal transport, within classes if there are conditions, takes most of the variance out
            of the identity's right side; the paper's coupling is "independent".
        power: The power of the adaptive weight of each row, as in `objectives.mean_flow`.
        guidance: The scale of classifier-free guidance that is trained in; an all-zero condition then means none.

    Source: arXiv 2505.13447.
    """
    check_guidance("meanflow", guidance, nets.cond_dim)
    net, base, solver, trace = nets.of_event(2), normal(nets.event), in_steps(num_steps), trace_for(nets.size)
    init = init_in_times(net)
    step = flow_map(init, net.apply, density="ode", solver=solver, trace=trace)
    ode = ode_flow(init, step.parts["velocity"].field(), solver=solver, trace=trace)
    readings = {"one_step": Model(base, step), "ode": Model(base, ode)}
    drop = 0.0 if guidance == 1 else DROPPED
    objective = objectives.mean_flow(readings["one_step"], coupling=coupling, power=power, guidance=guidance, drop=drop)
    return read_as(readings, objective, "MeanFlow", adam(learning_rate))


@register(FEW_STEPS, vector(width=108, depth=3, num_steps=5_000), compared=False)
def consistency(nets: Nets, *, coupling: str = "conditional_optimal_transport", learning_rate: float = 3e-3) -> Entry:
    """Train a consistency model from data alone.

    Two steps keep the noise and go on from half way between it and the first guess. New noise there, as `renoised_flow_map` puts it, has
    the law of the path for independent pairs only.

    Args:
        coupling: The coupling of noise and data, as for `meanflow`; the papers' coupling is "independent".

    Source: arXiv 2303.01469; arXiv 2310.14189.
    """
    net = nets.of_event(1)
    steps = {"one_step": 1, "two_steps": 2}
    readings = {name: Model(normal(nets.event), flow_map(init_in_time(net), _to_end(net), n)) for name, n in steps.items()}
    objective = objectives.consistency(readings["one_step"], levels=(10, 40), coupling=coupling)
    return read_as(readings, objective, "consistency training", adam(learning_rate))


@register(FEW_STEPS, vector(width=108, depth=3, num_steps=5_000), compared=False)
def imm(nets: Nets, *, coupling: str = "conditional_optimal_transport", learning_rate: float = 3e-3) -> Entry:
    """Match the moments of a flow map's steps inductively.

    Args:
        coupling: The coupling of noise and data, as for `meanflow`; the paper's coupling is "independent".

    Source: arXiv 2503.07565.
    """
    net = nets.of_event(2)
    steps = {"one_step": 1, "four_steps": 4}
    readings = {name: Model(normal(nets.event), flow_map(init_in_times(net), net.apply, n)) for name, n in steps.items()}
    objective = objectives.inductive_moment_matching(readings["one_step"], coupling=coupling)
    return read_as(readings, objective, "inductive moment matching", adam(learning_rate))


@register(
    FEW_STEPS,
    vector(width=108, depth=3, num_steps=5_000),
    image("continuous", **NEIGHBOURS, options={"learning_rate": 1e-3}),
    compared=False,
)
def drifting(nets: Nets, *, learning_rate: float = 2e-3) -> Entry:
    """Let the samples of a generator drift towards the data, in the space of events; an image's noise has the image's shape.

    Source: arXiv 2602.04770.
    """
    model = Model(normal(nets.event), generator(nets.of_event(0))) if nets.is_image else free_generator(nets)
    return titled(model, objectives.drifting(model), "drifting", adam(learning_rate))


@register(FEW_STEPS, vector(width=108, depth=3, num_steps=8_000, small={"num_steps": 4}), compared=False)
def distilled(nets: Nets, *, num_steps: int = 32, learning_rate: float = 3e-3) -> Entry:
    """Train a generator of one evaluation on what flow matching's ODE makes of each noise.

    Args:
        num_steps: Evaluations that the teacher takes to solve its ODE.

    Source: arXiv 2101.02388.
    """
    net, base = nets.of_event(1), normal(nets.event)
    model = Model(base, flow_map(init_in_time(net), _to_end(net)))
    teacher = Model(base, velocity_flow(net, nets.size, fixed(max(1, num_steps // 2), "midpoint")))
    objective = objectives.distillation(model, teacher, objectives.flow_matching(teacher))
    return titled(model, objective, "flow matching, distilled", adam(learning_rate, cycles=2))


def _to_end(net: Net) -> Callable[..., jax.Array]:
    """Return a network in `(x, t, cond)` as a mean velocity that is the same for every end s of the step."""
    return lambda params, x, t, s, cond=None: net.apply(params, x, t, cond)
