"""Tracing and compiling one training step of an entry of the zoo, by functions that every revision of jaxgen has."""

import functools
import gc
import hashlib
import re
import time
from typing import Any

BATCH, IMAGE, NUM_STEPS = 256, (4, 4, 1), 1_000

Named = tuple[str, list[int], dict[str, Any]]
"""An entry: its name, the shape of its events, and its options."""


def seconds(entry: Named | None) -> Any:
    """Seconds, lines and digest of the traced program, and number of params of the entry; every entry of the zoo where none is named."""
    if entry is None:
        return entries()
    name, shape, chosen = entry
    return step(name, tuple(shape), tuple(chosen.items()))


def entries() -> list[Named]:
    from jaxgen import zoo

    return [(n, [2], {}) for n in zoo.NAMES] + [(n, list(IMAGE), zoo.small(n, IMAGE)) for n in zoo.IMAGES]


def step(name: str, shape: tuple[int, ...], chosen: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """Compile it anew, with what `fit` asks of the compiler. Programs of one digest are the same but for the names of functions."""
    import jax

    from jaxgen.compiled import training_options

    params = prepared(name, shape, chosen)[1].params
    jax.clear_caches()
    gc.collect()
    start = time.perf_counter()
    program = lowered(name, shape, chosen)
    traced = time.perf_counter()
    program.compile(compiler_options=training_options())
    took, text = time.perf_counter() - start, re.sub(r"@\w+", "@f", program.as_text())
    digest, size = hashlib.sha256(text.encode()).hexdigest(), sum(a.size for a in jax.tree.leaves(params))
    return {"seconds": took, "tracing": traced - start, "lines": len(text.splitlines()), "digest": digest, "params": size}


def lowered(name: str, shape: tuple[int, ...], chosen: tuple[tuple[str, Any], ...]) -> Any:
    """The traced step, not compiled yet."""
    import jax

    from jaxgen.training.step import make_step

    entry, state, batch = prepared(name, shape, chosen)
    return jax.jit(make_step(entry, NUM_STEPS), donate_argnums=0).lower(state, batch, jax.random.key(1))


@functools.cache
def prepared(name: str, shape: tuple[int, ...], chosen: tuple[tuple[str, Any], ...]) -> tuple[Any, Any, Any]:
    """The entry, its first state, and a batch as its objective prepares it."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import jaxgen
    from jaxgen.training.step import init_state

    entry, rng = jaxgen.zoo.build(name, shape, **dict(chosen)), np.random.default_rng(0)
    x = rng.standard_normal((BATCH, *shape)).astype(np.float32)
    if len(shape) > 1:
        x = (x > 0).astype(np.float32) if jaxgen.zoo.pixels(name) == "discrete" else np.tanh(x)
    batch = jaxgen.Batch(jnp.asarray(x))
    state = init_state(jax.random.key(0), entry, batch, NUM_STEPS)
    if entry.objective.prepare is not None:
        batch = entry.objective.prepare(jax.random.key(2), jax.tree.map(np.asarray, batch))
    return entry, state, batch
