"""torchcfm: its conditional flow matchers in an eager torch loop, as its examples train."""

from typing import Any

from peers.dynamics.case import Case, Contender, torch_network, torch_training


def make(case: Case) -> Contender:
    import torch
    from torchcfm.conditional_flow_matching import ConditionalFlowMatcher, ExactOptimalTransportConditionalFlowMatcher

    net = torch_network(case)
    matcher = (ConditionalFlowMatcher if case.kind == "icfm" else ExactOptimalTransportConditionalFlowMatcher)(sigma=0.0)

    def loss(x: Any) -> Any:
        t, x_t, u = matcher.sample_location_and_conditional_flow(torch.randn_like(x), x)
        return ((net(t[:, None], x_t) - u) ** 2).mean()

    return {"train": torch_training(case, net, loss)}
