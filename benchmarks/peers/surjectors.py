"""surjectors: masked couplings and MADE in haiku, on distrax."""

from typing import Any

from peers.contender import BOUND, NUM_BINS, Case, Contender, of_jax


def make(case: Case) -> Contender:
    import haiku as hk
    import jax
    import jax.numpy as jnp
    from distrax import Independent, Normal
    from surjectors import (
        AffineMaskedAutoregressive,
        AffineMaskedCoupling,
        Chain,
        Permutation,
        RationalQuadraticSplineMaskedCoupling,
        TransformedDistribution,
    )
    from surjectors.nn import MADE, make_mlp
    from surjectors.util import make_alternating_binary_mask

    hidden, d = [case.width, case.width], case.d

    def layers() -> list[Any]:
        out: list[Any] = []
        for i in range(case.num_layers):
            mask = make_alternating_binary_mask(d, i % 2 == 0)
            if case.kind == "maf":
                made = MADE(d, hidden, 2, w_init=hk.initializers.TruncatedNormal(0.01), activation=jax.nn.silu)
                out += [AffineMaskedAutoregressive(made), Permutation(jnp.arange(d)[::-1], 1)]
            elif case.kind == "realnvp":
                out.append(AffineMaskedCoupling(mask, make_mlp([*hidden, 2 * d], jax.nn.silu)))
            else:
                size = 3 * NUM_BINS + 1
                net = hk.Sequential([make_mlp([*hidden, d * size], jax.nn.silu), hk.Reshape((d, size))])
                out.append(RationalQuadraticSplineMaskedCoupling(mask, net, -BOUND, BOUND))
        return out

    def flow(method: str, **inputs: Any) -> Any:
        base = Independent(Normal(jnp.zeros(d), jnp.ones(d)), 1)
        return TransformedDistribution(base, Chain(layers()))(method, **inputs)

    transformed = hk.transform(flow)
    params = transformed.init(jax.random.key(0), method="log_prob", y=jnp.zeros((1, d)))
    return of_jax(
        case,
        params,
        lambda p, x: transformed.apply(p, None, method="log_prob", y=x),
        lambda p, key, num: transformed.apply(p, key, method="sample", sample_shape=(num,)),
    )
