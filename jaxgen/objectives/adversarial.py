"""Games between a generator and a critic, each written as one scalar that has both players' gradients (arXiv 1406.2661)."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.nets import Net
from jaxgen.numerics import safe_norm
from jaxgen.objective import Batch, Clock, Objective
from jaxgen.transform import over_batch

GAMES = ("non_saturating", "wasserstein", "relativistic")


def adversarial(
    model: Model, critic: Net, game: str = "non_saturating", *, gradient_penalty: float = 0.0, r1: float = 0.0, r2: float = 0.0
) -> Objective:
    """`L_G(theta, stop(phi)) + L_D(stop(theta), phi)`; aux is phi, the params of `critic.apply(phi, x, cond) -> (1,)`.

    game: "non_saturating" (arXiv 1406.2661, section 3), "wasserstein" (arXiv 1704.00028), "relativistic" (pairing, arXiv 2501.05441).
    gradient_penalty: weight of `(|grad_x D| - 1)^2` on the segments between real and fake (1704.00028, eq. 3).
    r1, r2: weight of `|grad_x D|^2 / 2` at real and at fake events (arXiv 1801.04406, eqs. 9 and 10).

    Any transform that samples can play. Raises ValueError for an unknown game or a negative weight.
    """
    if game not in GAMES:
        raise ValueError(f"game={game!r}; accepted: {', '.join(GAMES)}.")
    for name, weight in (("gradient_penalty", gradient_penalty), ("r1", r1), ("r2", r2)):
        checks.number(f"adversarial: {name}", weight, least=0)
    stop = jax.lax.stop_gradient

    def init(key: jax.Array, params: Any, batch: Batch) -> tuple[Any, Any]:
        return params, critic.init(key, *jax.tree.map(lambda a: a[0], (batch.x, batch.cond)))

    def score(phi: Any, x: jax.Array, cond: Any) -> jax.Array:
        return jax.vmap(lambda x, c: critic.apply(phi, x, c)[0])(x, cond)

    def slope(phi: Any, x: jax.Array, cond: Any) -> jax.Array:
        return jax.vmap(jax.grad(lambda x, c: critic.apply(phi, x, c)[0]))(x, cond).reshape(x.shape[0], -1)

    def penalty(phi: Any, key: jax.Array, real: jax.Array, fake: jax.Array, cond: Any) -> jax.Array:
        total = jnp.zeros((), real.dtype)
        if gradient_penalty:
            u = jax.random.uniform(key, (real.shape[0], *(1,) * (real.ndim - 1)), real.dtype)
            total += gradient_penalty * jnp.mean((safe_norm(slope(phi, u * real + (1 - u) * fake, cond)) - 1) ** 2)
        for weight, x in ((r1, real), (r2, fake)):
            if weight:
                total += 0.5 * weight * jnp.mean(jnp.sum(slope(phi, x, cond) ** 2, -1))
        return total

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_noise, key_penalty = jax.random.split(key)
        z = model.base.sample(seed=key_noise, sample_shape=(batch.x.shape[0],))
        fake = over_batch(model.transform).forward(params, z, batch.cond)
        generator, _ = _players(game, score(stop(aux), batch.x, batch.cond), score(stop(aux), fake, batch.cond))
        fake = stop(fake)
        _, discriminator = _players(game, score(aux, batch.x, batch.cond), score(aux, fake, batch.cond))
        smooth = penalty(aux, key_penalty, batch.x, fake, batch.cond)
        return generator + discriminator + smooth, {"generator": generator, "critic": discriminator, "penalty": smooth}

    return Objective(init, loss, parts={"critic": lambda aux, x, cond=None: critic.apply(aux, x, cond)[0]})


def _players(game: str, real: jax.Array, fake: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Losses of generator and critic given the critic's scores `(n,)` of real and of fake events."""
    if game == "non_saturating":
        return jnp.mean(jax.nn.softplus(-fake)), jnp.mean(jax.nn.softplus(fake) + jax.nn.softplus(-real))
    if game == "wasserstein":
        return -jnp.mean(fake), jnp.mean(fake) - jnp.mean(real)
    return jnp.mean(jax.nn.softplus(real - fake)), jnp.mean(jax.nn.softplus(fake - real))
