"""torchdiffeq: `odeint` of the state and its log-determinant by dopri5; gradients through the solver, which are faster than its adjoint's."""

from typing import Any

from peers.dynamics.case import BATCH, TOLERANCE, Case, Contender, torch_network, torch_training


def make(case: Case) -> Contender:
    import torch
    from torchdiffeq import odeint

    net = torch_network(case)
    x, probes = torch.from_numpy(case.events(BATCH["cnf"])), torch.from_numpy(case.probes(BATCH["cnf"]))

    def pulled_back(x: Any, probes: Any, create_graph: bool) -> Any:
        def field(t: Any, state: Any) -> Any:
            with torch.enable_grad():
                y = state[0] if state[0].requires_grad else state[0].detach().requires_grad_(True)
                v = net(t, y)
                if case.exact:
                    rows = (
                        torch.autograd.grad(v[:, i].sum(), y, create_graph=create_graph, retain_graph=True)[0][:, i] for i in range(case.d)
                    )
                    divergence = sum(rows)
                else:
                    divergence = (torch.autograd.grad(v, y, probes, create_graph=create_graph)[0] * probes).sum(1)
            return (v, divergence) if create_graph else (v.detach(), divergence.detach())

        start = (x, torch.zeros(x.shape[0]))
        z, log_det = odeint(field, start, torch.tensor([1.0, 0.0]), rtol=TOLERANCE, atol=TOLERANCE, method="dopri5")
        return z[-1], log_det[-1]

    def log_prob(x: Any, probes: Any, create_graph: bool) -> Any:
        z, log_det = pulled_back(x, probes, create_graph)
        return torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1) + log_det

    def evaluate(num: int) -> int:
        with torch.no_grad():
            log_prob(x, probes, False)
        return len(x)

    train = torch_training(case, net, lambda x: -log_prob(x, 2 * torch.randint(2, x.shape).to(x.dtype) - 1, True).mean())
    return {"log_prob": evaluate, "gradient": lambda num: train(max(1, num // 5)), "noise": lambda: pulled_back(x, probes, False)[0]}
