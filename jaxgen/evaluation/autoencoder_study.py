"""What the study of a variational autoencoder measures and shows: rate, distortion, units, sharpness, and a view of its latent."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from jaxgen.evaluation.latents import active_units, aggregate_mismatch, collapsed_units, posteriors, rate_and_distortion
from jaxgen.evaluation.sharpness import gradient_magnitude, laplacian_variance
from jaxgen.lifting import stages
from jaxgen.model import Model, log_prob
from jaxgen.types import Key, Params

NUM_DRAWS = 50
NUM_SHOWN, PLANE, NUM_CODES = 10, 10, 1_000


class LatentView(NamedTuple):
    """Images and codes that show what an autoencoder has learned.

    Attributes:
        data: Images of the data `(k, height, width, c)`.
        reconstructions: Their reconstructions, shaped as `data`.
        means: Means of samples, shaped as `data`.
        samples: The samples themselves, shaped as `data`.
        codes: Posterior means `(n, 2)` of the data in the two units whose means vary most.
        labels: Classes `(n,)` of the same images, or None.
        plane: Decoded means `(g, g, height, width, c)` over the same two units, all others at 0; the second unit grows along the first
            axis.
        reach: The plane covers both units from `-reach` to `reach`.
    """

    data: np.ndarray
    reconstructions: np.ndarray
    means: np.ndarray
    samples: np.ndarray
    codes: np.ndarray
    labels: np.ndarray | None
    plane: np.ndarray
    reach: float


class Generated(NamedTuple):
    """Hold images `(n, height, width, c)` that a model makes.

    Attributes:
        means: Means of samples.
        samples: The samples themselves.
        reconstructions: Means of the reconstructions of given images.
    """

    means: np.ndarray
    samples: np.ndarray
    reconstructions: np.ndarray


def autoencoder_figures(key: Key, model: Model, params: Params, x: np.ndarray, num_images: int, seed: int = 0) -> dict[str, Any]:
    """Measure a variational autoencoder of images on test images.

    Args:
        key: Random key of the draws.
        model: A model whose transform has the parts `encode`, `stages` and `distortion_and_rate`.
        params: Its parameters.
        x: Test images `(n, height, width, c)`.
        num_images: Number of images, at most n, on which sharpness is measured.
        seed: Seed of the draws of the aggregate posterior.

    Returns:
        A dict of numbers: the rate, the distortion and their sum (`nll_bound`) in nats, the bound of 50 draws on the first half of the
        images (`nll_50_draws`), the numbers of active and collapsed units, the rate of each unit, the mismatch of the aggregate posterior,
        and the sharpness of means, samples and reconstructions relative to the data's.
    """
    rate, distortion = rate_and_distortion(jax.random.fold_in(key, 0), model, params, x)
    bound = log_prob(model, params, x[: len(x) // 2], key=jax.random.fold_in(key, 1), num_draws=NUM_DRAWS).value
    posterior = posteriors(model, params, x)
    active, collapsed = active_units(posterior), collapsed_units(posterior)
    mismatch = aggregate_mismatch(seed, posterior)
    images = generated(jax.random.fold_in(key, 2), model, params, x[:num_images])
    sharpness = gradient_magnitude(x[:num_images])
    return {
        "rate": rate,
        "distortion": distortion,
        "nll_bound": rate + distortion,
        "nll_50_draws": -float(np.mean(bound)),
        "active_units": int(active.sum()),
        "collapsed_units": int(collapsed.sum()),
        "units": len(active),
        "collapsed": bool(collapsed.all()),
        "rates": posterior.rates.mean(0).tolist(),
        **{f"aggregate_{name}": value for name, value in mismatch.items()},
        "sharpness_data": 1.0,
        **{f"sharpness_{name}": gradient_magnitude(of) / sharpness for name, of in images._asdict().items()},
        "gradient_of_data": sharpness,
        "laplacian_variance_of_data": laplacian_variance(x[:num_images]),
        "laplacian_variance_of_means": laplacian_variance(images.means),
    }


def generated(key: Key, model: Model, params: Params, x: np.ndarray) -> Generated:
    """Draw as many samples as there are images and reconstruct the images.

    Args:
        key: Random key of the samples.
        model: An autoencoder whose transform has the parts `encode` and `stages`.
        params: Its parameters.
        x: Images `(n, height, width, c)`.

    Returns:
        Means of n samples, the samples, and the means of the n reconstructions.
    """
    return Generated(*map(np.asarray, _generated(model, params, jnp.asarray(x), jax.random.split(key, len(x)))))


def latent_view(key: Key, model: Model, params: Params, x: np.ndarray, labels: np.ndarray | None = None) -> LatentView:
    """Decode samples, reconstructions and a plane through the latent, and encode the data.

    The plane's points are equally probable under the prior: quantiles of the standard Gaussian.

    Args:
        key: Random key of the samples.
        model: An autoencoder with a base of the leaves `latent` and `noise` and the parts `encode` and `stages`.
        params: Its parameters.
        x: Test images `(n, height, width, c)`, n at least 10; at most 1,000 are encoded.
        labels: Their classes `(n,)`, or None.

    Returns:
        The images, the codes and the decoded plane.
    """
    posterior = posteriors(model, params, x[:NUM_CODES])
    order = np.argsort(-posterior.mean.std(0), kind="stable")[:2]
    quantiles = scipy.special.ndtri((np.arange(PLANE) + 0.5) / PLANE)
    grid = np.zeros((PLANE, PLANE, posterior.mean.shape[1]), np.float32)
    grid[..., order[0]], grid[..., order[1]] = quantiles[None], quantiles[:, None]
    noise = jax.vmap(lambda k: model.base.sample(seed=k))(jax.random.split(key, NUM_SHOWN))
    decode = jax.jit(jax.vmap(lambda z: stages(model.transform)(params, z)))
    codes = jnp.asarray(posterior.mean[:NUM_SHOWN], jnp.float32)
    latent = jnp.concatenate([codes, noise["latent"], jnp.asarray(grid.reshape(-1, grid.shape[-1]))])
    uniforms = jnp.tile(noise["noise"], (2 + PLANE * PLANE // NUM_SHOWN, 1, 1, 1))
    mean, drawn = np.moveaxis(np.asarray(decode({"latent": latent, "noise": uniforms})), 1, 0)
    reconstructed, sampled, on_plane = np.split(mean, [NUM_SHOWN, 2 * NUM_SHOWN])
    return LatentView(
        x[:NUM_SHOWN],
        reconstructed,
        sampled,
        drawn[NUM_SHOWN : 2 * NUM_SHOWN],
        posterior.mean[:, order],
        None if labels is None else labels[:NUM_CODES],
        on_plane.reshape(PLANE, PLANE, *mean.shape[1:]),
        float(scipy.special.ndtri(1 - 0.5 / PLANE)),
    )


@functools.partial(jax.jit, static_argnums=0)
def _generated(model: Model, params: Params, x: jax.Array, keys: Key) -> tuple[jax.Array, jax.Array, jax.Array]:
    states, encode = stages(model.transform), model.transform.parts["encode"]

    def of_event(x: jax.Array, key: Key) -> tuple[jax.Array, jax.Array, jax.Array]:
        z = model.base.sample(seed=key)
        mean, sample = states(params, z)
        return mean, sample, states(params, {**z, "latent": encode(params, x)[0]})[0]

    return jax.vmap(of_event)(x, keys)
