"""Likelihood training of a diffusion: its variational bound in continuous time, in bits per dimension (arXiv 2107.00630)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, require
from jaxgen.objectives.denoising import stratified_times
from jaxgen.objectives.weights import log_snr_and_rate
from jaxgen.paths import Path


def variational_bound(model: Model, path: Path | Callable[[Any], Path], *, num_time_bins: int | None = None) -> Objective:
    """Minimise the bound on -log p(x) in bits per dimension, base-2 logs per coordinate of the data in their own units.

    With lambda = log(alpha^2 / sigma^2) and d coordinates, in nats (2107.00630, eqs. 11 to 17, for data that are numbers):

    - diffusion: `(1/2) E_t lambda'(t) |eps - eps_hat(x_t, t)|^2`, t uniform;
    - prior: `KL(q(x_0 | x) || N(0, sigma(0)^2)) = alpha(0)^2 |x|^2 / (2 sigma(0)^2)`;
    - reconstruction: of x from x_1 by `N(x_1 / alpha(1), sigma(1)^2 / alpha(1)^2)`, hence `(d / 2) log(2 pi e sigma(1)^2 / alpha(1)^2)`.

    Prior and reconstruction are fixed by the path, so the weight of `weights.elbo()` in `denoising` has the same gradient; here the value
    is the bound. Its mean over t does not depend on the schedule between the ends, its variance does (section 5.1).

    path: a path, or a function of the params that returns one, whose ends are then learnt with the network: all three terms have gradients in
        them (section 4; `transforms.learned_path`). Data that are numbers reward a high last log SNR as long as the network denoises there.
    num_time_bins: learn the density of t, constant in that many bins, that makes the estimate's variance least, which is to learn the schedule
        between the ends; it is an auxiliary and dropped at inference. t is then drawn from it and the loss weighted back, so the mean stays.

    Needs the part `eps`. Metrics: `bits_per_dim` and its three terms. Raises ValueError where the path reaches the data or pure noise, as
    the bound is then infinite or its rate is, and for a count below two.
    """
    require("variational_bound", model, frozenset({"eps"}))
    if isinstance(path, Path) and any(path.ends()):
        raise ValueError("path: alpha is 0 at t = 0 or sigma at t = 1; accepted: a finite log SNR at both ends, such as paths.vp_linear().")
    if num_time_bins is not None and (not isinstance(num_time_bins, int) or num_time_bins < 2):
        raise ValueError(f"num_time_bins={num_time_bins!r}; accepted: None, or an integer of at least 2.")
    predict = model.transform.parts["eps"]

    def init(key: jax.Array, params: Any, batch: Batch) -> tuple[Any, Any]:
        return params, () if num_time_bins is None else jnp.zeros(num_time_bins, batch.x.dtype)

    def path_of(params: Any) -> Path:
        return path if isinstance(path, Path) else path(params)

    def bits(params: Any, x: jax.Array, cond: Any, z: jax.Array, t: jax.Array) -> jax.Array:
        path = path_of(params)
        error = jnp.mean((z - predict(params, path.at(t, x, z), t, cond)) ** 2)
        return 0.5 * log_snr_and_rate(path, t)[1] * error / jnp.log(2.0).astype(x.dtype)

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_t = jax.random.split(key)
        x = batch.x
        z = jax.random.normal(key_z, x.shape, x.dtype)
        u = stratified_times(key_t, x.shape[0], x.dtype)
        t, log_density = (u, jnp.zeros_like(u)) if num_time_bins is None else _times(jax.lax.stop_gradient(aux), u)
        estimate = jax.vmap(lambda *a: bits(params, *a))(x, batch.cond, z, t) * jnp.exp(-log_density)
        diffusion, ends = jnp.mean(estimate), _ends(path_of(params), x)
        total = diffusion + sum(ends.values())
        metrics = {"bits_per_dim": total, "diffusion": diffusion, **ends}
        return total + (0 if num_time_bins is None else _variance_term(aux, t, estimate)), metrics

    return Objective(init, loss, frozenset({"eps"}))


def _ends(path: Path, x: jax.Array) -> dict[str, jax.Array]:
    zero, one = jnp.zeros((), x.dtype), jnp.ones((), x.dtype)
    prior = 0.5 * jnp.exp(2 * path.log_snr(zero)) * jnp.mean(x**2)
    reconstruction = 0.5 * jnp.log(2 * jnp.pi * jnp.e).astype(x.dtype) - path.log_snr(one)
    return {"prior": prior / jnp.log(2.0).astype(x.dtype), "reconstruction": reconstruction / jnp.log(2.0).astype(x.dtype)}


def _times(logits: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Times whose distribution function is u, for a density constant in bins, and its logarithm there."""
    mass, num = jax.nn.softmax(logits), logits.shape[0]
    above = jnp.cumsum(mass)
    i = jnp.minimum(jnp.searchsorted(above, u, side="right"), num - 1)
    t = (i + jnp.clip((u - (above[i] - mass[i])) / mass[i], 0, 1)) / num
    return t.astype(u.dtype), jnp.log(num * mass[i])


def _variance_term(logits: jax.Array, t: jax.Array, estimate: jax.Array) -> jax.Array:
    """Zero in value, with the gradient of the estimate's log second moment in the density p of t.

    The second moment of `loss / p` is the integral of `loss^2 / p`, whose gradient is `-E_p (loss / p)^2 grad log p`: no derivative of the
    network in t is needed.
    """
    num = logits.shape[0]
    log_p = jax.nn.log_softmax(logits)[jnp.minimum((t * num).astype(jnp.int32), num - 1)]
    square = jax.lax.stop_gradient(estimate**2)
    term = -jnp.mean(square * log_p) / jnp.maximum(jnp.mean(square), jnp.finfo(square.dtype).tiny)
    return term - jax.lax.stop_gradient(term)
