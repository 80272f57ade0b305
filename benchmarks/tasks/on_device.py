"""What `accelerator.py` measures on the device itself: its peaks, training steps of images, sampling by an autoregressive model."""

import math
import time
from collections.abc import Callable
from typing import Any

SIZES: dict[str, dict[str, Any]] = {
    "edm": {"network": "dit", "width": 128, "depth": 4},
    "cfm": {"width": 128, "depth": 2},
    "vae": {},
    "image_transformer": {"width": 512, "depth": 8, "num_heads": 8},
    "pixelcnn": {"width": 128, "depth": 12},
}
TINY: dict[str, dict[str, Any]] = {
    "edm": {"network": "dit", "width": 8, "depth": 1},
    "cfm": {"width": 8, "depth": 1},
    "vae": {"width": 16, "depth": 1},
    "image_transformer": {"width": 16, "depth": 1, "num_heads": 2},
    "pixelcnn": {"width": 8, "depth": 2},
}


def peaks(quick: bool) -> dict[str, float]:
    """FLOPs per second of matrix products by dtype, and bytes per second of a copy, which reads and writes each."""
    import jax
    import jax.numpy as jnp
    from common import matmul_peak

    size, seconds = (256, 0.1) if quick else (8192, 2.0)
    found = {f"matmul {dtype}": matmul_peak(seconds, dtype, size) for dtype in ("float32", "bfloat16")}
    a = jnp.zeros(2**20 if quick else 2**28, jnp.float32)
    copied = jax.jit(lambda a: a + 1)
    return {**found, "memory": 2 * a.nbytes * per_second(lambda: copied(a), seconds)}


def step(name: str, dtype: str, quick: bool) -> dict[str, float]:
    """FLOPs and images per second of training an entry, and the device's memory at its highest, in bytes; nothing where it has no dtype."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import jaxgen
    from jaxgen.evaluation import matmul_flops
    from jaxgen.training.chunk import Plan, make_chunk
    from jaxgen.training.step import init_state, make_step

    shape, batch, length, many = ((8, 8, 1), 8, 1, 10**6) if quick else ((28, 28, 1), 256, 10, 10**6)
    options = (TINY if quick else SIZES)[name]
    if "dtype" in jaxgen.zoo.describe(name, shape):
        options = {**options, "dtype": dtype}
    elif dtype != "float32":
        return {}
    entry = jaxgen.zoo.build(name, shape, **options)
    x = np.random.default_rng(0).uniform(-1, 1, (4 * batch, *shape)).astype(np.float32)
    data = jaxgen.Batch(jnp.asarray((x > 0).astype(np.float32) if jaxgen.zoo.pixels(name) == "discrete" else x))
    state = init_state(jax.random.key(0), entry, jax.tree.map(lambda a: a[:batch], data), many)
    abstract = jax.eval_shape(lambda s, d: (s, jax.tree.map(lambda a: a[:batch], d)), state, data)
    flops = matmul_flops(make_step(entry, many), *abstract, jax.random.key(1))
    chunk = make_chunk(entry, state, data, jax.random.key(2), Plan(many, batch, 0.999, length), jax.devices()[:1])
    now = [chunk.state, 0]

    def run() -> Any:
        now[0], metrics = chunk.run(now[0], now[1], now[1] + length)
        now[1] += length
        return metrics

    rate = length * per_second(run, 0.1 if quick else 3.0)
    stats = jax.devices()[0].memory_stats() or {}
    return {"flops": rate * flops, "images": rate * batch, "memory": float(stats.get("peak_bytes_in_use", 0))}


def sampling(quick: bool) -> dict[str, float]:
    """Images per second of an autoregressive transformer, and the bytes of its params and cache that they have to read."""
    import jax

    import jaxgen

    shape, num = ((6, 6, 1), 4) if quick else ((28, 28, 1), 256)
    options = (TINY if quick else SIZES)["image_transformer"]
    entry = jaxgen.zoo.build("image_transformer", shape, **options, dtype="bfloat16")
    params = jaxgen.model.init(jax.random.key(0), entry.model)
    rate = num * per_second(lambda: jaxgen.sample(jax.random.key(1), entry.model, params, num), 0.1 if quick else 3.0)
    pixels, config = math.prod(shape), jaxgen.zoo.describe("image_transformer", shape) | options
    # Keys and values of all pixels before, in bfloat16; half of them on average.
    cache = pixels * (pixels / 2) * 2 * config["depth"] * config["width"] * 2
    weights = pixels * sum(a.nbytes for a in jax.tree.leaves(params)) / num
    return {"images": rate, "bytes": rate * (cache + weights)}


def per_second(function: Callable[[], Any], seconds: float) -> float:
    """Calls per second over about `seconds`, a few at a time so that the device never waits; the first call, which compiles, is not counted."""
    import jax

    jax.block_until_ready(function())
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(2):
            last = function()
        jax.block_until_ready(last)
        calls += 2
    return calls / (time.perf_counter() - start)


MEASURES: dict[str, Callable[..., dict[str, float]]] = {"peaks": peaks, "step": step, "sampling": sampling}
