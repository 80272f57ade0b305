"""Reverse KL to two unnormalised targets with known answers: effective sample size, log Z and divergences beside the truth.

Targets, both normalised, so that log Z = 0 and either divergence is 0 for a perfect fit:
  funnel      10 dimensions: v ~ N(0, 3^2), x_i | v ~ N(0, exp(v)), i = 1 ... 9 (Neal, Annals of Statistics 2003);
  40 modes    2 dimensions: equal Gaussians of scale softplus(1) = 1.31, means uniform on [-40, 40]^2 from a fixed seed.
Ours: an inverse autoregressive affine flow for the funnel, a spline coupling flow with a tempered start for the modes. The peer is a full
Gaussian found by the same objective with the same draws and steps, which is what variational inference does without a flow. Nothing is
trained on data. ESS counts a mode that was never found as nothing missing; the forward KL, over exact draws of the target, does not.
An estimated divergence below its standard error is reported as that; one below -3 standard errors ends the run, as it would be a bug.
"""

import json
import os
import sys
from typing import Any

from common import alone, options, report, row

DIM, SIDE, NUM_MODES, BATCH = 10, 40.0, 40, {"funnel": 256, "40 modes": 1024}
STEPS = {"funnel": 5_000, "40 modes": 5_000}
METRICS = {
    "ess": ("effective share of draws", "share", True),
    "log_z_error": ("absolute error of log Z", "nats", False),
    "reverse_kl": ("KL(model || target)", "nats", False),
    "forward_kl": ("KL(target || model)", "nats", False),
    "modes": ("modes with a tenth of their share", "modes", True),
}


def main() -> None:
    args = options(__doc__)
    if args.measure is not None:
        print(json.dumps(measure(**args.measure)))
        return
    rows: list[dict[str, Any]] = []
    for name, steps in STEPS.items():
        what = {"name": name, "steps": 40 if args.quick else steps, "num": 2_000 if args.quick else 20_000}
        print(f"{name}, {what['steps']} steps of {BATCH[name]} draws", flush=True)
        ours, theirs = (alone(__file__, {**what, "flow": flow}, os.cpu_count() or 1) for flow in (True, False))
        for metric, (text, unit, more_is_better) in METRICS.items():
            if metric in ours:
                rows.append(row(name, text, unit, ours[metric], "Gaussian", theirs[metric], more_is_better=more_is_better))
        for who, figures in (("flow", ours), ("Gaussian", theirs)):
            print(
                f"  {who}: log Z {figures['log_z']:+.4f} +- {figures['log_z_stderr']:.4f} (truth 0), elbo {figures['elbo']:+.4f} +- "
                f"{figures['elbo_stderr']:.4f}, Pareto k {figures['pareto_k']:.2f}, {figures['seconds']:.0f} s to train"
            )
    report(rows, args.out)


def measure(name: str, steps: int, num: int, flow: bool) -> dict[str, float]:
    """Train one contender and take its figures from `num` draws of its own and as many of the target."""
    import jax
    import numpy as np

    import jaxgen
    from jaxgen.evaluation import importance

    log_density, exact_draws, means = target(name)
    entry = contender(name, log_density, flow)
    fitted = jaxgen.fit(jax.random.key(0), entry, None, steps, batch_size=BATCH[name], progress=False)
    found = importance(jax.random.key(1), entry.model, fitted.params, log_density, num)
    x = exact_draws(np.random.default_rng(1), num).astype(np.float32)
    gap = np.asarray(jax.vmap(log_density)(x)) - np.asarray(jaxgen.log_prob(entry.model, fitted.params, x).value)
    figures = {field: getattr(found, field) for field in ("log_z", "log_z_stderr", "elbo", "elbo_stderr", "pareto_k")}
    figures |= {"ess": found.ess / num, "log_z_error": abs(found.log_z), "reverse_kl": divergence("reverse", *found.kl(0.0))}
    figures |= {"forward_kl": divergence("forward", float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(num)))}
    if means is not None:
        nearest = np.argmin(((np.asarray(found.x)[:, None] - means) ** 2).sum(-1), 1)
        figures["modes"] = float((np.bincount(nearest, minlength=len(means)) >= 0.1 * num / len(means)).sum())
    return figures | {"seconds": fitted.history["train_seconds"] + fitted.history["compile_seconds"]}


def divergence(which: str, value: float, stderr: float) -> float:
    """The larger of an estimate and its standard error."""
    if not value >= -3 * stderr:
        sys.exit(f"{which} KL {value:.4f} is more than three standard errors ({stderr:.4f}) below zero: a bug, not a record")
    return max(value, stderr)


def contender(name: str, log_density: Any, flow: bool) -> Any:
    import jaxgen
    from jaxgen import bases, nets, objectives, training
    from jaxgen import transforms as T

    annealed = {"warmup": 0.85, "start": 3e-3} if name == "40 modes" else {}
    if not flow:
        dim = 2 if name == "40 modes" else DIM
        model = jaxgen.Model(
            bases.normal((dim,)), T.triangular_affine() if name == "funnel" else T.chain(T.triangular_affine(), T.affine(0.0, 10.0))
        )
    elif name == "funnel":
        # Inverted, a layer makes its noise's image in one pass, which is what drawing needs.
        layer = T.invert(T.autoregressive(T.scale_and_shift(), nets.made(2, width=64, depth=2)))
        model = jaxgen.Model(bases.normal((DIM,)), T.repeat(layer, 2))
    else:
        layer = T.coupling(T.rational_quadratic(32, 5.0), lambda out: nets.mlp(out, width=128, depth=2, zero_last=True))
        model = jaxgen.Model(bases.normal((2,)), T.chain(T.repeat(T.chain(layer, T.flip()), 6), T.affine(0.0, 10.0)))
    objective = objectives.reverse_kl(model, log_density, path_gradient=False, **annealed)
    return training.Entry(model, objective, training.adam(3e-3 if name == "funnel" else 1e-3), card=training.Card(name))


def target(name: str) -> tuple[Any, Any, Any]:
    """A target's log density, `(rng, num) -> (num, d)` exact draws, and the means of its modes or None."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    if name == "funnel":

        def funnel(x: Any) -> Any:
            v = x[0]
            rest = -0.5 * jnp.sum(x[1:] ** 2) * jnp.exp(-v) - 0.5 * (DIM - 1) * (v + jnp.log(2 * jnp.pi))
            return rest - 0.5 * (v / 3) ** 2 - jnp.log(3.0) - 0.5 * jnp.log(2 * jnp.pi)

        def draws(rng: Any, num: int) -> Any:
            v = 3 * rng.standard_normal((num, 1))
            return np.concatenate([v, np.exp(v / 2) * rng.standard_normal((num, DIM - 1))], 1)

        return funnel, draws, None
    means, scale = np.random.default_rng(0).uniform(-SIDE, SIDE, (NUM_MODES, 2)), float(np.log1p(np.e))

    def mixture(x: Any) -> Any:
        near = -0.5 * jnp.sum((x - jnp.asarray(means, x.dtype)) ** 2, 1) / scale**2
        return jax.nn.logsumexp(near) - jnp.log(NUM_MODES) - jnp.log(2 * jnp.pi * scale**2)

    return mixture, lambda rng, num: means[rng.integers(NUM_MODES, size=num)] + scale * rng.standard_normal((num, 2)), means


if __name__ == "__main__":
    main()
