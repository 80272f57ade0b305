"""zuko: NICE with affine or spline transforms (couplings) and MAF, in torch. Its splines are those of NSF, on [-5, 5]."""

from functools import partial

from peers.contender import BATCH, NUM_BINS, Case, Contender, of_torch


def make(case: Case) -> Contender:
    import torch
    import zuko
    from zuko.transforms import MonotonicRQSTransform

    torch.manual_seed(0)
    options = {"transforms": case.num_layers, "hidden_features": (case.width,) * 2, "activation": torch.nn.SiLU}
    if case.kind == "maf":
        flow = zuko.flows.MAF(case.d, **options)
    elif case.kind == "realnvp":
        flow = zuko.flows.NICE(case.d, **options)
    else:
        shapes = [(NUM_BINS,), (NUM_BINS,), (NUM_BINS - 1,)]
        flow = zuko.flows.NICE(case.d, univariate=partial(MonotonicRQSTransform, slope=1e-3), shapes=shapes, **options)
    return of_torch(case, flow, lambda x: flow().log_prob(x), lambda: flow().sample((BATCH,)))
