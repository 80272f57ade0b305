"""normflows: couplings and masked autoregressive layers in torch. Reversed, a layer's direct formula serves log_prob."""

from typing import Any

from peers.contender import BATCH, BOUND, NUM_BINS, Case, Contender, of_torch


def make(case: Case) -> Contender:
    import normflows as nf
    import torch
    from normflows.flows.neural_spline.coupling import PiecewiseRationalQuadraticCoupling

    torch.manual_seed(0)

    class Net(torch.nn.Sequential):
        """With silu, which the library's own network has not."""

        def __init__(self, inputs: int, outputs: int) -> None:
            hidden = [torch.nn.Linear(inputs, case.width), torch.nn.SiLU(), torch.nn.Linear(case.width, case.width), torch.nn.SiLU()]
            super().__init__(*hidden, torch.nn.Linear(case.width, outputs))

        def forward(self, inputs: Any, context: Any = None) -> Any:
            return super().forward(inputs)

    def layer(i: int) -> list[Any]:
        if case.kind == "maf":
            options = {"num_blocks": 1, "use_residual_blocks": False, "activation": torch.nn.functional.silu}
            made = nf.flows.MaskedAffineAutoregressive(case.d, case.width, **options)
            return [nf.flows.Reverse(made), Reversal(case.d)]
        if case.kind == "realnvp":
            coupling = nf.flows.AffineCouplingBlock(Net(case.d // 2, case.d // 2 * case.outputs))
            return [coupling, nf.flows.Permute(case.d, mode="swap")]
        mask = (torch.arange(case.d) >= case.d // 2) ^ bool(i % 2)
        options = {"num_bins": NUM_BINS, "tails": "linear", "tail_bound": BOUND}
        return [nf.flows.Reverse(PiecewiseRationalQuadraticCoupling(mask.int(), Net, **options))]

    class Reversal(nf.flows.Permute):
        """The coordinates in reverse order, as the other contenders' layers have it."""

        def __init__(self, d: int) -> None:
            super().__init__(d, mode="shuffle")
            self.perm = self.inv_perm = torch.arange(d).flip(0)

    flow = nf.NormalizingFlow(nf.distributions.DiagGaussian(case.d, trainable=False), [f for i in range(case.num_layers) for f in layer(i)])
    return of_torch(case, flow, flow.log_prob, lambda: flow.sample(BATCH)[0])
