"""Equal terms for a peer that runs on JAX: what jaxgen gives its own programs, and no more.

These are the two host devices, over which a batch is split by `shard_map`; a scan over training steps, whose gradients cross between the
devices in one sum; the compiler's options; and params and data that lie on the devices before they are used. A peer's documentation has one
device and a Python loop over training steps, which the column beside this one measures.
"""

import os
from collections.abc import Callable
from typing import Any

STEPS = 100
EQUAL = "BENCHMARK_EQUAL"
"""A variable of the environment: anything but nothing asks for equal terms on a single device."""


def wanted() -> bool:
    """Whether this process has several devices, or is asked for equal terms on one."""
    import jax

    return jax.device_count() > 1 or bool(os.environ.get(EQUAL))


def mesh() -> Any:
    """All devices in a row."""
    import jax
    import numpy as np
    from jax.sharding import Mesh

    return Mesh(np.array(jax.devices()), ("events",))


def evaluated(function: Callable[..., Any], params: Any, *rows: Any, by_compiler: bool = False) -> Callable[[], Any]:
    """A function without arguments that computes `function(params, *rows)`, one row an event, with each device's share on that device.

    `by_compiler` leaves it to the compiler to split the program, whose inputs are split: diffrax does not run within `shard_map`.
    """
    import jax
    from jax.sharding import NamedSharding
    from jax.sharding import PartitionSpec as P

    from jaxgen.compiled import CPU_OPTIONS, platform

    devices, share = mesh(), P("events")
    params = jax.device_put(params, NamedSharding(devices, P()))
    rows = jax.device_put(rows, NamedSharding(devices, share))
    over = jax.shard_map(function, mesh=devices, in_specs=(P(), *(share for _ in rows)), out_specs=share, check_vma=False)
    program = jax.jit(function if by_compiler else over, compiler_options=CPU_OPTIONS if platform() == "cpu" else None)
    return lambda: jax.block_until_ready(program(params, *rows))


def trained(
    loss: Callable[..., Any], params: Any, optimizer: Any, table: Any, batch: int, length: int = STEPS, by_compiler: bool = False
) -> Callable[[int], int]:
    """A function `num -> steps done` that trains at least `num` steps on `loss(params, rows of this device, key)`, `length` in a program.

    With `by_compiler` the loss sees all rows, which are split over the devices, and the compiler adds what crosses between them.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax
    from jax.flatten_util import ravel_pytree
    from jax.sharding import NamedSharding
    from jax.sharding import PartitionSpec as P

    from jaxgen.compiled import platform, training_options

    devices = mesh()
    share, here = batch if by_compiler else batch // devices.size, NamedSharding(devices, P())

    def run(trained: Any, opt_state: Any, table: Any, first: Any) -> Any:
        me = 0 if by_compiler else jax.lax.axis_index("events")

        def step(carry: Any, i: Any) -> Any:
            trained, opt_state = carry
            rows = jax.lax.dynamic_slice_in_dim(table, (i * batch + me * share) % (table.shape[0] - share + 1), share)
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), i), me)
            if by_compiler:
                rows = jax.lax.with_sharding_constraint(rows, NamedSharding(devices, P("events")))
            value, grads = jax.value_and_grad(loss)(trained, rows, key)
            if not by_compiler:
                flat, unravel = ravel_pytree((value, grads))
                value, grads = unravel(jax.lax.pmean(flat, "events"))
            updates, opt_state = optimizer.update(grads, opt_state, trained)
            return (optax.apply_updates(trained, updates), opt_state), value

        (trained, opt_state), losses = jax.lax.scan(step, (trained, opt_state), first + jnp.arange(length))
        return trained, opt_state, losses

    program = jax.jit(
        run if by_compiler else jax.shard_map(run, mesh=devices, in_specs=P(), out_specs=P(), check_vma=False),
        donate_argnums=(0, 1),
        compiler_options=training_options() if platform() == "cpu" else None,
    )
    copies = jax.tree.map(jnp.copy, params)
    *state, table = jax.device_put((copies, optimizer.init(copies), table), here)
    steps = [0]

    def train(num: int) -> int:
        done = 0
        while done < num:
            *state[:], losses = program(*state, table, np.int32(steps[0]))
            assert np.isfinite(np.asarray(losses)).all()
            done, steps[0] = done + length, (steps[0] + length) % 10**6
        return done

    return train
