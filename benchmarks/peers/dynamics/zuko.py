"""zuko: its free-form Jacobian transform, the CNF of `zuko.flows`, with the case's network for a velocity."""

from typing import Any

from peers.dynamics.case import BATCH, TOLERANCE, Case, Contender, torch_network, torch_training


def make(case: Case) -> Contender:
    import torch
    from zuko.transforms import FreeFormJacobianTransform

    net, x = torch_network(case), torch.from_numpy(case.events(BATCH["cnf"]))

    def pulled_back(x: Any, phi: Any) -> Any:
        return FreeFormJacobianTransform(net, 1.0, 0.0, phi, TOLERANCE, TOLERANCE, exact=case.exact).call_and_ladj(x)

    def log_prob(x: Any, phi: Any) -> Any:
        z, log_det = pulled_back(x, phi)
        return torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1) + log_det

    def evaluate(num: int) -> int:
        with torch.no_grad():
            log_prob(x, ())
        return len(x)

    train = torch_training(case, net, lambda x: -log_prob(x, tuple(net.parameters())).mean())
    return {"log_prob": evaluate, "gradient": lambda num: train(max(1, num // 5)), "noise": lambda: pulled_back(x, ())[0].detach()}
