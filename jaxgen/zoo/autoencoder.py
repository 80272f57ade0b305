"""Autoencoders: a decoder of a small Gaussian noise, with an encoder that sampling drops."""

from jaxgen.bases import joint, latent_and_noise, normal, uniform
from jaxgen.model import Model
from jaxgen.objectives import elbo, gaussian_of_codes, reconstruction
from jaxgen.training import Entry, Style, adam
from jaxgen.transforms import autoencoder, chain, discrete_decoder, gaussian_decoder, triangular_affine
from jaxgen.zoo.forms import image, vector
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import titled
from jaxgen.zoo.registry import Family, register

AUTOENCODER = Family(
    "autoencoder",
    Style(
        "#d98324",
        "A decoder turns latent noise into data; the encoder that taught it (grey) serves training and the density, never sampling.",
        stage="mean",
    ),
)
PIXELS = {"levels": 2, "network": "mlp", "width": None, "depth": 2}


@register(AUTOENCODER, vector(width=108, depth=3))
def ae(nets: Nets, *, latent_dim: int | None = None, learning_rate: float = 2e-3) -> Entry:
    """Train a deterministic autoencoder, behind an affine that becomes the Gaussian of its codes after training.

    Args:
        latent_dim: Numbers of a code; None takes half as many as an event has, from 1 to 16.
    """
    code = latent_dim or max(1, min(nets.size // 2, 16))
    model = Model(normal((code,)), chain(triangular_affine(), autoencoder(*nets.coders(code, 1))))
    return titled(model, reconstruction(model, gaussian_of_codes(model)), "reconstruction", adam(learning_rate))


@register(
    AUTOENCODER,
    vector(width=108, depth=4, num_steps=8_000),
    image("discrete", **PIXELS, small={"latent_dim": 3}, options={"latent_dim": 40, "learning_rate": 2e-3}),
)
def vae(nets: Nets, *, latent_dim: int | None = None, learning_rate: float = 4e-3) -> Entry:
    """Train a variational autoencoder: a Gaussian decoder of vectors, and a Bernoulli or categorical decoder of discrete pixels.

    Args:
        latent_dim: Numbers of a latent; None takes twice as many as an event has, at most 16.

    Source: arXiv 1312.6114.
    """
    return _variational(nets, latent_dim, 1.0, learning_rate)


@register(
    AUTOENCODER,
    vector(width=108, depth=4, num_steps=8_000),
    image("discrete", **PIXELS, small={"latent_dim": 3}, options={"latent_dim": 40, "beta": 4.0, "learning_rate": 2e-3}),
)
def beta_vae(nets: Nets, *, latent_dim: int | None = None, beta: float = 2.0, learning_rate: float = 4e-3) -> Entry:
    """Train the model of `vae` with another weight of the rate.

    Args:
        latent_dim: As for `vae`.
        beta: The weight of the rate in the objective; 1 is the bound itself.

    Source: Higgins et al., ICLR 2017.
    """
    return _variational(nets, latent_dim, beta, learning_rate)


def latent_model(nets: Nets, latent_dim: int | None) -> Model:
    """Return the model of `vae`: of discrete pixels for images, with a Gaussian decoder for vectors.

    Args:
        nets: What events are, and the size of networks.
        latent_dim: Numbers of a latent; None takes 40 for an image, and twice as many as a vector has, at most 16.
    """
    if nets.is_image:
        return discrete_model(nets, 40 if latent_dim is None else latent_dim)
    # Twice as many numbers as the data: over seeds, two_moons then reaches a sliced W2 of .03 to .04; as many as the data reach .03 to .10.
    latent = latent_dim or min(2 * nets.size, 16)
    return Model(latent_and_noise((latent,), nets.event), gaussian_decoder(*nets.coders(2 * latent, 2)))


def discrete_model(nets: Nets, latent_dim: int) -> Model:
    """Return a decoder of discrete pixels from a Gaussian latent and uniform noise, with its encoder.

    Args:
        nets: What events are, and the size of networks.
        latent_dim: Numbers of a latent.
    """
    base = joint({"latent": normal((latent_dim,)), "noise": uniform(nets.event)})
    return Model(base, discrete_decoder(*nets.coders(2 * latent_dim, nets.levels - 1), levels=nets.levels))


def _variational(nets: Nets, latent_dim: int | None, beta: float, learning_rate: float) -> Entry:
    model = latent_model(nets, latent_dim)
    return titled(model, elbo(model, beta, warmup=0.1), "ELBO" if beta == 1 else f"ELBO, beta {beta:g}", adam(learning_rate))
