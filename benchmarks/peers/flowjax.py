"""flowjax: its own coupling and masked autoregressive flows, layers in a scan, one event at a time under vmap."""

from typing import Any

from peers.contender import BOUND, NUM_BINS, Case, Contender, of_jax


def make(case: Case) -> Contender:
    import equinox as eqx

    params, static = eqx.partition(flow(case), eqx.is_inexact_array)
    return of_jax(
        case, params, lambda p, x: eqx.combine(p, static).log_prob(x), lambda p, key, num: eqx.combine(p, static).sample(key, (num,))
    )


def flow(case: Case) -> Any:
    import jax
    import jax.numpy as jnp
    from flowjax.bijections import RationalQuadraticSpline
    from flowjax.distributions import Normal
    from flowjax.flows import coupling_flow, masked_autoregressive_flow

    # Seven inner knots are eight bins.
    options = {"transformer": RationalQuadraticSpline(knots=NUM_BINS - 1, interval=BOUND)} if case.kind == "rqs" else {}
    make_flow = masked_autoregressive_flow if case.kind == "maf" else coupling_flow
    return make_flow(
        jax.random.key(0),
        base_dist=Normal(jnp.zeros(case.d)),
        flow_layers=case.num_layers,
        nn_width=case.width,
        nn_depth=2,
        nn_activation=jax.nn.silu,
        **options,
    )
