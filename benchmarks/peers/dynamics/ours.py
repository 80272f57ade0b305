"""jaxgen through its public functions; training is the compiled chunk of steps that `fit` runs, with its moving average and checks."""

from typing import Any

from peers.dynamics.case import BATCH, HEUN_STEPS, LEARNING_RATE, TABLE, TOLERANCE, TRAIN_BATCH, Case, Contender, Work


def make(case: Case, tolerance: float = TOLERANCE, norm: str = "worst_event") -> Contender:
    import jax
    import jax.numpy as jnp

    import jaxgen
    from jaxgen import bases, nets, numerics, objectives, paths, transforms
    from jaxgen.zoo.velocity import init_in_time

    net = nets.time_mlp(case.d, width=case.width, depth=case.depth, activation=case.activation, num_frequencies=0)
    base, init, params = bases.normal((case.d,)), init_in_time(net), network_params(case)
    shapes = jax.tree.map(jnp.shape, init(jax.random.key(0), jnp.zeros(case.d)))
    assert jax.tree.map(jnp.shape, params) == shapes, shapes

    def flow(adjoint: str, tolerance: float = tolerance) -> jaxgen.Model:
        solver = numerics.adaptive(tolerance, tolerance, adjoint=adjoint, norm=norm)
        trace = "exact" if case.exact else "hutchinson"
        return jaxgen.Model(base, transforms.ode_flow(init, net.apply, solver=solver, trace=trace))

    if case.kind == "cnf":
        model, x, key = flow("direct"), jnp.asarray(case.events(BATCH["cnf"])), jax.random.key(1)

        def log_prob(num: int) -> int:
            jaxgen.log_prob(model, params, x, key=key).value.block_until_ready()
            return x.shape[0]

        def truth() -> Any:
            with jax.enable_x64(True):
                precise = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), (params, x))
                return jaxgen.model.encode(flow("direct", 1e-9), *precise, key=key)

        gradient = training(case, objectives.maximum_likelihood(flow("recursive")), flow("recursive"), params, 5)
        return {"log_prob": log_prob, "gradient": gradient, "noise": lambda: jaxgen.model.encode(model, params, x, key=key), "truth": truth}
    if case.kind == "edm":
        path = paths.edm()
        denoiser = paths.prediction(path, paths.preconditioned(path, net.apply), "denoiser")
        sampler = jaxgen.Model(base, transforms.heun(init, denoiser, HEUN_STEPS))

        def sample(num: int) -> int:
            jaxgen.sample(jax.random.key(1), sampler, params, BATCH["edm"]).block_until_ready()
            return BATCH["edm"]

        return {"sample": sample}
    model = flow("direct")
    coupling = {"icfm": "independent", "otcfm": "optimal_transport"}[case.kind]
    return {"train": training(case, objectives.flow_matching(model, coupling=coupling), model, params, 100)}


def network_params(case: Case) -> Any:
    """The case's weights in the tree of flax."""
    import jax.numpy as jnp

    layers = {f"Dense_{i}": {"kernel": jnp.asarray(w), "bias": jnp.asarray(b)} for i, (w, b) in enumerate(case.weights())}
    return {"_MLP_0": layers}


def training(case: Case, objective: Any, model: Any, params: Any, length: int) -> Work:
    import jax
    import jax.numpy as jnp
    import optax

    import jaxgen
    from jaxgen.training.chunk import Plan, make_chunk
    from jaxgen.training.step import init_state, start_from

    many, made = 10**7, []
    entry = jaxgen.zoo.build("cfm", (case.d,))._replace(
        model=model, readings={"default": model}, objective=objective, optimizer=lambda num_steps: optax.adam(LEARNING_RATE)
    )

    def train(num: int) -> int:
        if not made:
            batch = jaxgen.Batch(jnp.asarray(case.events(TABLE)))
            state = start_from(init_state(jax.random.key(0), entry, batch, many), entry, (params, ()), many)
            made.append(make_chunk(entry, state, batch, jax.random.key(2), Plan(many, TRAIN_BATCH, 0.999, length), None))
            made.extend([made[0].state, 0])
        done = 0
        while done < num:
            made[1], metrics = made[0].run(made[1], made[2], made[2] + length)
            assert metrics["ok"].all()
            done, made[2] = done + length, made[2] + length
        return done

    return train
