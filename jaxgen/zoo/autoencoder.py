"""Autoencoders: a decoder of a small Gaussian noise, with an encoder that sampling drops."""

from jaxgen.bases import latent_and_noise, normal
from jaxgen.model import Model
from jaxgen.nets import mlp
from jaxgen.objectives import elbo, gaussian_of_codes, reconstruction
from jaxgen.training import adam
from jaxgen.transforms import autoencoder, chain, gaussian_decoder, triangular_affine
from jaxgen.zoo.registry import Recipe, register

FAMILY = "autoencoder"


@register(FAMILY)
def ae(
    dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, latent_dim: int | None = None, learning_rate: float = 2e-3
) -> Recipe:
    """A deterministic autoencoder behind an affine that becomes the Gaussian of its codes after training (implicit)."""
    latent = latent_dim or max(1, min(dim // 2, 16))
    nets = mlp(dim, width=width, depth=depth), mlp(latent, width=width, depth=depth)
    model = Model(normal((latent,)), chain(triangular_affine(), autoencoder(*nets)))
    return Recipe({"default": model}, reconstruction(model, gaussian_of_codes(model)), "reconstruction", adam(learning_rate))


@register(FAMILY)
def vae(
    dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 4, latent_dim: int | None = None, learning_rate: float = 4e-3
) -> Recipe:
    """Variational autoencoder with a Gaussian decoder (arXiv 1312.6114)."""
    return _variational(dim, width, depth, latent_dim, learning_rate, 1.0)


@register(FAMILY)
def beta_vae(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 108,
    depth: int = 4,
    latent_dim: int | None = None,
    beta: float = 2.0,
    learning_rate: float = 4e-3,
) -> Recipe:
    """The same model with the rate weighed by beta (ICLR 2017)."""
    return _variational(dim, width, depth, latent_dim, learning_rate, beta)


def _variational(dim: int, width: int, depth: int, latent_dim: int | None, learning_rate: float, beta: float) -> Recipe:
    # Twice as many as the data has: over seeds, two_moons then come out at a sliced W2 of .03 to .04, where as many as the data give .03 to .10.
    latent = latent_dim or min(2 * dim, 16)
    nets = mlp(2 * dim, width=width, depth=depth), mlp(2 * latent, width=width, depth=depth)
    model = Model(latent_and_noise((latent,), (dim,)), gaussian_decoder(*nets))
    return Recipe(
        {"default": model}, elbo(model, beta, warmup=0.1), "ELBO" if beta == 1 else f"ELBO, beta {beta:g}", adam(learning_rate), 8_000
    )
