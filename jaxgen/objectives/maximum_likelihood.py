"""Maximum likelihood through the one density identity, whatever the density's kind."""

import jax
import jax.numpy as jnp

from jaxgen.lifting import over_batch
from jaxgen.model import Base, Model
from jaxgen.objective import Batch, Clock, Objective, PairingError, drawn, no_aux, require
from jaxgen.transform import Density, Preimage
from jaxgen.types import Aux, Key, Params


def maximum_likelihood(model: Model) -> Objective:
    """Minimise the mean negative log-likelihood of the batch, `-mean(base.log_prob(z) + log_det - log_q)`, in nats.

    Args:
        model: A model with a density. The loss is the likelihood itself if the density is EXACT, an unbiased estimate of it if UNBIASED,
            and the bound if LOWER_BOUND.

    Returns:
        An objective whose metric is `nll`, the loss.

    Raises:
        PairingError: The density is IMPLICIT.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> loss, _ = maximum_likelihood(model).loss((), (), jax.random.key(0), Batch(jax.numpy.zeros((4, 1))), Clock(0, 1, ()))
    >>> round(float(loss), 4)  # log sqrt(2 pi)
    0.9189
    """
    require("maximum_likelihood", model, frozenset())
    inverse, density = over_batch(model.transform).inverse, model.transform.kind
    if density is Density.IMPLICIT or inverse is None:
        raise PairingError(
            "maximum_likelihood: model.transform.kind=implicit; accepted: exact, unbiased or lower bound. "
            "Without a density use adversarial or energy."
        )

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        keys = None if density is Density.EXACT else drawn(batch, lambda num: jax.random.split(key, num))
        nll = -jnp.mean(log_prob_of(model.base, inverse(params, batch.x, batch.cond, keys)))
        return nll, {"nll": nll}

    return Objective(no_aux, loss, additive=True)


def log_prob_of(base: Base, preimage: Preimage) -> jax.Array:
    """Return `base.log_prob(z) + log_det - log_q` of a batch of preimages.

    Args:
        base: The base.
        preimage: A batch of preimages, as `inverse` returns them.

    Returns:
        Log densities `(n,)` in nats, in the sense of the transform's kind.
    """
    return jax.vmap(base.log_prob)(preimage.z) + preimage.log_det - preimage.log_q
