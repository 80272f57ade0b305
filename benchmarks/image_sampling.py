"""Sampling a 784-pixel image from an autoregressive model: the cached scan against a full evaluation of the network for each pixel.

Both sides: the same network at the same params, the same uniform noise, one image of 28 x 28 x 1, one jitted program that scans over the
pixels, the same device. The full recomputation, all 784 evaluations of it, is what `jaxgen.transforms.autoregressive` does with a network
without `substitute`. The images are compared before they are timed. Persistent cache off.
"""

import json
from typing import Any

from common import alone, interleaved, options, report, row, timed

SHAPE = (28, 28, 1)
CASES = {"image_transformer": {"width": 32, "depth": 2, "num_heads": 2}, "pixelcnn": {"width": 32, "depth": 6}}
CACHED, WHOLE = "cached scan", "full recomputation"


def main() -> None:
    args = options(__doc__, only=tuple(CASES))
    if args.measure is not None:
        print(json.dumps(measure(**args.measure)))
        return
    rows: list[dict[str, Any]] = []
    for name in args.only or CASES:
        case = f"{name} {'x'.join(map(str, SHAPE))}, {', '.join(f'{k} {v}' for k, v in CASES[name].items())}"
        print(case, flush=True)
        figures = alone(__file__, {"name": name, "repeats": 1 if args.quick else 3})
        rows.append(row(case, "sample one image", "s", figures[CACHED], WHOLE, figures[WHOLE]))
        rows.append(row(case, "compile", "s", figures[f"{CACHED} compile"], WHOLE, figures[f"{WHOLE} compile"]))
    report(rows, args.out)


def measure(name: str, repeats: int) -> dict[str, float]:
    """Seconds a sample, median over `repeats` interleaved runs, and seconds of compilation, of either side."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from jaxgen import nets
    from jaxgen.transforms import autoregressive, categorical

    net = {"image_transformer": nets.causal_transformer, "pixelcnn": nets.pixelcnn}[name](2, **CASES[name])
    z = jax.random.uniform(jax.random.key(0), SHAPE)
    # Away from the network's start, at which all pixels are fair coins and a wrong cache would not show.
    params = jax.tree.map(lambda a: a + 0.1 * jax.random.normal(jax.random.key(a.size), a.shape), net.init(jax.random.key(1), z))
    sides = {CACHED: net, WHOLE: net._replace(substitute=None)}
    compiled, compile_seconds, images = {}, {}, {}
    for side, used in sides.items():
        with timed() as seconds:
            compiled[side] = jax.jit(autoregressive(categorical(2), used).forward).lower(params, z).compile()
        compile_seconds[side] = seconds()
        images[side] = np.asarray(compiled[side](params, z))
    np.testing.assert_array_equal(images[CACHED], images[WHOLE])
    assert 0.01 < jnp.mean(images[WHOLE]) < 0.99

    def seconds_of(side: str) -> dict[str, float]:
        # A sample with the cache takes less than the clock's and the machine's noise.
        calls = 10 if side == CACHED else 1
        with timed() as seconds:
            for _ in range(calls):
                jax.block_until_ready(compiled[side](params, z))
        return {"s": seconds() / calls}

    medians = interleaved({side: lambda side=side: seconds_of(side) for side in sides}, repeats)
    return {side: m["s"] for side, m in medians.items()} | {f"{side} compile": s for side, s in compile_seconds.items()}


if __name__ == "__main__":
    main()
