"""bijx: GeneralCouplingLayer with a split mask and an MLP; it has no masked autoregressive flow. Its spline lives on [0, 1]."""

from typing import Any

from peers.contender import NUM_BINS, Case, Contender, of_jax


def make(case: Case) -> Contender | None:
    import bijx
    import numpy as np
    from bijx.nn.nets import MLP
    from flax import nnx

    if case.kind == "maf":
        return None
    rngs = nnx.Rngs(0)

    def scalar() -> Any:
        return bijx.MonotoneRQSpline(NUM_BINS, (), rngs=rngs) if case.kind == "rqs" else bijx.AffineLinear(rngs=rngs)

    def layer(mask: Any) -> Any:
        changed, passed = mask.counts
        template = bijx.ModuleReconstructor(scalar())
        size = template.params_total_size
        init = nnx.initializers.normal(0.01)
        net = MLP(passed, changed * size, [case.width] * 2, activation=nnx.silu, final_kernel_init=init, rngs=rngs)
        theta = nnx.Sequential(net, lambda p: p.reshape(*p.shape[:-1], changed, size))
        return bijx.GeneralCouplingLayer(theta, mask, template, bijection_event_rank=0, split=True)

    mask = bijx.BinaryMask.from_boolean_mask(np.arange(case.d) >= case.d // 2)
    layers = [layer(~mask if i % 2 else mask) for i in range(case.num_layers)]
    # Inverted, the direct formula of the spline serves log_prob.
    model = bijx.Transformed(bijx.IndependentNormal((case.d,), rngs=rngs), bijx.Chain(*layers).invert())
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    return of_jax(
        case,
        params,
        lambda p, x: nnx.merge(graph, p, rest).log_density(x),
        lambda p, key, num: nnx.merge(graph, p, rest).sample((num,), rng=key)[0],
    )
