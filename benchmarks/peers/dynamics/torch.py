"""torch: EDM's deterministic sampler (arXiv 2206.00364, algorithm 1) on the case's preconditioned network, eager or compiled."""

import os
from typing import Any

from peers.contender import COMPILED
from peers.dynamics.case import BATCH, HEUN_STEPS, Case, Contender, torch_network


def make(case: Case) -> Contender:
    import torch

    net, num = torch_network(case), BATCH["edm"]
    sigmas = ((80 ** (1 / 7) + torch.linspace(0, 1, HEUN_STEPS) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7).tolist()

    if os.environ.get(COMPILED):
        net = torch.compile(net)

    def denoise(x: Any, sigma: float, t: float) -> Any:
        norm = (1 + sigma**2) ** 0.5
        return x / norm**2 + sigma / norm * net(torch.tensor(t), x / norm)

    def sample(_: int) -> int:
        with torch.inference_mode():
            x = sigmas[0] * torch.randn(num, case.d)
            for i in range(HEUN_STEPS):
                sigma, t = sigmas[i], i / (HEUN_STEPS - 1)
                slope = (x - denoise(x, sigma, t)) / sigma
                if i == HEUN_STEPS - 1:
                    x = x - sigma * slope
                    continue
                after = sigmas[i + 1]
                ahead = x + (after - sigma) * slope
                x = x + (after - sigma) * 0.5 * (slope + (ahead - denoise(ahead, after, (i + 1) / (HEUN_STEPS - 1))) / after)
        return num

    return {"sample": sample}
