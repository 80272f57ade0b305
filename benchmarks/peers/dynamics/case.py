"""The case of a comparison of dynamics, and what every contender builds it from: the same weights, events and tolerances."""

import itertools
import math
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from peers.contender import COMPILED, clock

TOLERANCE, LEARNING_RATE, HEUN_STEPS = 1e-5, 1e-3, 18
# `accelerator.py` asks for larger batches.
BATCH = {kind: int(os.environ.get("BENCHMARK_BATCH", default)) for kind, default in (("cnf", 1024), ("edm", 4096))}
TRAIN_BATCH, TABLE = int(os.environ.get("BENCHMARK_TRAIN_BATCH", 256)), 100_000


class Case(NamedTuple):
    """`kind` "cnf", "icfm", "otcfm" or "edm"; the network has `depth` hidden layers of `width` units and sees `(x, t)`."""

    kind: str
    d: int
    width: int
    depth: int
    activation: str

    @property
    def exact(self) -> bool:
        """Whether the divergence is; otherwise Hutchinson's estimate with one Rademacher probe an event."""
        return self.d <= 2

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """`(w (inputs, outputs), b)` of each layer, of a size at which the CNF's ODE is no straight line."""
        rng, sizes = np.random.default_rng(0), [self.d + 1, *(self.width,) * self.depth, self.d]
        gain = 2.0 if self.kind == "cnf" else 1.0
        return [
            (
                (gain / math.sqrt(a) * rng.standard_normal((a, b))).astype(np.float32),
                (0.1 * rng.standard_normal(b)).astype(np.float32),
            )
            for a, b in itertools.pairwise(sizes)
        ]

    def events(self, num: int) -> np.ndarray:
        return np.random.default_rng(1).standard_normal((num, self.d)).astype(np.float32)

    def probes(self, num: int) -> np.ndarray:
        return np.random.default_rng(2).choice(np.float32([-1, 1]), (num, self.d))


Work = Callable[[int], int]
"""`num -> done`: at least `num` steps of training, or one batch of events where it is not about training; how many there were."""
Contender = Mapping[str, Any]
"""A `Work` by metric: "log_prob" and "sample" in events, "gradient" and "train" in steps; the first call compiles. Of a CNF also "noise",
a function without arguments that returns the noise behind the events `(n, d)`, by which solves are compared; of ours also "truth", the same
in float64 at a tolerance of 1e-9."""


def figure(work: Work, seconds: float) -> float:
    """Steps or events per second over about `seconds`; the first call is not counted."""
    work(1)
    done, start = 0, clock()
    while clock() - start < seconds:
        done += work(25)
    return done / (clock() - start)


def torch_network(case: Case) -> Any:
    """The network as a torch module `net(t, x)`, t a scalar or `(n, 1)`."""
    import torch

    activation = {"tanh": torch.nn.Tanh, "selu": torch.nn.SELU, "silu": torch.nn.SiLU}[case.activation]

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[Any] = []
            for w, b in case.weights():
                linear = torch.nn.Linear(*w.shape)
                linear.weight.data, linear.bias.data = torch.from_numpy(w.T.copy()), torch.from_numpy(b.copy())
                layers += [linear, activation()]
            self.net = torch.nn.Sequential(*layers[:-1])

        def forward(self, t: Any, x: Any) -> Any:
            return self.net(torch.cat([x, t.expand(x.shape[0], 1)], 1))

    return Network()


def torch_training(case: Case, module: Any, loss: Callable[[Any], Any]) -> Work:
    """Steps of Adam on `loss(x)`, the batches drawn from a table; eager, or with a compiled module if that is asked for."""
    import torch

    if os.environ.get(COMPILED):
        module.compile()

    optimizer = torch.optim.Adam(module.parameters(), LEARNING_RATE)
    table = torch.from_numpy(case.events(TABLE))

    def train(num: int) -> int:
        for _ in range(num):
            optimizer.zero_grad(set_to_none=True)
            loss(table[torch.randint(TABLE, (TRAIN_BATCH,))]).backward()
            optimizer.step()
        return num

    return train
