"""Plain JAX, without a library: flow matching in a scan over training steps, and EDM's deterministic sampler, both on equal terms."""

from typing import Any

from peers import equal
from peers.dynamics.case import BATCH, HEUN_STEPS, LEARNING_RATE, TABLE, TRAIN_BATCH, Case, Contender


def make(case: Case) -> Contender:
    import jax
    import jax.numpy as jnp
    import optax

    activation = {"selu": jax.nn.selu, "silu": jax.nn.silu}[case.activation]
    params = [(jnp.asarray(w), jnp.asarray(b)) for w, b in case.weights()]

    def network(params: Any, t: Any, x: Any) -> Any:
        h = jnp.concatenate([x, jnp.broadcast_to(t, (x.shape[0], 1))], 1)
        for w, b in params[:-1]:
            h = activation(h @ w + b)
        return h @ params[-1][0] + params[-1][1]

    if case.kind == "icfm":

        def loss(params: Any, x: Any, key: Any) -> Any:
            key_noise, key_time = jax.random.split(key)
            noise, t = jax.random.normal(key_noise, x.shape), jax.random.uniform(key_time, (x.shape[0], 1))
            return jnp.mean((network(params, t, (1 - t) * noise + t * x) - (x - noise)) ** 2)

        table = jnp.asarray(case.events(TABLE))
        return {"train": equal.trained(loss, params, optax.adam(LEARNING_RATE), table, TRAIN_BATCH)}
    sigmas = (80 ** (1 / 7) + jnp.linspace(0, 1, HEUN_STEPS) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    times, num = jnp.linspace(0, 1, HEUN_STEPS), BATCH["edm"] // jax.device_count()

    def denoise(params: Any, x: Any, sigma: Any, t: Any) -> Any:
        norm = jnp.sqrt(1 + sigma**2)
        return x / norm**2 + sigma / norm * network(params, t, x / norm)

    def sample(params: Any, keys: Any) -> Any:
        def step(x: Any, i: Any) -> Any:
            slope = (x - denoise(params, x, sigmas[i], times[i])) / sigmas[i]
            ahead = x + (sigmas[i + 1] - sigmas[i]) * slope
            after = (ahead - denoise(params, ahead, sigmas[i + 1], times[i + 1])) / sigmas[i + 1]
            return x + (sigmas[i + 1] - sigmas[i]) * 0.5 * (slope + after), None

        x = jax.lax.scan(step, sigmas[0] * jax.random.normal(keys[0], (num, case.d)), jnp.arange(HEUN_STEPS - 1))[0]
        return denoise(params, x, sigmas[-1], times[-1])

    whole = equal.evaluated(sample, params, jax.random.split(jax.random.key(0), jax.device_count()))
    return {"sample": lambda _: whole().shape[0]}
