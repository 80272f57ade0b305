"""diffrax as its CNF example uses it (reverse-mode divergences, Tsit5, PIDController), with the batch as one state.

In a process of several devices it runs on equal terms (`peers.equal`), where the compiler splits the state, since it does not run in `shard_map`.
"""

from peers import equal
from peers.dynamics.case import BATCH, LEARNING_RATE, TABLE, TOLERANCE, TRAIN_BATCH, Case, Contender


def make(case: Case, *, vmapped: bool = False) -> Contender:
    import functools
    from typing import Any

    import diffrax
    import jax
    import jax.numpy as jnp
    import optax

    activation = {"tanh": jnp.tanh}[case.activation]
    params = [(jnp.asarray(w), jnp.asarray(b)) for w, b in case.weights()]

    def velocity(params: Any, t: Any, x: Any) -> Any:
        h = jnp.concatenate([x, jnp.asarray(t, x.dtype)[None]])
        for w, b in params[:-1]:
            h = activation(h @ w + b)
        return h @ params[-1][0] + params[-1][1]

    def with_divergence(t: Any, state: Any, params: Any, probe: Any) -> Any:
        v, pull = jax.vjp(functools.partial(velocity, params, t), state[0])
        if case.exact:
            return v, jnp.trace(jax.vmap(lambda e: pull(e)[0])(jnp.eye(case.d)))
        return v, jnp.sum(pull(probe)[0] * probe)

    def solve(field: Any, state: Any, args: Any) -> Any:
        controller = diffrax.PIDController(TOLERANCE, TOLERANCE)
        solution = diffrax.diffeqsolve(diffrax.ODETerm(field), diffrax.Tsit5(), 1.0, 0.0, None, state, args, stepsize_controller=controller)
        return jax.tree.map(lambda y: y[0], solution.ys)

    def pulled_back(params: Any, x: Any, probes: Any) -> Any:
        if vmapped:
            return jax.vmap(lambda x, probe: solve(lambda t, s, args: with_divergence(t, s, *args), (x, jnp.zeros(())), (params, probe)))(
                x, probes
            )

        def field(t: Any, state: Any, args: Any) -> Any:
            return jax.vmap(lambda s, probe: with_divergence(t, s, args[0], probe))(state, args[1])

        return solve(field, (x, jnp.zeros(x.shape[0])), (params, probes))

    def log_prob(params: Any, x: Any, probes: Any) -> Any:
        z, log_det = pulled_back(params, x, probes)
        return -0.5 * jnp.sum(z**2 + jnp.log(2 * jnp.pi), 1) + log_det

    optimizer = optax.adam(LEARNING_RATE)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, opt_state: Any, table: Any, key: Any) -> Any:
        key_rows, key_probes = jax.random.split(key)
        x = table[jax.random.randint(key_rows, (TRAIN_BATCH,), 0, TABLE)]
        probes = jax.random.rademacher(key_probes, x.shape, x.dtype)
        loss, grads = jax.value_and_grad(lambda p: -jnp.mean(log_prob(p, x, probes)))(params)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    x, probes = jnp.asarray(case.events(BATCH["cnf"])), jnp.asarray(case.probes(BATCH["cnf"]))
    if equal.wanted():
        whole = equal.evaluated(log_prob, params, x, probes, by_compiler=True)

        def loss(params: Any, x: Any, key: Any) -> Any:
            return -jnp.mean(log_prob(params, x, jax.random.rademacher(key, x.shape, x.dtype)))

        train_equally = equal.trained(loss, params, optimizer, jnp.asarray(case.events(TABLE)), TRAIN_BATCH, 5, by_compiler=True)
        return {
            "log_prob": lambda num: whole().shape[0],
            "gradient": lambda num: train_equally(1),
            "noise": lambda: equal.evaluated(lambda *args: pulled_back(*args)[0], params, x, probes, by_compiler=True)(),
        }
    compiled, table = jax.jit(log_prob), jnp.asarray(case.events(TABLE))
    trained = jax.tree.map(jnp.copy, params)
    state = [trained, optimizer.init(trained)]

    def evaluate(num: int) -> int:
        compiled(params, x, probes).block_until_ready()
        return x.shape[0]

    def train(num: int) -> int:
        for i in range(max(1, num // 5)):
            *state[:], loss = step(*state, table, jax.random.key(i))
        loss.block_until_ready()
        return max(1, num // 5)

    return {"log_prob": evaluate, "gradient": train, "noise": lambda: jax.jit(pulled_back)(params, x, probes)[0]}
