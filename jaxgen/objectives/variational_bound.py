"""Likelihood training of a diffusion: its variational bound in continuous time, in bits per dimension."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, drawn, require
from jaxgen.objectives.pairing import gaussian_noise
from jaxgen.objectives.times import stratified_times
from jaxgen.objectives.weights import log_snr_and_rate
from jaxgen.paths import Path
from jaxgen.types import Aux, Cond, Key, Params


def variational_bound(model: Model, path: Path | Callable[[Params], Path], *, num_time_bins: int | None = None) -> Objective:
    """Minimise the variational bound on -log p(x) in bits per dimension: base-2 logarithms per coordinate of the data in their own units.

    With lambda = log(alpha^2 / sigma^2) and d coordinates, the three terms are in nats:

    - diffusion: `(1/2) E_t lambda'(t) |eps - eps_hat(x_t, t)|^2`, t uniform;
    - prior: `KL(q(x_0 | x) || N(0, sigma(0)^2)) = alpha(0)^2 |x|^2 / (2 sigma(0)^2)`;
    - reconstruction: of x from x_1 by `N(x_1 / alpha(1), sigma(1)^2 / alpha(1)^2)`, hence `(d / 2) log(2 pi e sigma(1)^2 / alpha(1)^2)`.

    Prior and reconstruction are fixed by the path, so `denoising` with the weight `weights.elbo()` has the same gradient; here the value is
    the bound. The mean of the diffusion term does not depend on the schedule between the ends, but its variance does.

    Args:
        model: A model whose transform has the part `eps (params, x, t, cond)`.
        path: The path, or a function of the params that returns it. The ends of the latter are learnt with the network, because all three
            terms have gradients in them (`transforms.learned_path`). Data that are numbers reward a high last log SNR as long as the
            network denoises there.
        num_time_bins: Learn a density of t, constant in this many bins, that minimises the variance of the diffusion term; its logits are
            the auxiliaries. t is drawn from the density and the loss weighted back, so the mean stays. None draws t uniformly.

    Returns:
        An objective with the metrics `bits_per_dim`, `diffusion`, `prior` and `reconstruction`.

    Raises:
        ValueError: The path reaches the data or pure noise, where the bound or its rate is infinite, or `num_time_bins` is below 2.
        PairingError: The transform lacks the part `eps`.

    Source: arXiv 2107.00630, equations 11 to 17, sections 4 and 5.1.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> path = jaxgen.paths.vp_linear()
    >>> perfect = jaxgen.paths.prediction(path, lambda params, x, t, cond=None: 0 * x, "denoiser")
    >>> flow = jaxgen.transforms.probability_flow(lambda key, z, cond=None: (), perfect)
    >>> objective = variational_bound(jaxgen.Model(jaxgen.bases.normal((2,)), flow), path)
    >>> _, metrics = objective.loss((), (), jax.random.key(0), Batch(jax.numpy.zeros((4, 2))), Clock(0, 1, ()))
    >>> abs(round(float(metrics["diffusion"]), 3)), float(metrics["prior"])  # All data are zero, and so is the prediction.
    (0.0, 0.0)
    """
    require("variational_bound", model, frozenset({"eps"}))
    if isinstance(path, Path) and any(path.ends()):
        alpha, sigma = float(path.alpha(jnp.zeros(()))), float(path.sigma(jnp.ones(())))
        raise ValueError(
            f"variational_bound: path=<alpha(0)={alpha:g}, sigma(1)={sigma:g}>; accepted: a path with a finite log SNR at both ends, such "
            "as paths.vp_linear()."
        )
    if num_time_bins is not None:
        checks.count("variational_bound: num_time_bins", num_time_bins, 2)
    predict = model.transform.parts["eps"]

    def init(key: Key, params: Params, batch: Batch) -> tuple[Params, Aux]:
        return params, () if num_time_bins is None else jnp.zeros(num_time_bins, batch.x.dtype)

    def path_of(params: Params) -> Path:
        return path if isinstance(path, Path) else path(params)

    def diffusion_at(params: Params, x: jax.Array, cond: Cond, z: jax.Array, t: jax.Array) -> jax.Array:
        path = path_of(params)
        error = jnp.mean((z - predict(params, path.at(t, x, z), t, cond=cond)) ** 2)
        return _bits(0.5 * log_snr_and_rate(path, t)[1] * error)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_t = jax.random.split(key)
        x = batch.x
        z = gaussian_noise(key_z, batch)
        u = drawn(batch, lambda num: stratified_times(key_t, num, x.dtype))
        t, log_density = (u, jnp.zeros_like(u)) if num_time_bins is None else _times(jax.lax.stop_gradient(aux), u)
        estimate = jax.vmap(lambda *a: diffusion_at(params, *a))(x, batch.cond, z, t) * jnp.exp(-log_density)
        terms = {"diffusion": jnp.mean(estimate), **_end_terms(path_of(params), x)}
        total = sum(terms.values(), jnp.zeros((), x.dtype))
        return total + (0 if num_time_bins is None else _variance_term(aux, t, estimate)), {"bits_per_dim": total, **terms}

    # The gradient of learnt times divides by a mean over the whole batch.
    return Objective(init, loss, additive=num_time_bins is None)


def _bits(nats: jax.Array) -> jax.Array:
    return nats / jnp.log(2.0).astype(nats.dtype)


def _end_terms(path: Path, x: jax.Array) -> dict[str, jax.Array]:
    """Return the prior's and the reconstruction's term in bits per coordinate."""
    noise_end, data_end = jnp.zeros((), x.dtype), jnp.ones((), x.dtype)
    prior = 0.5 * jnp.exp(2 * path.log_snr(noise_end)) * jnp.mean(x**2)
    reconstruction = 0.5 * jnp.log(2 * jnp.pi * jnp.e).astype(x.dtype) - path.log_snr(data_end)
    return {"prior": _bits(prior), "reconstruction": _bits(reconstruction)}


def _times(logits: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the times at which the distribution function is u, for a density constant in bins, and the density's logarithm there."""
    mass, num = jax.nn.softmax(logits), logits.shape[0]
    above = jnp.cumsum(mass)
    i = jnp.minimum(jnp.searchsorted(above, u, side="right"), num - 1)
    t = (i + jnp.clip((u - (above[i] - mass[i])) / mass[i], 0, 1)) / num
    return t.astype(u.dtype), jnp.log(num * mass[i])


def _variance_term(logits: jax.Array, t: jax.Array, estimate: jax.Array) -> jax.Array:
    """Return zero, with the gradient of the logarithm of the estimate's second moment in the density p of t.

    The second moment of `loss / p` is the integral of `loss^2 / p`, whose gradient is `-E_p (loss / p)^2 grad log p`: no derivative of the
    network in t is needed.
    """
    num = logits.shape[0]
    log_p = jax.nn.log_softmax(logits)[jnp.minimum((t * num).astype(jnp.int32), num - 1)]
    square = jax.lax.stop_gradient(estimate**2)
    term = -jnp.mean(square * log_p) / jnp.maximum(jnp.mean(square), jnp.finfo(square.dtype).tiny)
    return term - jax.lax.stop_gradient(term)
