"""Gradient of a CNF's likelihood through a fixed grid: the scan of `jaxgen.numerics.solve` against diffrax on the same grid.

Both sides: midpoint steps, one velocity network (3 x 108 hidden units, D2) with exact divergence, a batch of 256 as one state, the same
params and events; the gradient is that of the mean negative log-likelihood with respect to the params. diffrax integrates with
ConstantStepSize under RecursiveCheckpointAdjoint (its default, here allowed a checkpoint at every step) and under DirectAdjoint, with
max_steps as low as the grid allows. The gradients are compared before they are timed. One device, one process, persistent cache off.
"""

import json
from collections.abc import Callable
from typing import Any

from common import alone, installed, interleaved, options, report, row, timed

BATCH, WIDTH, DEPTH, METHOD = 256, 108, 3, "midpoint"
OURS, RECURSIVE, DIRECT = "jaxgen", "RecursiveCheckpointAdjoint", "DirectAdjoint"


def main() -> None:
    args = options(__doc__)
    if args.measure is not None:
        print(json.dumps(measure(**args.measure)))
        return
    peer = installed("diffrax")
    rows: list[dict[str, Any]] = []
    for num_steps in (6,) if args.quick else (6, 24):
        case = f"CNF gradient, D2, batch {BATCH}, {num_steps} {METHOD} steps"
        print(case, flush=True)
        figures = alone(__file__, {"num_steps": num_steps, "repeats": 3 if args.quick else 7, "calls": 2 if args.quick else 5})
        for adjoint in (RECURSIVE, DIRECT):
            name = f"{peer} {adjoint}"
            rows.append(row(case, "gradient", "ms", figures[f"{OURS} ms"], name, figures[f"{adjoint} ms"]))
            rows.append(row(case, "compile", "s", figures[f"{OURS} compile"], name, figures[f"{adjoint} compile"]))
    report(rows, args.out)


def measure(num_steps: int, repeats: int, calls: int) -> dict[str, float]:
    """Milliseconds of a gradient, median over `repeats` interleaved means of `calls`, and seconds of compilation, for each contender."""
    import jax
    import numpy as np

    params, x, losses = likelihoods(num_steps)
    compiled, compile_seconds = {}, {}
    for name, loss in losses.items():
        with timed() as seconds:
            compiled[name] = jax.jit(jax.grad(loss)).lower(params, x).compile()
        compile_seconds[name] = seconds()
    expected = jax.tree.leaves(compiled[OURS](params, x))
    for name, gradient in compiled.items():
        for a, b in zip(jax.tree.leaves(gradient(params, x)), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, err_msg=name)

    def time_of(gradient: Callable[..., Any]) -> dict[str, float]:
        with timed() as seconds:
            for _ in range(calls):
                jax.block_until_ready(gradient(params, x))
        return {"ms": 1e3 * seconds() / calls}

    medians = interleaved({name: lambda g=g: time_of(g) for name, g in compiled.items()}, repeats)
    return {f"{n} ms": m["ms"] for n, m in medians.items()} | {f"{n} compile": s for n, s in compile_seconds.items()}


def likelihoods(num_steps: int) -> tuple[Any, Any, dict[str, Callable[..., Any]]]:
    """Params, events and, by contender, the mean negative log-likelihood as a function of both."""
    import diffrax
    import jax
    import jax.numpy as jnp

    import jaxgen
    from jaxgen.numerics import divergence, fixed, solve

    net = jaxgen.nets.time_mlp(2, width=WIDTH, depth=DEPTH)
    base = jaxgen.bases.normal((2,))
    x = jnp.asarray(jaxgen.data.draw("two_moons", 0, BATCH))
    start = net.init(jax.random.key(0), x[0], jnp.zeros(()), None)
    # Away from the network's start, at which the velocity is zero and the gradients would agree for the wrong reason.
    params = jax.tree.map(lambda a: a + 0.1 * jax.random.normal(jax.random.key(a.size), a.shape), start)

    def field(params: Any, t: Any, state: Any) -> Any:
        return jax.vmap(lambda x: divergence(lambda x: net.apply(params, x, t, None), x))(state[0])

    def nll(end: Any) -> Any:
        return -jnp.mean(jax.vmap(base.log_prob)(end[0]) + end[1])

    def ours(params: Any, x: Any) -> Any:
        end, _ = solve(lambda t, y: field(params, t, y), (x, jnp.zeros(BATCH)), 1.0, 0.0, fixed(num_steps, METHOD))
        return nll(end)

    def theirs(adjoint: Any) -> Callable[..., Any]:
        def loss(params: Any, x: Any) -> Any:
            solution = diffrax.diffeqsolve(
                diffrax.ODETerm(lambda t, y, params: field(params, t, y)),
                diffrax.Midpoint(),
                1.0,
                0.0,
                -1.0 / num_steps,
                (x, jnp.zeros(BATCH)),
                params,
                stepsize_controller=diffrax.ConstantStepSize(),
                adjoint=adjoint,
                max_steps=num_steps,
                throw=False,
            )
            return nll(jax.tree.map(lambda y: y[0], solution.ys))

        return loss

    adjoints = {RECURSIVE: diffrax.RecursiveCheckpointAdjoint(checkpoints=num_steps), DIRECT: diffrax.DirectAdjoint()}
    return params, x, {OURS: ours, **{name: theirs(adjoint) for name, adjoint in adjoints.items()}}


if __name__ == "__main__":
    main()
