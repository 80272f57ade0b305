"""A flow in the latent space of a variational autoencoder: `vae` and `cfm`, one after the other in one fit."""

from jaxgen.bases import joint, normal, uniform
from jaxgen.model import Model
from jaxgen.nets import Net
from jaxgen.objectives import elbo, latent_prior, with_prior
from jaxgen.training import Entry, adam, in_turn
from jaxgen.transforms import discrete_decoder
from jaxgen.zoo.flow_matching import FLOW_MATCHING, cfm
from jaxgen.zoo.forms import image
from jaxgen.zoo.guidance import check_guidance
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import titled
from jaxgen.zoo.registry import register


@register(
    FLOW_MATCHING,
    image(
        "discrete",
        levels=2,
        network="convolution",
        width=None,
        depth=1,
        small={"network": "mlp", "latent_dim": 3, "prior_width": 8, "num_steps": 4},
    ),
)
def latent_cfm(
    nets: Nets,
    *,
    latent_dim: int = 16,
    prior_width: int = 256,
    beta: float = 1.0,
    num_steps: int = 25,
    guidance: float = 1.0,
    learning_rate: float = 1e-3,
) -> Entry:
    """Match a flow on the codes of a frozen variational autoencoder.

    The autoencoder learns in the first half of the steps, and without the conditions, which are the flow's alone.

    Args:
        latent_dim: Numbers of a latent.
        prior_width: Units of a hidden layer of the flow's network.
        beta: The weight of the autoencoder's rate.
        num_steps: Steps of the midpoint rule by which the flow is solved.
        guidance: The scale of classifier-free guidance; another scale than 1 drops a tenth of the conditions in training.

    Source: arXiv 2106.05931; arXiv 2112.10752.
    """
    check_guidance("latent_cfm", guidance, nets.cond_dim)
    base = joint({"latent": normal((latent_dim,)), "noise": uniform(nets.event)})
    decoder, encoder = (_without_cond(net) for net in nets.coders(2 * latent_dim, nets.levels - 1))
    vae = discrete_decoder(decoder, encoder, nets.levels)
    latent = Nets((latent_dim,), nets.cond_dim, width=prior_width, depth=3)
    prior = cfm(latent, num_steps=num_steps, guidance=guidance, learning_rate=learning_rate)
    flow = prior.model.transform
    # Of any dimension the divergence is the exact one: an estimate's noise would lift the bound of several draws above log p(x).
    flow = flow if flow.hooks.refine is None else flow.hooks.refine(0, exact=True)
    model = with_prior(Model(base, vae), Model(prior.model.base, flow))
    objective = latent_prior(model, elbo(Model(base, vae), beta, warmup=0.1), prior.objective)
    optimizer = in_turn(adam(learning_rate), prior.optimizer, lambda trained: (("second", "first", "first"), "first"))
    return titled(model, objective, "ELBO, then flow matching", optimizer)


def _without_cond(net: Net) -> Net:
    return Net(lambda key, x, cond=None: net.init(key, x, None), lambda params, x, cond=None: net.apply(params, x, None))
