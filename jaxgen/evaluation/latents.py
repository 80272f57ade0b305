"""What a variational autoencoder's latent carries: rate and distortion, active and collapsed units, the aggregate posterior against the prior."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.evaluation.distances import mmd, sliced_w2
from jaxgen.model import Model

ACTIVE = 0.01
COLLAPSED = 0.02


class Posteriors(NamedTuple):
    """Diagonal Gaussians `q(z | x)`, one for each event: `mean` and `log_scale`, both `(n, L)` float64 on the host."""

    mean: np.ndarray
    log_scale: np.ndarray

    @property
    def rates(self) -> np.ndarray:
        """`KL(q(z_i | x) || N(0, 1))` in nats, of each event and unit `(n, L)`."""
        return 0.5 * (self.mean**2 + np.expm1(2 * self.log_scale)) - self.log_scale


def posteriors(model: Model, params: Any, x: Any, cond: Any = None) -> Posteriors:
    """The posteriors of the events `x` `(n, *event)` by the part `encode -> (mean, log_scale)`. ValueError for a model without one."""
    if "encode" not in model.transform.parts:
        raise ValueError("posteriors: accepted: a model whose transform has the part encode, such as a variational autoencoder's.")
    mean, log_scale = _encoded(model, params, jnp.asarray(x), cond)
    return Posteriors(np.asarray(mean, np.float64), np.asarray(log_scale, np.float64))


def rate_and_distortion(key: jax.Array, model: Model, params: Any, x: Any, cond: Any = None, num_draws: int = 4) -> tuple[float, float]:
    """The two terms of the bound in nats, means over the events `x` `(n, *event)` and `num_draws` draws of each (arXiv 1711.00464)."""
    distortion, rate = _terms(model, num_draws, params, jnp.asarray(x), cond, key)
    return float(rate), float(distortion)


def active_units(found: Posteriors, least: float = ACTIVE) -> np.ndarray:
    """Which units `(L,)` are active: the variance over events of the posterior's mean is more than `least` (arXiv 1509.00519, section 5.2)."""
    return found.mean.var(0) > least


def collapsed_units(found: Posteriors, most: float = COLLAPSED) -> np.ndarray:
    """Which units `(L,)` have collapsed onto the prior: inactive, and their posteriors within `most` nats of it on average.

    A unit can say nothing of the event and be far from the prior all the same, as where the rate costs nothing (beta = 0): that is an
    inactive unit and no collapse.
    """
    return ~active_units(found) & (found.rates.mean(0) <= most)


def aggregate_mismatch(seed: int, found: Posteriors) -> dict[str, float]:
    """How far the aggregate posterior, the mixture of all `q(z | x)`, is from the prior N(0, I) that sampling draws from.

    One draw of each posterior against as many of the prior: "sliced_w2" beside "sliced_w2_floor", the same between two draws of the prior,
    and "mmd", the squared maximum mean discrepancy, which has mean zero where both agree.
    """
    rng = np.random.default_rng(seed)
    noise, prior, again = rng.standard_normal((3, *found.mean.shape))
    drawn = found.mean + np.exp(found.log_scale) * noise
    return {
        "sliced_w2": sliced_w2(drawn, prior, seed),
        "sliced_w2_floor": sliced_w2(again, prior, seed),
        "mmd": mmd(drawn, prior, seed=seed),
    }


@functools.partial(jax.jit, static_argnums=0)
def _encoded(model: Model, params: Any, x: jax.Array, cond: Any) -> Any:
    return jax.vmap(lambda x, c: model.transform.parts["encode"](params, x, c))(x, cond)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _terms(model: Model, num_draws: int, params: Any, x: jax.Array, cond: Any, key: jax.Array) -> Any:
    def of_event(x: jax.Array, c: Any, key: jax.Array) -> Any:
        return jax.vmap(lambda k: model.transform.parts["distortion_and_rate"](params, x, c, k))(jax.random.split(key, num_draws))

    # In slices, so that the draws' activations never fill the memory.
    return jax.tree.map(jnp.mean, jax.lax.map(lambda a: of_event(*a), (x, cond, jax.random.split(key, x.shape[0])), batch_size=100))
