"""The case of a comparison, and what a contender can be asked: events per second of a batch, steps per second of training, a whole fit."""

import math
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from peers import equal

# `accelerator.py` asks for larger batches.
BATCH, TRAIN_BATCH = (int(os.environ.get(f"BENCHMARK_{name}", default)) for name, default in (("BATCH", 4096), ("TRAIN_BATCH", 256)))
LEARNING_RATE, NUM_BINS, BOUND = 1e-3, 8, 5.0
CLOCK = "BENCHMARK_CLOCK"
"""A variable of the environment: "cpu" measures the time of all cores that a process has used, which neighbours hardly change."""

COMPILED = "BENCHMARK_TORCH_COMPILE"
"""A variable of the environment: anything but nothing has torch compile its functions."""


class Case(NamedTuple):
    """`kind` "realnvp", "rqs" (both couplings that pass the first d // 2 coordinates) or "maf"; networks have 2 hidden layers, silu."""

    kind: str
    d: int
    width: int
    num_layers: int

    @property
    def outputs(self) -> int:
        """Numbers that one coordinate's bijector takes."""
        return 3 * NUM_BINS - 1 if self.kind == "rqs" else 2

    def matmul_flops(self) -> int:
        """Of one event's log_prob; of a sample too, where no unit is computed twice; a gradient costs three times as much."""
        seen, changed = (self.d, self.d) if self.kind == "maf" else (self.d // 2, self.d - self.d // 2)
        return 2 * self.num_layers * (seen * self.width + self.width**2 + self.width * changed * self.outputs)


class Contender(NamedTuple):
    """Functions without arguments, compiled by their first call.

    log_prob, sample: one batch of `BATCH` events, on the device when they return.
    train: `num -> steps done`, at least `num` steps of Adam on `TRAIN_BATCH` events.
    """

    log_prob: Callable[[], Any]
    sample: Callable[[], Any]
    train: Callable[[int], int]


def events(case: Case, num: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((num, case.d)).astype(np.float32)


def clock() -> float:
    """Seconds of the wall clock, or of all cores that this process has used."""
    return time.process_time() if os.environ.get(CLOCK) == "cpu" else time.perf_counter()


def figure(contender: Contender, metric: str, seconds: float) -> float:
    """Events or steps per second over about `seconds`; the first call, which compiles, is not counted."""
    if metric == "train":
        contender.train(1)
        done, start = 0, clock()
        while clock() - start < seconds:
            done += contender.train(25)
        return done / (clock() - start)
    function = {"log_prob": contender.log_prob, "sample": contender.sample}[metric]
    function()
    calls, start = 0, clock()
    while clock() - start < seconds:
        function()
        calls += 1
    return BATCH * calls / (clock() - start)


def of_jax(case: Case, params: Any, log_prob: Callable[[Any, Any], Any], sample: Callable[[Any, Any, int], Any]) -> Contender:
    """A contender from `log_prob(params, x)` and `sample(params, key, num)`.

    In a process of one device everything is jitted, the train step with donated buffers, and called as the libraries' documentation has it. In
    a process of several devices, or where it is asked for, it runs on equal terms (`peers.equal`).
    """
    import jax
    import jax.numpy as jnp
    import optax

    optimizer = optax.adam(LEARNING_RATE)
    x, key = jnp.asarray(events(case, BATCH)), jax.random.key(0)
    if equal.wanted():
        num, keys = BATCH // jax.device_count(), jax.random.split(key, jax.device_count())
        return Contender(
            equal.evaluated(log_prob, params, x),
            equal.evaluated(lambda p, keys: sample(p, keys[0], num), params, keys),
            equal.trained(lambda p, batch, _: -jnp.mean(log_prob(p, batch)), params, optimizer, x, TRAIN_BATCH),
        )
    batches = [x[i : i + TRAIN_BATCH] for i in range(0, BATCH, TRAIN_BATCH)]
    log_prob_jit, sample_jit = jax.jit(log_prob), jax.jit(sample, static_argnums=2)

    def step(trained: Any, opt_state: Any, batch: Any) -> Any:
        loss, grads = jax.value_and_grad(lambda p: -jnp.mean(log_prob(p, batch)))(trained)
        updates, opt_state = optimizer.update(grads, opt_state, trained)
        return optax.apply_updates(trained, updates), opt_state, loss

    step_jit = jax.jit(step, donate_argnums=(0, 1))
    state = [jax.tree.map(jnp.copy, params), optimizer.init(params)]

    def train(num: int) -> int:
        for i in range(num):
            *state[:], loss = step_jit(*state, batches[i % len(batches)])
        assert math.isfinite(loss)
        return num

    return Contender(lambda: log_prob_jit(params, x).block_until_ready(), lambda: sample_jit(params, key, BATCH).block_until_ready(), train)


def of_torch(case: Case, module: Any, log_prob: Callable[[Any], Any], sample: Callable[[], Any]) -> Contender:
    """A contender from torch functions, without gradients where none are asked for: eager as its libraries run, or compiled if asked so."""
    import torch

    if os.environ.get(COMPILED):
        log_prob, sample = torch.compile(log_prob), torch.compile(sample)
    optimizer = torch.optim.Adam(module.parameters(), LEARNING_RATE)
    x = torch.from_numpy(events(case, BATCH))

    def without_gradients(function: Callable[..., Any], *args: Any) -> Any:
        with torch.no_grad():
            return function(*args)

    def train(num: int) -> int:
        for i in range(num):
            optimizer.zero_grad(set_to_none=True)
            start = i * TRAIN_BATCH % BATCH
            (-log_prob(x[start : start + TRAIN_BATCH]).mean()).backward()
            optimizer.step()
        return num

    return Contender(lambda: without_gradients(log_prob, x), lambda: without_gradients(sample), train)
