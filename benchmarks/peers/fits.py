"""A whole fit of two_moons, 2,000 steps with compilation: jaxgen's `fit`, flowjax's `fit_to_data`, and a peer's jitted step in a loop."""

import importlib
import time

from peers.contender import LEARNING_RATE, TRAIN_BATCH, Case
from peers.ours import entry_of


def seconds(side: str, case: Case, num_steps: int) -> float:
    """From events on the device to trained params."""
    import jax
    import jax.numpy as jnp

    import jaxgen

    num_epochs = 10
    rows = num_steps // num_epochs * TRAIN_BATCH
    x = jax.block_until_ready(jnp.asarray(jaxgen.data.load("two_moons", num_train=rows).train))
    if side == "flowjax fit_to_data":
        return _flowjax(case, x, num_epochs)
    start = time.perf_counter()
    if side == "ours":
        fitted = jaxgen.fit(jax.random.key(0), entry_of(case), x, num_steps, batch_size=TRAIN_BATCH)
        jax.block_until_ready(fitted.params)
    else:
        importlib.import_module(f"peers.{side}").make(case).train(num_steps)
    return time.perf_counter() - start


def _flowjax(case: Case, x: object, num_epochs: int) -> float:
    import equinox as eqx
    import jax
    import optax
    from flowjax.train import fit_to_data

    from peers.flowjax import flow

    model = flow(case)
    start = time.perf_counter()
    options = {"max_epochs": num_epochs, "max_patience": num_epochs, "batch_size": TRAIN_BATCH, "val_prop": 0.01, "show_progress": False}
    model, _ = fit_to_data(jax.random.key(1), model, x, optimizer=optax.adam(LEARNING_RATE), **options)
    jax.block_until_ready(eqx.filter(model, eqx.is_array))
    return time.perf_counter() - start
