"""Games between a generator and a critic, each written as one scalar that has both players' gradients."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.nets import Net
from jaxgen.numerics import safe_norm
from jaxgen.objective import Batch, Clock, Objective, drawn
from jaxgen.objectives.discrepancy import energy
from jaxgen.objectives.samples import require_pathwise
from jaxgen.types import Aux, Cond, DTypeLike, Key, Params, Shape

GAMES = ("non_saturating", "wasserstein", "relativistic")


def adversarial(
    model: Model,
    critic: Net,
    game: str = "non_saturating",
    *,
    gradient_penalty: float = 0.0,
    r1: float = 0.0,
    r2: float = 0.0,
    instance_noise: float = 0.0,
) -> Objective:
    """Train a generator and a critic against each other by one scalar, `L_G(theta, stop(phi)) + L_D(stop(theta), phi)`.

    theta are the params of the model, and phi are the params of the critic, which are the auxiliaries of the objective. Each player gets
    the gradient of its own loss, because `stop` holds the other player's params fixed. Any model that samples can be the generator.

    Args:
        model: The generator.
        critic: The network D with `critic.apply(phi, x, cond)` of shape `(1,)` for one event.
        game: "non_saturating" (arXiv 1406.2661), "wasserstein" (arXiv 1704.00028) or "relativistic" (arXiv 2501.05441).
        gradient_penalty: The weight of `(|grad_x D| - 1)^2` at random points of the segments between real and generated events.
        r1: The weight of `|grad_x D|^2 / 2` at real events.
        r2: The weight of `|grad_x D|^2 / 2` at generated events.
        instance_noise: The standard deviation, at the first step, of Gaussian noise that is added to everything the critic sees, real and
            generated. It falls linearly to 0 at the last step. Two laws that lie apart overlap under it, so the critic has a slope between
            them.

    Returns:
        An objective whose aux are the params of the critic and whose metrics are `generator`, `critic`, `penalty` and `accuracy`, the share of
        pairs of a real and a generated event in which the critic scores the real one higher. Validation judges the generator by the energy
        distance of its samples, because neither player's loss says how good they are.

    Raises:
        ValueError: `game` is unknown or a weight is negative.
        PairingError: From `init`: the samples are piecewise constant in the params, so that no gradient of the critic reaches them.

    Source: arXiv 1406.2661, section 3; arXiv 1704.00028, equation 3; arXiv 1801.04406, equations 9 and 10; arXiv 1610.04490
    for the noise.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> blind = jaxgen.nets.Net(lambda key, x, cond: (), lambda phi, x, cond: 0 * x)
    >>> loss, metrics = adversarial(model, blind).loss((), (), jax.random.key(0), Batch(jax.numpy.ones((4, 1))), Clock(0, 1, ()))
    >>> round(float(metrics["critic"]), 4)  # A critic that cannot tell them apart loses 2 log 2.
    1.3863
    """
    if game not in GAMES:
        raise ValueError(f"adversarial: game={game!r}; accepted: {', '.join(GAMES)}.")
    for name, weight in (("gradient_penalty", gradient_penalty), ("r1", r1), ("r2", r2), ("instance_noise", instance_noise)):
        checks.number(f"adversarial: {name}", weight, least=0)
    stop = jax.lax.stop_gradient

    def init(key: Key, params: Params, batch: Batch) -> tuple[Params, Aux]:
        require_pathwise("adversarial", model, params, None if batch.cond is None else batch.cond[0])
        return params, critic.init(key, *jax.tree.map(lambda a: a[0], (batch.x, batch.cond)))

    def score(phi: Aux, x: jax.Array, cond: Cond) -> jax.Array:
        return jax.vmap(lambda x, c: critic.apply(phi, x, c)[0])(x, cond)

    def slope(phi: Aux, x: jax.Array, cond: Cond) -> jax.Array:
        return jax.vmap(jax.grad(lambda x, c: critic.apply(phi, x, c)[0]))(x, cond).reshape(x.shape[0], -1)

    def penalty(phi: Aux, key: Key, batch: Batch, fake: jax.Array) -> jax.Array:
        real, cond = batch.x, batch.cond
        total = jnp.zeros((), real.dtype)
        if gradient_penalty:
            u = drawn(batch, lambda num: jax.random.uniform(key, (num, *(1,) * (real.ndim - 1)), real.dtype))
            total += gradient_penalty * jnp.mean((safe_norm(slope(phi, u * real + (1 - u) * fake, cond)) - 1) ** 2)
        for weight, x in ((r1, real), (r2, fake)):
            if weight:
                total += 0.5 * weight * jnp.mean(jnp.sum(slope(phi, x, cond) ** 2, -1))
        return total

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_noise, key_penalty = jax.random.split(key)
        z = drawn(batch, lambda num: model.base.sample(seed=key_noise, sample_shape=(num,)))
        fake = over_batch(model.transform).forward(params, z, batch.cond)
        if instance_noise:
            sd = instance_noise * (1 - clock.step / clock.num_steps).astype(fake.dtype)
            blur = drawn(batch, lambda num: _blur(key, (num, *fake.shape[1:]), fake.dtype), axis=1)
            batch, fake = batch._replace(x=batch.x + sd * blur[0]), fake + sd * blur[1]
        generator, _ = _losses(game, score(stop(aux), batch.x, batch.cond), score(stop(aux), fake, batch.cond))
        fake = stop(fake)
        real_score, fake_score = score(aux, batch.x, batch.cond), score(aux, fake, batch.cond)
        _, discriminator = _losses(game, real_score, fake_score)
        smoothness = penalty(aux, key_penalty, batch, fake)
        metrics = {"generator": generator, "critic": discriminator, "penalty": smoothness}
        return generator + discriminator + smoothness, metrics | {"accuracy": jnp.mean(real_score > fake_score, dtype=real_score.dtype)}

    return Objective(init, loss, additive=True, judge=energy(model).loss)


def _blur(key: Key, shape: Shape, dtype: DTypeLike) -> jax.Array:
    """Return Gaussian noise `(2, *shape)` for real and for generated events, from numbers that no split of the key comes to."""
    return jax.random.normal(jax.random.fold_in(key, 2**20), (2, *shape), dtype)


def _losses(game: str, real: jax.Array, fake: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the losses of generator and critic, given the critic's scores `(n,)` of real and of generated events."""
    if game == "non_saturating":
        return jnp.mean(jax.nn.softplus(-fake)), jnp.mean(jax.nn.softplus(fake) + jax.nn.softplus(-real))
    if game == "wasserstein":
        return -jnp.mean(fake), jnp.mean(fake) - jnp.mean(real)
    return jnp.mean(jax.nn.softplus(real - fake)), jnp.mean(jax.nn.softplus(fake - real))
