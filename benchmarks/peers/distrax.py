"""distrax: SplitCoupling layers in a Chain with plain jax.numpy networks; it has no autoregressive flow."""

import itertools
from typing import Any

from peers.contender import BOUND, NUM_BINS, Case, Contender, of_jax


def make(case: Case) -> Contender | None:
    import distrax
    import jax
    import jax.numpy as jnp

    if case.kind == "maf":
        return None
    # Its spline takes one slope more, which its identity boundary ignores.
    outputs = 3 * NUM_BINS + 1 if case.kind == "rqs" else 2

    def network(layer: list[Any], h: Any) -> Any:
        for w, b in layer[:-1]:
            h = jax.nn.silu(h @ w + b)
        return (h @ layer[-1][0] + layer[-1][1]).reshape(*h.shape[:-1], case.d // 2, outputs)

    def bijector(theta: Any) -> Any:
        if case.kind == "rqs":
            return distrax.RationalQuadraticSpline(theta, -BOUND, BOUND, boundary_slopes="identity")
        return distrax.ScalarAffine(theta[..., 0], log_scale=theta[..., 1])

    def flow(params: Any) -> Any:
        layers = [
            distrax.SplitCoupling(case.d // 2, 1, lambda h, p=p: network(p, h), bijector, swap=bool(i % 2)) for i, p in enumerate(params)
        ]
        # Inverted, the spline's direct formula serves log_prob.
        base = distrax.MultivariateNormalDiag(jnp.zeros(case.d), jnp.ones(case.d))
        return distrax.Transformed(base, distrax.Inverse(distrax.Chain(layers)))

    sizes = [case.d // 2, case.width, case.width, case.d // 2 * outputs]
    keys = iter(jax.random.split(jax.random.key(0), 3 * case.num_layers))
    params = [
        [(jax.random.normal(next(keys), (a, b)) * 0.5 / a**0.5, jnp.zeros(b)) for a, b in itertools.pairwise(sizes)]
        for _ in range(case.num_layers)
    ]
    return of_jax(
        case,
        params,
        lambda p, x: flow(p).log_prob(x),
        lambda p, key, num: flow(p).sample(seed=jax.random.key_data(key), sample_shape=(num,)),
    )
