"""jaxgen through its public functions; training is the compiled chunk of steps that `fit` runs, with its moving average and checks."""

from typing import Any

from peers.contender import BATCH, BOUND, LEARNING_RATE, NUM_BINS, TRAIN_BATCH, Case, Contender, events

NAMES = {"realnvp": "realnvp", "rqs": "nsf", "maf": "maf"}


def entry_of(case: Case) -> Any:
    import optax

    import jaxgen

    options = {"num_bins": NUM_BINS, "bound": BOUND} if case.kind == "rqs" else {}
    entry = jaxgen.zoo.build(NAMES[case.kind], (case.d,), width=case.width, depth=2, num_layers=case.num_layers, **options)
    return entry._replace(optimizer=lambda num_steps: optax.adam(LEARNING_RATE))


def make(case: Case) -> Contender:
    import jax
    import jax.numpy as jnp
    import numpy as np

    import jaxgen
    from jaxgen.training.chunk import Plan, make_chunk
    from jaxgen.training.step import init_state

    entry, x, length, many = entry_of(case), jnp.asarray(events(case, BATCH)), 100, 10**7
    params = jaxgen.model.init(jax.random.key(0), entry.model)
    # Away from the identity at which networks start, as a trained flow is.
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda a: a + 0.05 * jnp.asarray(rng.standard_normal(a.shape), a.dtype), params)
    chunk: list[Any] = []

    def train(num: int) -> int:
        if not chunk:
            batch = jaxgen.Batch(x)
            state = init_state(jax.random.key(0), entry, batch, many)
            made = make_chunk(entry, state, batch, jax.random.key(2), Plan(many, TRAIN_BATCH, 0.999, length), None)
            chunk.extend([made.run, made.state])
        done = 0
        while done < num:
            chunk[1], metrics = chunk[0](chunk[1], 0, length)
            assert metrics["ok"].all()
            done += length
        return done

    return Contender(
        lambda: jaxgen.log_prob(entry.model, params, x).value.block_until_ready(),
        lambda: jaxgen.sample(jax.random.key(1), entry.model, params, BATCH).block_until_ready(),
        train,
    )


def growth(case: Case) -> dict[str, float]:
    """Seconds of compiling a train step's gradient and bytes of its HLO, of layers in a loop, as the zoo's flows of more than eight are."""
    import time

    import jax
    import jax.numpy as jnp

    import jaxgen
    from jaxgen import nets
    from jaxgen.objective import Clock
    from jaxgen.objectives import maximum_likelihood
    from jaxgen.transforms import alternating, rational_quadratic, scale_and_shift

    scalar = rational_quadratic(NUM_BINS, BOUND) if case.kind == "rqs" else scale_and_shift()
    flow = alternating(scalar, lambda out: nets.mlp(out, width=case.width, depth=2, zero_last=True), case.num_layers)
    model, batch = jaxgen.Model(jaxgen.bases.normal((case.d,)), flow), jaxgen.Batch(jnp.asarray(events(case, TRAIN_BATCH)))
    params = jaxgen.model.init(jax.random.key(0), model)
    clock = Clock(jnp.asarray(0, jnp.int32), jnp.asarray(1, jnp.int32), params)
    gradient = jax.jit(jax.grad(lambda p: maximum_likelihood(model).loss(p, (), jax.random.key(0), batch, clock)[0]))
    lowered = gradient.lower(params)
    start = time.perf_counter()
    compiled = lowered.compile()
    return {"seconds": time.perf_counter() - start, "bytes": float(len(compiled.as_text()))}
