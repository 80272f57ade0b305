"""The residual flow: data to noise is the identity plus a contraction (arXiv 1811.00995, 1906.02735)."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.numerics import contraction_root, contraction_steps, roulette_log_det
from jaxgen.transform import Density, Preimage, Transform


def residual(net: Net, *, lipschitz: float = 0.9, log_det: str = "exact", num_terms: int = 4, survival: float | None = None) -> Transform:
    """`z = x + g(x)` on events `(d,)`, with `g` a network whose Lipschitz constant is at most `lipschitz` (`nets.lipschitz_mlp`).

    The density of data, and so training, costs one evaluation and a log-det; `forward` solves `x + g(x) = z` to the dtype's precision by
    iteration, with derivatives by the implicit function theorem. `g` takes the condition as its second input.

    log_det="exact": `log|det(I + dg/dx)|` from d forward-mode products (EXACT). log_det="roulette": a randomly truncated power series with
    one probe, at least `num_terms` terms and each further one with probability `survival` (UNBIASED; its gradients are unbiased too, see
    `numerics.roulette_log_det`). The default `lipschitz^1.5` exceeds `lipschitz^2`, below which the variance may be infinite.

    params: the network's. Raises ValueError for an unknown `log_det`, a `lipschitz` or `survival` out of range, or `num_terms` below 1.
    """
    survival = _checked(lipschitz, log_det, num_terms, survival)
    exact = log_det == "exact"

    def g(theta: Any, x: jax.Array) -> jax.Array:
        return net.apply(theta[0], x, theta[1])

    def with_exact_log_det(theta: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, jvp = jax.linearize(lambda x: g(theta, x), x)
        unit = jnp.eye(x.shape[0], dtype=x.dtype)
        return x + y, jnp.linalg.slogdet(unit + jax.vmap(jvp)(unit))[1]

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        if exact:
            return Preimage(*with_exact_log_det((params, cond), x))
        if key is None:
            raise ValueError("residual.inverse: key=None; the log-det is estimated (roulette), give a key such as jax.random.key(0).")
        y, estimate = roulette_log_det(g, (params, cond), x, key, num_terms, survival)
        return Preimage(x + y, estimate)

    def forward(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        return contraction_root(lambda x: g((params, cond), x), z, lipschitz)

    def forward_and_log_det(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        x = forward(params, z, cond)
        return x, -with_exact_log_det((params, cond), x)[1]

    def refine(level: int, exact: bool = False) -> Transform:
        how = "exact" if exact else log_det
        return residual(net, lipschitz=lipschitz, log_det=how, num_terms=num_terms, survival=survival)

    return Transform(
        lambda key, z, cond=None: net.init(key, z, cond),
        forward,
        inverse,
        forward_and_log_det if exact else None,
        Density.EXACT if exact else Density.UNBIASED,
        {"nfe": lambda params, z, cond=None: contraction_steps(lambda x: g((params, cond), x), z, lipschitz)},
        refine=None if exact else refine,
    )


def _checked(lipschitz: float, log_det: str, num_terms: int, survival: float | None) -> float:
    if log_det not in ("exact", "roulette"):
        raise ValueError(f'residual: log_det={log_det!r}; accepted: "exact", "roulette".')
    if not 0 < lipschitz < 1:
        raise ValueError(f"residual: lipschitz={lipschitz!r}; accepted: 0 < lipschitz < 1.")
    checks.count("residual: num_terms", num_terms)
    chosen: float = lipschitz**1.5 if survival is None else survival
    if not lipschitz**2 < chosen < 1:
        raise ValueError(f"residual: survival={survival!r}; accepted: lipschitz^2 = {lipschitz**2:.3g} < survival < 1, or None.")
    return chosen
