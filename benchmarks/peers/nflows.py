"""nflows: couplings and masked autoregressive layers in torch."""

from peers.contender import BATCH, BOUND, NUM_BINS, Case, Contender, of_torch


def make(case: Case) -> Contender:
    import torch
    from nflows import transforms as T
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.nn.nets import MLP

    torch.manual_seed(0)
    hidden, silu = [case.width, case.width], torch.nn.functional.silu

    class Net(MLP):
        def forward(self, inputs, context=None):
            return super().forward(inputs)

    def layer(i: int) -> list[T.Transform]:
        if case.kind == "maf":
            made = T.MaskedAffineAutoregressiveTransform(case.d, case.width, num_blocks=1, use_residual_blocks=False, activation=silu)
            return [made, T.ReversePermutation(case.d)]
        mask = (torch.arange(case.d) >= case.d // 2) ^ bool(i % 2)
        if case.kind == "realnvp":
            return [T.AffineCouplingTransform(mask, lambda a, b: Net([a], [b], hidden, silu))]
        options = {"num_bins": NUM_BINS, "tails": "linear", "tail_bound": BOUND}
        return [T.PiecewiseRationalQuadraticCouplingTransform(mask, lambda a, b: Net([a], [b], hidden, silu), **options)]

    flow = Flow(T.CompositeTransform([t for i in range(case.num_layers) for t in layer(i)]), StandardNormal([case.d]))
    return of_torch(case, flow, flow.log_prob, lambda: flow.sample(BATCH))
