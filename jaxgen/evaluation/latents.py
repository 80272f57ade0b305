"""What the latent of a variational autoencoder carries: rate and distortion, active and collapsed units, and the aggregate posterior."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.evaluation.distances import mmd, sliced_w2
from jaxgen.model import Model
from jaxgen.types import Cond, Event, Key, Params

ACTIVE = 0.01  # variance of a posterior mean over events
COLLAPSED = 0.02  # nats


class Posteriors(NamedTuple):
    """Hold diagonal Gaussians `q(z | x)` over L latent units, one for each of n events.

    Attributes:
        mean: Means `(n, L)`, a NumPy array of float64.
        log_scale: Logarithms of the standard deviations `(n, L)`, a NumPy array of float64.
    """

    mean: np.ndarray
    log_scale: np.ndarray

    @property
    def rates(self) -> np.ndarray:
        """Return `KL(q(z_i | x) || N(0, 1))` in nats of each event and unit, `(n, L)`."""
        return 0.5 * (self.mean**2 + np.expm1(2 * self.log_scale)) - self.log_scale


def posteriors(model: Model, params: Params, x: Event, cond: Cond = None) -> Posteriors:
    """Return the posterior of each event under a model's encoder.

    Args:
        model: A model whose transform has the part `encode`, which returns a mean and a log scale.
        params: Its parameters.
        x: Events `(n, *event)`.
        cond: Conditions `(n, *cond)`, or None.

    Returns:
        The posteriors of the n events.

    Raises:
        ValueError: The model has no encoder.
    """
    if "encode" not in model.transform.parts:
        parts = sorted(model.transform.parts)
        raise ValueError(f"posteriors: model=one with the parts {parts}; accepted: one with encode, such as a variational autoencoder.")
    mean, log_scale = _encoded(model, params, jnp.asarray(x), cond)
    return Posteriors(np.asarray(mean, np.float64), np.asarray(log_scale, np.float64))


def rate_and_distortion(key: Key, model: Model, params: Params, x: Event, cond: Cond = None, num_draws: int = 4) -> tuple[float, float]:
    """Return the two terms of the evidence bound, averaged over events and draws.

    Args:
        key: Random key of the draws.
        model: A model whose transform has the part `distortion_and_rate`, such as a variational autoencoder.
        params: Its parameters.
        x: Events `(n, *event)`.
        cond: Conditions `(n, *cond)`, or None.
        num_draws: Number of draws of the latent for each event.

    Returns:
        The rate `KL(q(z | x) || p(z))` and the distortion `-E log p(x | z)`, in nats. Their sum bounds `-log p(x)` from above.

    Source: arXiv 1711.00464.
    """
    distortion, rate = _terms(model, num_draws, params, jnp.asarray(x), cond, key)
    return float(rate), float(distortion)


def active_units(posterior: Posteriors, least: float = ACTIVE) -> np.ndarray:
    """Say which latent units are active: their posterior means vary over events.

    Args:
        posterior: The posteriors of many events.
        least: A unit is active if the variance of its posterior mean over events is above this number.

    Returns:
        One bool for each unit, `(L,)`.

    Source: arXiv 1509.00519, section 5.2.

    >>> import numpy as np
    >>> active_units(Posteriors(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.zeros((2, 2)))).tolist()
    [True, False]
    """
    return posterior.mean.var(0) > least


def collapsed_units(posterior: Posteriors, most: float = COLLAPSED) -> np.ndarray:
    """Say which latent units have collapsed onto the prior: they are inactive, and their posteriors equal the prior.

    A unit can be inactive and yet far from the prior, for example if the rate costs nothing (beta = 0). Such a unit has not collapsed.

    Args:
        posterior: The posteriors of many events.
        most: A collapsed unit's mean rate is at most this many nats.

    Returns:
        One bool for each unit, `(L,)`.

    >>> import numpy as np
    >>> collapsed_units(Posteriors(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.zeros((2, 2)))).tolist()
    [False, True]
    """
    return ~active_units(posterior) & (posterior.rates.mean(0) <= most)


def aggregate_mismatch(seed: int, posterior: Posteriors) -> dict[str, float]:
    """Measure how far the aggregate posterior, the mixture of all `q(z | x)`, is from the prior N(0, I).

    Sampling draws from the prior, while the decoder was trained on the aggregate posterior.

    Args:
        seed: Seed of the draws and of the distances.
        posterior: The posteriors of n events; one draw of each is compared with n draws of the prior.

    Returns:
        A dict with `sliced_w2`, `sliced_w2_floor` (the same distance between two samples of the prior) and `mmd`, the squared maximum mean
        discrepancy, whose mean is zero if both distributions agree.

    >>> import numpy as np
    >>> far = aggregate_mismatch(0, Posteriors(np.full((200, 1), 3.0), np.zeros((200, 1))))
    >>> far["sliced_w2"] > 5 * far["sliced_w2_floor"], far["mmd"] > 0.5
    (True, True)
    """
    rng = np.random.default_rng(seed)
    noise, prior, again = rng.standard_normal((3, *posterior.mean.shape))
    drawn = posterior.mean + np.exp(posterior.log_scale) * noise
    return {
        "sliced_w2": sliced_w2(drawn, prior, seed),
        "sliced_w2_floor": sliced_w2(again, prior, seed),
        "mmd": mmd(drawn, prior, seed=seed),
    }


@functools.partial(jax.jit, static_argnums=0)
def _encoded(model: Model, params: Params, x: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array]:
    return jax.vmap(lambda x, c: model.transform.parts["encode"](params, x, cond=c))(x, cond)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _terms(model: Model, num_draws: int, params: Params, x: jax.Array, cond: Cond, key: Key) -> tuple[jax.Array, jax.Array]:
    def of_event(x: jax.Array, c: Cond, key: Key) -> tuple[jax.Array, jax.Array]:
        return jax.vmap(lambda k: model.transform.parts["distortion_and_rate"](params, x, cond=c, key=k))(jax.random.split(key, num_draws))

    # In slices, so that the draws' activations never fill the memory.
    return jax.tree.map(jnp.mean, jax.lax.map(lambda a: of_event(*a), (x, cond, jax.random.split(key, x.shape[0])), batch_size=100))
