"""A flow in the latent space of a variational autoencoder: the recipes of both, one after the other in one fit."""

from jaxgen.bases import joint, normal, uniform
from jaxgen.model import Model
from jaxgen.nets import Net, time_mlp
from jaxgen.numerics import fixed
from jaxgen.objectives import elbo, latent_prior
from jaxgen.training import adam, in_turn
from jaxgen.transform import chain
from jaxgen.transforms import diagonal_affine, discrete_decoder, on
from jaxgen.zoo.flow_matching import FAMILY, cfm_recipe
from jaxgen.zoo.guidance import check_guidance
from jaxgen.zoo.images.autoencoder import networks
from jaxgen.zoo.registry import Recipe, register_images


@register_images(FAMILY, "discrete")
def latent_cfm(
    shape: tuple[int, int, int],
    cond_dim: int | None,
    *,
    levels: int = 2,
    network: str = "convolution",
    width: int | None = None,
    depth: int = 1,
    latent_dim: int = 16,
    prior_width: int = 256,
    beta: float = 1.0,
    num_steps: int = 25,
    guidance: float = 1.0,
    learning_rate: float = 1e-3,
) -> Recipe:
    """Flow matching on the codes of a frozen VAE (arXiv 2106.05931, 2112.10752), solved in `num_steps` steps of the midpoint rule.

    The VAE learns in the first half of the steps, with its rate weighed by beta and without the conditions, which are the flow's alone.
    guidance: scale of classifier-free guidance; other than 1 it drops a tenth of the conditions in training.
    """
    check_guidance("latent_cfm", guidance, cond_dim)
    base = joint({"latent": normal((latent_dim,)), "noise": uniform(shape)})
    decoder, encoder = (_without_cond(net) for net in networks(shape, levels, network, width, depth, 2 * latent_dim))
    vae = discrete_decoder(decoder, encoder, levels)
    prior = cfm_recipe(
        time_mlp(latent_dim, width=prior_width), (latent_dim,), cond_dim, learning_rate, fixed(num_steps, "midpoint"), guidance
    )
    flow = prior.readings["default"].transform
    # Of any dimension the divergence is the exact one: an estimate's noise would lift the bound of several draws above log p(x).
    flow = flow if flow.refine is None else flow.refine(0, exact=True)
    whole = chain(on("latent", flow), on("latent", diagonal_affine()), vae)
    # Its rate is that of a standard normal prior, which this model's is not.
    model = Model(base, whole._replace(parts={name: part for name, part in whole.parts.items() if name != "distortion_and_rate"}))
    objective = latent_prior(model, elbo(Model(base, vae), beta, warmup=0.1), prior.objective)
    optimizer = in_turn(adam(learning_rate), prior.optimizer, lambda trained: (("second", "first", "first"), "first"))
    return Recipe({"default": model}, objective, "ELBO, then flow matching", optimizer, 20_000)


def _without_cond(net: Net) -> Net:
    return Net(lambda key, x, cond=None: net.init(key, x, None), lambda params, x, cond=None: net.apply(params, x, None))
