"""Flow matching: the continuous normalizing flow's base and transform, trained by regression on the velocity of a path."""

from jaxgen import paths
from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.objectives import couplings, flow_matching
from jaxgen.objectives.couplings import Coupling
from jaxgen.training import Entry, Style, adam
from jaxgen.transforms import ode_flow
from jaxgen.zoo.any_subset import AnySubset, of_normal, over_subsets, restricted
from jaxgen.zoo.diffusion import NEIGHBOURS
from jaxgen.zoo.forms import image, vector
from jaxgen.zoo.guidance import check_guidance, steered, with_dropout
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import titled
from jaxgen.zoo.registry import Family, register
from jaxgen.zoo.velocity import in_steps, init_in_time, trace_for, velocity_flow

FLOW_MATCHING = Family(
    "flow matching",
    Style(
        "#149a8b",
        "A velocity field, learned by regression on straight lines, carries every point from noise to data along a smooth path.",
        stage="t = {time:.2f}",
        moves=True,
    ),
)


@register(
    FLOW_MATCHING,
    vector(width=108, depth=3, num_steps=5_000),
    image("continuous", **NEIGHBOURS, small={"num_steps": 4}, options={"num_steps": 25, "learning_rate": 1e-3}),
)
def cfm(
    nets: Nets, *, num_steps: int | None = None, guidance: float = 1.0, any_subset: AnySubset = False, learning_rate: float = 3e-3
) -> Entry:
    """Match the velocity of straight lines between independent pairs of noise and data.

    Args:
        num_steps: Steps of the midpoint rule by which the ODE is solved; None solves it adaptively.
        guidance: The scale of classifier-free guidance; another scale than 1 drops a tenth of the conditions in training.
        any_subset: Train on all subsets of the coordinates, so that any of them may be given to the model (`jaxgen.sample(..., given=)`) and
            missing values are trained on. A sequence says how many coordinates each column has.

    Source: arXiv 2210.02747.
    """
    check_guidance("cfm", guidance, nets.cond_dim)
    net, solver = nets.of_event(1), in_steps(num_steps)
    learnt = restricted(paths.prediction(paths.linear(), net.apply, "velocity"), any_subset)
    steer = steered(learnt, nets.cond_dim, guidance)
    model, plain = (
        Model(normal(nets.event), ode_flow(init_in_time(net), read.velocity, solver=solver, trace=trace_for(nets.size)))
        for read in (steer, learnt)
    )
    entry = titled(model, with_dropout(flow_matching(plain), guidance), "flow matching", adam(learning_rate))
    return over_subsets("cfm", nets, entry, any_subset, of_normal(1.0))


@register(FLOW_MATCHING, vector(width=108, depth=3, num_steps=2_000))
def ot_cfm(nets: Nets, *, learning_rate: float = 3e-3) -> Entry:
    """Match a flow on pairs of noise and data from optimal transport within a batch.

    Source: arXiv 2302.00482.
    """
    return _matched(nets, learning_rate, "optimal transport", coupling="optimal_transport")


@register(FLOW_MATCHING, vector(width=108, depth=3, num_steps=5_000), compared=False)
def sb_cfm(nets: Nets, *, sigma: float = 0.5, learning_rate: float = 3e-3) -> Entry:
    """Match a flow on entropic pairs with a Brownian bridge between them, as in a Schrodinger bridge.

    Args:
        sigma: The scale of the Brownian bridge.

    Source: arXiv 2302.00482, section 3.2.4.
    """
    between = paths.interpolant(variance=paths.brownian_variance(sigma**2))
    return _matched(nets, learning_rate, "Schrodinger bridge", between, couplings.entropic(2 * sigma**2))


@register(FLOW_MATCHING, vector(width=108, depth=3, num_steps=5_000), compared=False)
def vp_cfm(nets: Nets, *, learning_rate: float = 3e-3) -> Entry:
    """Match a flow on the variance-preserving trigonometric path.

    Source: arXiv 2209.15571.
    """
    return _matched(nets, learning_rate, "variance preserving", paths.trigonometric())


@register(FLOW_MATCHING, vector(width=108, depth=3, num_steps=2_000), compared=False)
def c2ot_cfm(nets: Nets, *, ratio: float | None = None, learning_rate: float = 3e-3) -> Entry:
    """Match a flow by optimal transport that keeps to the condition; without conditions it is `ot_cfm`.

    Args:
        ratio: How many neighbours in the condition a pair may come from, as `couplings.conditional_optimal_transport` takes it: None for
            classes, and 0.05, the paper's, for continuous conditions.

    Source: arXiv 2503.10636.
    """
    return _matched(nets, learning_rate, "conditional transport", coupling=couplings.conditional_optimal_transport(ratio))


def _matched(
    nets: Nets,
    learning_rate: float,
    title: str,
    path: paths.Path | paths.Interpolant | None = None,
    coupling: str | Coupling = "independent",
) -> Entry:
    model = Model(normal(nets.event), velocity_flow(nets.of_event(1), nets.size))
    return titled(model, flow_matching(model, path, coupling=coupling), f"flow matching, {title}", adam(learning_rate))
