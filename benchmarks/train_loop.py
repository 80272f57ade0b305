"""2,000 steps of `jaxgen.fit` for `realnvp` and `nsf` against flowjax's own `fit_to_data`, compilation included.

Both sides: the same architecture (8 affine couplings, or 4 rational-quadratic ones with 8 bins; 2 x 64 hidden units, silu), the same
two_moons events, batches of 256, optax.adam(1e-3), ten evaluations on 256 held-out events. Each measurement has a process of its own, so
compilation is cold, the persistent cache is off, and flowjax runs under JAX's defaults. Ours is timed with its initialisation, flowjax
without. Ours also keeps its moving average and its check for finite gradients. The cases name our host devices; flowjax uses one.
"""

import json
from typing import Any

from common import alone, installed, interleaved, options, report, row, timed

BATCH, EPOCHS, LEARNING_RATE = 256, 10, 1e-3
CASES = {
    "realnvp": "realnvp D2, 8 affine couplings",
    "nsf": "nsf D2, 4 spline couplings",
}


def main() -> None:
    args = options(__doc__)
    if args.measure is not None:
        side = ours if args.measure["side"] == "ours" else flowjax
        print(json.dumps(side(args.measure["model"], args.measure["steps"])))
        return
    peer = installed("flowjax")
    steps, repeats = (200, 1) if args.quick else (2_000, 5)
    rows: list[dict[str, Any]] = []
    for model, case in CASES.items() if peer else ():
        print(f"{case}: {steps} steps", flush=True)
        medians = interleaved(
            {
                "ours, 2 devices": lambda model=model: measure("ours", model, steps, 2),
                "ours, 1 device": lambda model=model: measure("ours", model, steps, 1),
                "flowjax": lambda model=model: measure("flowjax", model, steps, 1),
            },
            repeats,
        )
        theirs = medians["flowjax"]
        for devices in ("2 devices", "1 device"):
            mine, name = medians[f"ours, {devices}"], f"{case}, ours on {devices}"
            rows.append(row(name, f"fit, {steps} steps with compile", "s", mine["seconds"], peer, theirs["seconds"]))
            rows.append(row(name, f"test NLL after {steps} steps", "nats", mine["nll"], peer, theirs["nll"]))
    report(rows, args.out)


def measure(side: str, model: str, steps: int, devices: int) -> dict[str, float]:
    return alone(__file__, {"side": side, "model": model, "steps": steps}, devices)


def events(steps: int) -> tuple[Any, Any, Any]:
    """Training, held-out and test events: as many that flowjax, which counts epochs, takes exactly `steps` steps."""
    import jax.numpy as jnp

    import jaxgen

    num_train = steps // EPOCHS * BATCH
    data = jaxgen.data.load("two_moons", num_train=num_train, num_valid=BATCH)
    return jnp.asarray(data.train), jnp.asarray(data.valid), jnp.asarray(data.test)


def ours(model: str, steps: int) -> dict[str, float]:
    import jax
    import optax

    import jaxgen

    layers = {"realnvp": 8, "nsf": 4}[model]
    entry = jaxgen.zoo.build(model, (2,), width=64, depth=2, num_layers=layers)
    entry = entry._replace(optimizer=lambda num_steps: optax.adam(LEARNING_RATE))
    train, valid, test = jax.block_until_ready(events(steps))
    with timed() as seconds:
        fitted = jaxgen.fit(jax.random.key(0), entry, train, steps, valid=valid, batch_size=BATCH, eval_every=steps // EPOCHS)
        jax.block_until_ready(fitted.params)
    nll = -jaxgen.log_prob(entry.model, fitted.params, test).value.mean()
    return {"seconds": seconds(), "nll": float(nll), "parameters": jaxgen.zoo.count_params(fitted.params)}


def flowjax(model: str, steps: int) -> dict[str, float]:
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax
    from flowjax.bijections import RationalQuadraticSpline
    from flowjax.distributions import Normal
    from flowjax.flows import coupling_flow
    from flowjax.train import fit_to_data

    # Seven inner knots are eight bins.
    transformer = {} if model == "realnvp" else {"transformer": RationalQuadraticSpline(knots=7, interval=5)}
    base, layers = Normal(jnp.zeros(2)), {"realnvp": 8, "nsf": 4}[model]
    flow = coupling_flow(
        jax.random.key(0), base_dist=base, flow_layers=layers, nn_width=64, nn_depth=2, nn_activation=jax.nn.silu, **transformer
    )
    train, valid, test = jax.block_until_ready(events(steps))
    data = jnp.concatenate([train, valid])
    with timed() as seconds:
        flow, _ = fit_to_data(
            jax.random.key(1),
            flow,
            data,
            optimizer=optax.adam(LEARNING_RATE),
            max_epochs=EPOCHS,
            max_patience=EPOCHS,
            batch_size=BATCH,
            val_prop=BATCH / len(data),
            show_progress=False,
        )
        jax.block_until_ready(eqx.filter(flow, eqx.is_array))
    nll = -eqx.filter_jit(lambda flow, x: flow.log_prob(x).mean())(flow, test)
    parameters = sum(a.size for a in jax.tree.leaves(eqx.filter(flow.bijection, eqx.is_inexact_array)))
    return {"seconds": seconds(), "nll": float(nll), "parameters": parameters}


if __name__ == "__main__":
    main()
