"""A mixture of models: each event comes from one of them, chosen at random."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.arguments import require_model
from jaxgen.lifting import lifted, nfe
from jaxgen.model import Model
from jaxgen.transform import Density, Hooks, Maps, Part, Preimage, Transform
from jaxgen.types import Cond, Event, Key, Noise, Params, PyTree


def mixture(*models: Model) -> Transform:
    """Build the map that takes its event from one of several models, with learnable probabilities.

    The noise is `{"choice": (), "parts": {"0": ..., "1": ...}}`: a number that is uniform on [0, 1) and the noise of each model, as
    `bases.mixture_noise(*models)` draws it. The density is the weighted sum of the models' densities.

    Args:
        models: Two or more models of events of one shape, with exact densities.

    Returns:
        An EXACT transform: `inverse` returns every model's noise and the choice of the most probable one, without a key. Its params are
        `{"logits": (k,), "parts": (params_1, ..., params_k)}`, with equal probabilities at first. Its parts `at_index` and `index_weights` are
        those of `indexed`: one index for each model, or for each index of a model that has some itself.

    Raises:
        ValueError: There are fewer than two models, or one has no exact density.

    Source: Smyth and Wolpert 1999, Machine Learning 36, on how to choose the probabilities.

    >>> import jax.numpy as jnp, jaxgen
    >>> near, far = (jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(loc, 1.0)) for loc in (0.0, 50.0))
    >>> model = jaxgen.Model(jaxgen.bases.mixture_noise(near.base, far.base), mixture(near, far))
    >>> params = {"logits": jnp.zeros(2), "parts": ((), ())}
    >>> round(float(jaxgen.log_prob(model, params, jnp.zeros((1, 1))).value[0]), 4)  # log(1 / 2) - log sqrt(2 pi)
    -1.6121
    """
    for model in models:
        require_model("mixture", model)
    if len(models) < 2 or any(m.transform.kind is not Density.EXACT or m.transform.inverse is None for m in models):
        shown = ", ".join(repr(m.transform) for m in models)
        raise ValueError(f"mixture: models={shown or 'none'}; accepted: two or more models with exact densities.")
    transforms = tuple(m.transform for m in models)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        keys = jax.random.split(key, len(models))
        parts = tuple(f.init(k, z["parts"][str(j)], cond) for j, (f, k) in enumerate(zip(transforms, keys, strict=True)))
        return {"logits": jnp.zeros(len(models), z["choice"].dtype), "parts": parts}

    def lift(batched: bool, *maps: Maps) -> Maps:
        def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
            each = [g.forward(p, z["parts"][str(j)], cond) for j, (g, p) in enumerate(zip(maps, params["parts"], strict=True))]
            upper = jnp.cumsum(jax.nn.softmax(params["logits"]))
            # Rounding may leave the last bound below the largest uniform number.
            chosen = jnp.minimum(jnp.searchsorted(upper, z["choice"], side="right"), len(models) - 1)
            return _chosen(each, chosen, batched)

        def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
            noises, of_noise, logs = [], [], []
            for g, p, model in zip(maps, params["parts"], models, strict=True):
                assert g.inverse is not None
                pre = g.inverse(p, x, cond, key)
                log_prob = jax.vmap(model.base.log_prob) if batched else model.base.log_prob
                log_base = log_prob(pre.z)
                noise = _possible(pre.z, jnp.isneginf(log_base), model)
                noises, of_noise, logs = [*noises, noise], [*of_noise, log_prob(noise)], [*logs, log_base + pre.log_det - pre.log_q]
            log_weights = jax.nn.log_softmax(params["logits"])
            joint = jnp.stack(logs, -1)
            joint = joint + jnp.broadcast_to(log_weights, joint.shape)
            best = jnp.argmax(joint, -1)
            middle = jnp.cumsum(jnp.exp(log_weights))[best] - 0.5 * jnp.exp(log_weights[best])
            # The base counts the noise of every model, but the density only that of the event.
            log_det = jax.nn.logsumexp(joint, axis=-1) - sum(of_noise)
            parts = {str(j): noise for j, noise in enumerate(noises)}
            return Preimage({"choice": middle.astype(x.dtype), "parts": parts}, log_det)

        return Maps(forward, inverse if all(g.inverse for g in maps) else None)

    def num_evaluations(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array | int:
        return sum(nfe(f)(p, z["parts"][str(j)], cond) for j, (f, p) in enumerate(zip(transforms, params["parts"], strict=True)))

    def weights_of_each(params: Params, cond: Cond) -> list[jax.Array]:
        weights, ones = jax.nn.softmax(params["logits"]), jnp.ones(1, params["logits"].dtype)
        each = zip(transforms, params["parts"], strict=True)
        return [weights[j] * (f.parts["index_weights"](p, cond=cond) if "at_index" in f.parts else ones) for j, (f, p) in enumerate(each)]

    def index_weights(params: Params, *, cond: Cond = None) -> jax.Array:
        return jnp.concatenate(weights_of_each(params, cond))

    def at_index(params: Params, z: Noise, k: jax.Array, *, cond: Cond = None) -> Noise:
        starts, weights = np.cumsum([0, *map(len, weights_of_each(params, cond))]), jax.nn.softmax(params["logits"])
        chosen, noises = jnp.sum(k >= starts[1:-1]), dict(z["parts"])
        for j, (f, p) in enumerate(zip(transforms, params["parts"], strict=True)):
            if "at_index" in f.parts:
                inner = jnp.clip(k - starts[j], 0, starts[j + 1] - starts[j] - 1)
                noises[str(j)] = f.parts["at_index"](p, noises[str(j)], inner, cond=cond)
        middle = jnp.cumsum(weights)[chosen] - 0.5 * weights[chosen]
        return {"choice": middle.astype(z["choice"].dtype), "parts": noises}

    return lifted(
        lambda change: mixture(*(m._replace(transform=change(m.transform)) for m in models)),
        lift,
        init,
        *transforms,
        hooks=Hooks(nfe=num_evaluations),
        parts={"at_index": Part(at_index), "index_weights": Part(index_weights)},
    )


def _possible(z: Noise, never: jax.Array, model: Model) -> Noise:
    """Replace noise that a part's base never draws by some that it draws: an event that this part never gives may come from another."""
    some = model.base.sample(seed=jax.random.key(0))
    return jax.tree.map(lambda a, b: jnp.where(never.reshape(*never.shape, *(1,) * (a.ndim - never.ndim)), b.astype(a.dtype), a), z, some)


def _chosen(each: list[PyTree], chosen: jax.Array, batched: bool) -> Event:
    stacked = jnp.stack(each)
    return stacked[chosen, jnp.arange(len(chosen))] if batched else stacked[chosen]
