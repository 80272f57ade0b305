"""A training step of `masked_diffusion` beside MDLM's training step of the same network in plain torch, interleaved in one run.

The torch side follows the published implementation of MDLM (arXiv 2406.07524, github.com/kuleshov-group/mdlm): stratified times, the
log-linear schedule, the known sites carried over, weighted cross-entropies, Adam with clipped gradients and a moving average of the params.
Its network is `nets.code_transformer` without time, number by number: a pre-norm transformer with rotations, whose attention is
`scaled_dot_product_attention`. Each side has all cores and a process of its own; compilation is not counted.
"""

import math
from typing import Any

from common import Worker, installed, interleaved, options, report, row, timed

CASES = {
    "32 sites, 8 categories, batch 128": {"sites": 32, "levels": 8, "width": 64, "depth": 3, "batch": 128},
    "64 sites, 64 categories, batch 64": {"sites": 64, "levels": 64, "width": 64, "depth": 3, "batch": 64},
    "128 sites, 64 categories, batch 32": {"sites": 128, "levels": 64, "width": 256, "depth": 4, "batch": 32},
}
REACH = 3
"""How many places away a code enters a token directly, as by default in `nets.code_transformer`."""


def main() -> None:
    args = options(__doc__)
    if args.measure is not None:
        step = {"ours": ours, "torch": torch_mdlm}[args.measure["side"]](args.measure["size"])
        Worker.answer(lambda question: step(question["steps"]))
        return
    peer, rows = installed("torch"), []
    for case, size in CASES.items() if peer else ():
        print(case, flush=True)
        steps, repeats = (10, 1) if args.quick else (max(30, 3_000_000 // (size["sites"] * size["batch"] * size["width"])), 5)
        workers = {side: Worker(__file__, {"side": side, "size": size}, devices) for side, devices in (("ours", 2), ("torch", 1))}
        medians = interleaved({side: lambda w=w, n=steps: w.ask({"steps": n}) for side, w in workers.items()}, repeats)
        for worker in workers.values():
            worker.close()
        a, b = medians["ours"], medians["torch"]
        assert a["parameters"] == b["parameters"], (a, b)
        rows.append(row(case, "training step", "ms", a["ms"], str(peer), b["ms"]))
    report(rows, args.out)


def ours(size: dict[str, int]) -> Any:
    import jax
    import numpy as np

    import jaxgen

    entry = jaxgen.zoo.build("masked_diffusion", (size["sites"],), levels=size["levels"], width=size["width"], depth=size["depth"])
    x = np.random.default_rng(0).integers(0, size["levels"], (4096, size["sites"])).astype(np.float32)

    def steps(num: int) -> dict[str, float]:
        fitted = jaxgen.fit(jax.random.key(0), entry, x, num, batch_size=size["batch"], progress=False)
        seconds, parameters = fitted.history["train_seconds"], jaxgen.zoo.count_params(fitted.params)
        return {"ms": 1e3 * float(seconds) / num, "loss": float(fitted.history["loss"][-1]), "parameters": parameters}

    steps(10)
    return steps


def torch_mdlm(size: dict[str, int]) -> Any:
    import torch

    torch.manual_seed(0)
    net = network(size)
    average = [p.detach().clone() for p in net.parameters()]
    optimizer, levels, batch = torch.optim.Adam(net.parameters(), 2e-3), size["levels"], size["batch"]
    x = torch.randint(0, levels, (4096, size["sites"]))

    def steps(num: int) -> dict[str, float]:
        loss = torch.zeros(())
        with timed() as seconds:
            for _ in range(num):
                data = x[torch.randint(0, len(x), (batch,))]
                t = ((torch.rand(batch) / batch + torch.arange(batch) / batch) % 1)[:, None] * (1 - 1e-3) + 1e-3
                masks = torch.rand(data.shape) < t
                logits = net(torch.where(masks, levels, data))
                log_p = torch.log_softmax(logits, -1).gather(-1, data[..., None])[..., 0]
                loss = -(torch.where(masks, log_p, 0) / t).sum() / data.numel()
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()
                with torch.no_grad():
                    for mean, p in zip(average, net.parameters(), strict=True):
                        mean.lerp_(p, 1e-3)
        return {"ms": 1e3 * seconds() / num, "loss": float(loss.detach()), "parameters": sum(p.numel() for p in net.parameters())}

    steps(10)
    return steps


def network(size: dict[str, int]) -> Any:
    """`nets.code_transformer(levels + 1, levels, num_times=0)` in torch, with constant moves and gates."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    width, heads, sites = size["width"], 4, size["sites"]
    head = width // heads
    angles = torch.arange(sites)[:, None] * 1000.0 ** -torch.linspace(0, 1, head // 2)

    def rotated(u: Any) -> Any:
        a, b = u.chunk(2, -1)
        return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1)

    class Moves(nn.Module):
        """The Dense layer of an embedding that is zero without times; its kernel is counted, and its bias is what it returns."""

        def __init__(self, num: int) -> None:
            super().__init__()
            self.kernel, self.bias = nn.Parameter(torch.zeros(num * width, width)), nn.Parameter(torch.zeros(num * width))

        def forward(self, num: int) -> Any:
            return self.bias.chunk(num)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.moves, self.qkv, self.out = Moves(6), nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, h: Any) -> Any:
            shift, scale, gate, shift_up, scale_up, gate_up = self.moves(6)
            a = F.layer_norm(h, (width,)) * (1 + scale) + shift
            q, k, v = self.qkv(a).view(*h.shape[:2], 3, heads, head).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(rotated(q), rotated(k), v).transpose(1, 2).reshape(h.shape)
            h = h + gate * self.out(mixed)
            a = F.layer_norm(h, (width,)) * (1 + scale_up) + shift_up
            return h + gate_up * self.down(F.gelu(self.up(a), approximate="tanh"))

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.codes, self.bias = nn.Embedding(size["levels"] + 1, width), nn.Parameter(torch.zeros(width))
            self.features = nn.Embedding(size["levels"] + 1, min(size["levels"] + 1, 16))
            self.near = nn.Linear((2 * REACH + 1) * self.features.embedding_dim, width, bias=False)
            self.place = nn.Parameter(0.1 * torch.randn(sites, width))
            self.blocks = nn.Sequential(*(Block() for _ in range(size["depth"])))
            self.moves, self.head = Moves(2), nn.Linear(width, size["levels"])
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

        def forward(self, x: Any) -> Any:
            padded = F.pad(self.features(x), (0, 0, REACH, REACH))
            around = torch.cat([padded[:, i : i + sites] for i in range(2 * REACH + 1)], -1)
            h = self.blocks(self.codes(x) + self.near(around) + self.bias + self.place)
            shift, scale = self.moves(2)
            return self.head(F.layer_norm(h, (width,)) * (1 + scale) + shift)

    assert head == math.ceil(head) and not head % 2
    return Transformer()


if __name__ == "__main__":
    main()
