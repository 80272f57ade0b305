"""An index leaf: a discrete choice on the way to the data, with the exact likelihood of the mixture that it makes."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.lifting import lifted
from jaxgen.model import Base
from jaxgen.transform import Density, Hooks, Maps, Part, Preimage, Transform
from jaxgen.types import Cond, Event, Key, Noise, Params


def indexed(base: Base, inner: Transform, num: int) -> Transform:
    """Choose one of `num` maps by a uniform number and forget which: `x = inner(event | k)` for the index k whose cell holds `index`.

    The noise is `{"event": noise of base, "index": () uniform}`. `inner` reads the index as its condition, one-hot `(num,)`, after the
    model's own condition. The probabilities of the indices are learned. The density is the whole mixture
    `log p(x) = log sum_k w_k p_inner(x | k)`, so it costs `num` inverses of `inner`. A connected noise maps to connected data; the choice
    of an index jumps, so that no bridge between two modes is needed.

    Args:
        base: The base of `inner`, whose density the sum evaluates.
        inner: A conditional transform that is EXACT and has an inverse.
        num: The number of indices, at least 1.

    Returns:
        An EXACT transform with the params `{"inner", "logits"}`, of a `joint` of `base` and `uniform(())`. Its part `at_index` returns
        noise whose index leaf lies in the middle of cell k, and `index_weights` returns the probabilities `(num,)` of the indices.

    Raises:
        ValueError: `inner` is not exact, or `num` is no integer of at least 1.

    Source: arXiv 1903.07714, and arXiv 1909.13833, section 4, for an index that depends on no event.

    >>> import jax, jaxgen, numpy as np
    >>> from jaxgen import bases, nets, transforms
    >>> shift = transforms.coupling(transforms.scale_and_shift(), lambda n: nets.mlp(n, width=4, depth=1))
    >>> model = jaxgen.Model(bases.joint({"event": bases.normal((2,)), "index": bases.uniform(())}), indexed(bases.normal((2,)), shift, 3))
    >>> params = jaxgen.init(jax.random.key(0), model)
    >>> jaxgen.log_prob(model, params, np.zeros((5, 2))).value.shape, str(model.transform.kind)
    ((5,), 'exact')
    """
    checks.count("indexed: num", num)
    if inner.kind is not Density.EXACT or inner.inverse is None:
        raise ValueError(f"indexed: inner={inner!r}; accepted: an exact transform with an inverse.")

    def told(k: jax.Array, cond: Cond, dtype: jnp.dtype) -> jax.Array:
        choice = jax.nn.one_hot(k, num, dtype=dtype)
        return choice if cond is None else jnp.concatenate([jnp.ravel(cond).astype(dtype), choice])

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        choice = told(jnp.zeros((), int), cond, z["index"].dtype)
        return {"inner": inner.init(key, z["event"], choice), "logits": jnp.zeros(num, z["index"].dtype)}

    def index_of(params: Params, u: jax.Array) -> jax.Array:
        edges = jnp.cumsum(jax.nn.softmax(params["logits"]))[:-1]
        return jnp.sum(u >= edges.astype(u.dtype))

    def middle(params: Params, k: jax.Array, dtype: jnp.dtype) -> jax.Array:
        weights = jax.nn.softmax(params["logits"])
        return (jnp.cumsum(weights)[k] - weights[k] / 2).astype(dtype)

    def inner_cond(params: Params, z: Noise, cond: Cond) -> jax.Array:
        return told(index_of(params, z["index"]), cond, z["index"].dtype)

    def lift(batched: bool, g: Maps) -> Maps:
        def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
            conds = jax.vmap(lambda z, c: inner_cond(params, z, c))(z, cond) if batched else inner_cond(params, z, cond)
            return g.forward(params["inner"], z["event"], conds)

        def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
            def of_index(k: jax.Array) -> Preimage:
                conds = jax.vmap(lambda x, c: told(k, c, x.dtype))(x, cond) if batched else told(k, cond, x.dtype)
                assert g.inverse is not None
                return g.inverse(params["inner"], x, conds)

            pre = jax.vmap(of_index)(jnp.arange(num))
            every = jax.vmap(most_probable, in_axes=(None, 1, 1)) if batched else most_probable
            return every(params, pre.z, pre.log_det)

        return Maps(forward, inverse if g.inverse else None)

    def most_probable(params: Params, z: Noise, log_dets: jax.Array) -> Preimage:
        terms = jax.nn.log_softmax(params["logits"]).astype(log_dets.dtype) + jax.vmap(base.log_prob)(z) + log_dets
        best = jnp.argmax(terms)
        chosen = jax.tree.map(lambda leaf: leaf[best], z)
        # The base's density of the chosen noise is added again by the one density identity.
        log_det = jnp.where(terms[best] > -jnp.inf, jax.nn.logsumexp(terms) - base.log_prob(chosen), -jnp.inf)
        return Preimage({"event": chosen, "index": middle(params, best, log_dets.dtype)}, log_det)

    def at_index(params: Params, z: Noise, k: jax.Array, *, cond: Cond = None) -> Noise:
        return {**z, "index": middle(params, k, z["index"].dtype)}

    def weights(params: Params, *, cond: Cond = None) -> jax.Array:
        return jax.nn.softmax(params["logits"])

    def nfe(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array | int:
        assert inner.hooks.nfe is not None
        return inner.hooks.nfe(params["inner"], z["event"], inner_cond(params, z, cond))

    return lifted(
        lambda change: indexed(base, change(inner), num),
        lift,
        init,
        inner,
        hooks=Hooks(nfe=None if inner.hooks.nfe is None else nfe),
        parts={"at_index": Part(at_index), "index_weights": Part(weights)},
    )
