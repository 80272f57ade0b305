"""The evidence lower bound with its two terms weighed apart."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, drawn, no_aux, require
from jaxgen.objectives.rounds import progress
from jaxgen.types import Aux, Key, Params


def elbo(model: Model, beta: float = 1.0, warmup: float = 0.0) -> Objective:
    """Minimise distortion plus beta times rate, `E_q[-log p(x | z)] + beta KL(q(z | x) || p(z))`, in nats.

    With beta = 1 the loss is minus the evidence lower bound. The transform knows which of its terms are closed forms.

    Args:
        model: A model whose transform has the part `distortion_and_rate(params, x, *, cond=None, key)`, one draw of both terms for one
            event.
        beta: The weight of the rate.
        warmup: beta grows linearly from 0 during this first fraction of training.

    Returns:
        An objective whose metrics are `distortion` and `rate`.

    Raises:
        ValueError: `beta` is negative or `warmup` is outside [0, 1].
        PairingError: The transform lacks the part.

    Source: arXiv 1312.6114, equation 3; Higgins et al., ICLR 2017, equation 4 for beta.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> net = lambda out: jaxgen.nets.mlp(out, width=4, depth=1)
    >>> model = jaxgen.Model(
    ...     jaxgen.bases.latent_and_noise((1,), (2,)), jaxgen.transforms.gaussian_decoder(net(4), net(2))
    ... )
    >>> params = jaxgen.model.init(jax.random.key(0), model)
    >>> loss, metrics = elbo(model, 2.0).loss(params, (), jax.random.key(1), Batch(jax.numpy.ones((3, 2))), Clock(0, 1, ()))
    >>> bool(abs(loss - metrics["distortion"] - 2 * metrics["rate"]) < 1e-4)
    True
    """
    require("elbo", model, frozenset({"distortion_and_rate"}))
    checks.number("elbo: beta", beta, least=0)
    checks.number("elbo: warmup", warmup, least=0, most=1)
    terms = model.transform.parts["distortion_and_rate"]

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        keys = drawn(batch, lambda num: jax.random.split(key, num))
        distortion, rate = jax.tree.map(jnp.mean, jax.vmap(lambda x, c, k: terms(params, x, cond=c, key=k))(batch.x, batch.cond, keys))
        return distortion + beta * progress(clock, warmup) * rate, {"distortion": distortion, "rate": rate}

    return Objective(no_aux, loss, additive=True)
