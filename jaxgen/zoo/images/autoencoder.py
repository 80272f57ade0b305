"""Autoencoders of images with discrete pixels: a decoder of a Gaussian latent and uniform noise, with an encoder that sampling drops."""

from jaxgen.bases import joint, normal, uniform
from jaxgen.model import Model
from jaxgen.nets import Net, column_made, conv_decoder, conv_encoder, mlp, raveled
from jaxgen.objective import Objective
from jaxgen.objectives import elbo, importance_weighted, quantisation
from jaxgen.training import adam
from jaxgen.transforms import Rung, autoregressive_columns, chain, discrete_decoder, ladder_decoder, on, quantised_decoder, scale_and_shift
from jaxgen.zoo.registry import Recipe, register_images

FAMILY = "autoencoder"
WIDTHS = {"mlp": 500, "convolution": 32}
Shape = tuple[int, int, int]


@register_images(FAMILY, "discrete")
def vae(
    shape: Shape,
    cond_dim: int | None,
    *,
    levels: int = 2,
    network: str = "mlp",
    width: int | None = None,
    depth: int = 2,
    latent_dim: int = 40,
    learning_rate: float = 2e-3,
) -> Recipe:
    """Variational autoencoder with Bernoulli or categorical pixels (arXiv 1312.6114)."""
    model = _model(shape, levels, network, width, depth, latent_dim)
    return _recipe(model, elbo(model, warmup=0.1), "ELBO", learning_rate)


@register_images(FAMILY, "discrete")
def beta_vae(
    shape: Shape,
    cond_dim: int | None,
    *,
    levels: int = 2,
    network: str = "mlp",
    width: int | None = None,
    depth: int = 2,
    latent_dim: int = 40,
    beta: float = 4.0,
    learning_rate: float = 2e-3,
) -> Recipe:
    """The same model with the rate weighed by beta (ICLR 2017)."""
    model = _model(shape, levels, network, width, depth, latent_dim)
    return _recipe(model, elbo(model, beta, warmup=0.1), f"ELBO, beta {beta:g}", learning_rate)


@register_images(FAMILY, "discrete")
def iwae(
    shape: Shape,
    cond_dim: int | None,
    *,
    levels: int = 2,
    network: str = "mlp",
    width: int | None = None,
    depth: int = 2,
    latent_dim: int = 40,
    num_draws: int = 5,
    learning_rate: float = 2e-3,
) -> Recipe:
    """The same model with the importance-weighted bound of several draws (arXiv 1509.00519)."""
    model = _model(shape, levels, network, width, depth, latent_dim)
    return _recipe(model, importance_weighted(model, num_draws), f"bound of {num_draws} draws", learning_rate)


@register_images(FAMILY, "discrete")
def vq_vae(
    shape: Shape,
    cond_dim: int | None,
    *,
    levels: int = 2,
    network: str = "mlp",
    width: int | None = None,
    depth: int = 2,
    latent_dim: int = 32,
    num_codes: int = 64,
    code_dim: int = 8,
    prior_width: int = 256,
    commitment: float = 0.25,
    learning_rate: float = 1e-3,
) -> Recipe:
    """Vector-quantised autoencoder of `latent_dim` codes with a masked autoregressive prior, both in one fit (arXiv 1711.00937)."""
    decoder, encoder = networks(shape, levels, network, width, depth, latent_dim * code_dim)
    # All columns are categories, so the scalar for numbers is never asked.
    prior = autoregressive_columns(
        (num_codes,) * latent_dim, scale_and_shift(), lambda out, seen: column_made(out, seen, width=prior_width), "uniform"
    )
    base = joint({"codes": uniform((latent_dim,)), "noise": uniform(shape)})
    model = Model(base, chain(on("codes", prior), quantised_decoder(decoder, encoder, num_codes, code_dim, levels)))
    return _recipe(model, quantisation(model, commitment), "bound and quantisation", learning_rate)


@register_images(FAMILY, "discrete")
def ladder_vae(
    shape: Shape,
    cond_dim: int | None,
    *,
    levels: int = 2,
    network: str = "mlp",
    width: int | None = None,
    depth: int = 2,
    latent_dim: int = 12,
    num_layers: int = 5,
    state_dim: int = 256,
    learning_rate: float = 1e-3,
) -> Recipe:
    """A hierarchy of `num_layers` latents drawn from the top down (arXiv 1602.02282; 2011.10650)."""
    decoder, encoder = networks(shape, levels, network, width, depth, state_dim)
    rung = Rung(*(mlp(out, width=state_dim, depth=1) for out in (2 * latent_dim, 2 * latent_dim, state_dim)))
    base = joint({"latent": normal((num_layers, latent_dim)), "noise": uniform(shape)})
    model = Model(base, ladder_decoder(rung, decoder, encoder, state_dim, levels))
    return _recipe(model, elbo(model, warmup=0.1), "ELBO", learning_rate)


def _model(shape: Shape, levels: int, network: str, width: int | None, depth: int, latent_dim: int) -> Model:
    nets = networks(shape, levels, network, width, depth, 2 * latent_dim)
    return Model(joint({"latent": normal((latent_dim,)), "noise": uniform(shape)}), discrete_decoder(*nets, levels=levels))


def networks(shape: Shape, levels: int, network: str, width: int | None, depth: int, encoded: int) -> tuple[Net, Net]:
    """Decoder, and encoder to `encoded` numbers: "mlp" sees pixels in a row and is what a CPU affords, "convolution" sees neighbours."""
    if network not in WIDTHS:
        raise ValueError(f"network={network!r}; accepted: {', '.join(WIDTHS)}.")
    outputs = (*shape[:2], shape[2] * (levels - 1))
    width = WIDTHS[network] if width is None else width
    if network == "convolution":
        return conv_decoder(outputs, width=width, depth=depth), conv_encoder(encoded, width=width, depth=depth)
    decoder = mlp(outputs[0] * outputs[1] * outputs[2], width=width, depth=depth)
    return raveled(decoder, outputs), raveled(mlp(encoded, width=width, depth=depth))


def _recipe(model: Model, objective: Objective, name: str, learning_rate: float) -> Recipe:
    return Recipe({"default": model}, objective, name, adam(learning_rate), 20_000)
