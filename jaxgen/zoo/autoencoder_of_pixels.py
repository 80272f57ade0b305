"""Autoencoders of discrete pixels only: several draws in the bound, a codebook, and a hierarchy of latents."""

from jaxgen.bases import joint, normal, uniform
from jaxgen.model import Model
from jaxgen.nets import column_made, mlp
from jaxgen.objectives import elbo, importance_weighted, quantisation
from jaxgen.training import Entry, adam
from jaxgen.transforms import Rung, autoregressive_columns, chain, ladder_decoder, on, quantised_decoder, scale_and_shift
from jaxgen.zoo.autoencoder import AUTOENCODER, PIXELS, discrete_model
from jaxgen.zoo.forms import image
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import titled
from jaxgen.zoo.registry import register


@register(AUTOENCODER, image("discrete", **PIXELS, small={"latent_dim": 3}))
def iwae(nets: Nets, *, latent_dim: int = 40, num_draws: int = 5, learning_rate: float = 2e-3) -> Entry:
    """Train the model of `vae` by the importance-weighted bound.

    Args:
        latent_dim: Numbers of a latent.
        num_draws: Draws of the latent in the bound of each event.

    Source: arXiv 1509.00519.
    """
    model = discrete_model(nets, latent_dim)
    return titled(model, importance_weighted(model, num_draws), f"bound of {num_draws} draws", adam(learning_rate))


@register(AUTOENCODER, image("discrete", **PIXELS, small={"latent_dim": 3, "num_codes": 4, "code_dim": 2, "prior_width": 8}))
def vq_vae(
    nets: Nets,
    *,
    latent_dim: int = 32,
    num_codes: int = 64,
    code_dim: int = 8,
    prior_width: int = 256,
    commitment: float = 0.25,
    learning_rate: float = 1e-3,
) -> Entry:
    """Train a vector-quantised autoencoder and the masked autoregressive prior of its codes, both in one fit.

    Args:
        latent_dim: How many codes an event has.
        num_codes: How many entries the codebook has.
        code_dim: Numbers of an entry of the codebook.
        prior_width: Units of a hidden layer of the prior.
        commitment: The weight that keeps the encoder near the codebook.

    Source: arXiv 1711.00937.
    """
    decoder, encoder = nets.coders(latent_dim * code_dim, nets.levels - 1)
    # All columns are categories, so the scalar for numbers is never asked.
    prior = autoregressive_columns(
        (num_codes,) * latent_dim, scale_and_shift(), lambda out, features: column_made(out, features, width=prior_width), "uniform"
    )
    base = joint({"codes": uniform((latent_dim,)), "noise": uniform(nets.event)})
    model = Model(base, chain(on("codes", prior), quantised_decoder(decoder, encoder, num_codes, code_dim, nets.levels)))
    return titled(model, quantisation(model, commitment), "bound and quantisation", adam(learning_rate))


@register(AUTOENCODER, image("discrete", **PIXELS, small={"latent_dim": 3, "num_layers": 2, "state_dim": 6}))
def ladder_vae(nets: Nets, *, latent_dim: int = 12, num_layers: int = 5, state_dim: int = 256, learning_rate: float = 1e-3) -> Entry:
    """Train a hierarchy of latents that is drawn from the top down.

    Args:
        latent_dim: Numbers of each latent.
        num_layers: How many latents there are.
        state_dim: Numbers of the state that runs through the hierarchy.

    Source: arXiv 1602.02282; arXiv 2011.10650.
    """
    decoder, encoder = nets.coders(state_dim, nets.levels - 1)
    rung = Rung(*(mlp(out, width=state_dim, depth=1) for out in (2 * latent_dim, 2 * latent_dim, state_dim)))
    base = joint({"latent": normal((num_layers, latent_dim)), "noise": uniform(nets.event)})
    model = Model(base, ladder_decoder(rung, decoder, encoder, state_dim, nets.levels))
    return titled(model, elbo(model, warmup=0.1), "ELBO", adam(learning_rate))
