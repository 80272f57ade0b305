"""The reverse SDE of a diffusion by SRA1 on a fixed grid: `stochastic_runge_kutta`, whose noise is in the base, against diffrax's SRA1.

Both sides: 100 equal steps, a batch of 1,024, D2, one network of 3 x 108 units, the same drift and diffusion; sampling includes drawing the
noise. diffrax takes it from a VirtualBrownianTree with space-time Levy areas, and from an UnsafeBrownianPath, which is for fixed steps
only and has no derivatives of its noise. One device, one process, persistent cache off.
"""

import json
from collections.abc import Callable
from typing import Any

from common import alone, installed, interleaved, options, report, row, timed

BATCH, STEPS = 1_024, 100
OURS, TREE, UNSAFE = "jaxgen", "VirtualBrownianTree", "UnsafeBrownianPath"


def main() -> None:
    args = options(__doc__)
    if args.measure is not None:
        print(json.dumps(measure(**args.measure)))
        return
    peer = installed("diffrax")
    figures = alone(__file__, {"repeats": 3 if args.quick else 9})
    rows: list[dict[str, Any]] = []
    for noise in (TREE, UNSAFE):
        rows.append(
            row(f"SRA1, {STEPS} steps, batch {BATCH}", "sample", "ms", figures[f"{OURS} ms"], f"{peer} {noise}", figures[f"{noise} ms"])
        )
        rows.append(row(f"SRA1, {STEPS} steps", "compile", "s", figures[f"{OURS} compile"], f"{peer} {noise}", figures[f"{noise} compile"]))
    report(rows, args.out)


def measure(repeats: int) -> dict[str, float]:
    """Milliseconds of a batch, median over interleaved repeats, and seconds of compilation, for each contender."""
    import jax

    params, samplers = contenders()
    compiled, compile_seconds = {}, {}
    for name, sampler in samplers.items():
        with timed() as seconds:
            compiled[name] = jax.jit(sampler).lower(params, jax.random.key(0)).compile()
        compile_seconds[name] = seconds()

    def time_of(sampler: Callable[..., Any]) -> dict[str, float]:
        with timed() as seconds:
            jax.block_until_ready(sampler(params, jax.random.key(1)))
        return {"ms": 1e3 * seconds()}

    medians = interleaved({name: lambda f=f: time_of(f) for name, f in compiled.items()}, repeats)
    return {f"{n} ms": m["ms"] for n, m in medians.items()} | {f"{n} compile": s for n, s in compile_seconds.items()}


def contenders() -> tuple[Any, dict[str, Callable[..., Any]]]:
    """Params, and `(params, key) -> (BATCH, 2)` by contender."""
    import diffrax
    import jax
    import jax.numpy as jnp

    from jaxgen import bases, nets, paths, transforms
    from jaxgen.transforms.samplers.sde_sampler import reverse_sde
    from jaxgen.zoo.velocity import init_in_time

    net, path = nets.time_mlp(2, width=108, depth=3), paths.vp_linear()
    prediction = paths.prediction(path, net.apply, "eps")
    sampler, base = transforms.stochastic_runge_kutta(init_in_time(net), prediction, STEPS), bases.diffusion_noise((2,), STEPS, areas=True)
    drift, g2 = reverse_sde(prediction)

    def ours(params: Any, key: jax.Array) -> jax.Array:
        return jax.vmap(lambda k: sampler.forward(params, base.sample(seed=k)))(jax.random.split(key, BATCH))

    def theirs(brownian: Callable[[jax.Array], Any], adjoint: Any) -> Callable[..., jax.Array]:
        def one(params: Any, key: jax.Array) -> jax.Array:
            terms = diffrax.MultiTerm(
                diffrax.ODETerm(lambda t, x, params: drift(params, x, jnp.asarray(t), None)),
                diffrax.ControlTerm(lambda t, x, params: jnp.sqrt(g2(jnp.asarray(t))) * jnp.eye(2), brownian(key)),
            )
            start = path.sigma(jnp.zeros(())) * jax.random.normal(jax.random.fold_in(key, 1), (2,))
            grid = {"stepsize_controller": diffrax.ConstantStepSize(), "max_steps": STEPS, "throw": False, "adjoint": adjoint}
            return diffrax.diffeqsolve(terms, diffrax.SRA1(), 0.0, 1.0, 1 / STEPS, start, params, **grid).ys[0]

        return lambda params, key: jax.vmap(lambda k: one(params, k))(jax.random.split(key, BATCH))

    area = diffrax.SpaceTimeLevyArea
    tree = theirs(lambda k: diffrax.VirtualBrownianTree(0.0, 1.0, 0.5 / STEPS, (2,), k, area), diffrax.RecursiveCheckpointAdjoint())
    unsafe = theirs(lambda k: diffrax.UnsafeBrownianPath((2,), k, area), diffrax.DirectAdjoint())
    return init_in_time(net)(jax.random.key(0), jnp.zeros(2)), {OURS: ours, TREE: tree, UNSAFE: unsafe}


if __name__ == "__main__":
    main()
