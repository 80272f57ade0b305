"""Models whose log density is known otherwise: Gaussians and mixtures pushed through known maps, the truth by numpy in float64."""

import functools
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.special

from jaxgen import bases, nets, numerics
from jaxgen import transforms as T
from jaxgen.model import Model

BINS, BOUND, COMPONENTS = 6, 3.0, 3


class Oracle(NamedTuple):
    """A model with float32 params, events `x` `(n, d)` float32, and what its log density is there, `truth` `(n,)` float64.

    For a lower bound `truth` is the bound of one draw, which is what a certificate then covers.
    """

    model: Model
    params: Any
    x: np.ndarray
    truth: np.ndarray


def oracle(name: str, seed: int, num: int) -> Oracle:
    """`num` events of the family `name`, one of `ORACLES`, at params drawn by `seed`. A family's model is one object for all seeds."""
    if name not in ORACLES:
        raise ValueError(f"name={name!r}; accepted: {', '.join(ORACLES)}.")
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
    model, make = ORACLES[name]
    params, x, truth = make(rng, num)
    x = x.astype(np.float32)
    return Oracle(model(), jax.tree.map(jnp.asarray, params), x, truth(x.astype(np.float64)))


class _Mixture(NamedTuple):
    """An equal mixture of Gaussians of standard deviation 0.4 at +-1 on the first axis of `(d,)`, 1 on the others: a base with two modes."""

    dim: int

    def sample(self, *, seed: Any, sample_shape: Any = ()) -> jax.Array:
        key, key_mode = jax.random.split(seed)
        z = jax.random.normal(key, (*sample_shape, self.dim))
        mode = jax.random.rademacher(key_mode, sample_shape, z.dtype)
        return z.at[..., 0].set(mode + 0.4 * z[..., 0])

    def log_prob(self, value: jax.Array) -> jax.Array:
        first = jnp.logaddexp(*(-0.5 * ((value[..., 0] - m) / 0.4) ** 2 for m in (-1, 1))) - float(np.log(0.8))
        return first - 0.5 * jnp.sum(value[..., 1:] ** 2, -1) - float(0.5 * self.dim * np.log(2 * np.pi))


def _log_base_mixture(z: np.ndarray) -> np.ndarray:
    first = np.logaddexp(*(-0.5 * ((z[:, 0] - m) / 0.4) ** 2 for m in (-1, 1))) - np.log(0.8)
    return first - 0.5 * np.sum(z[:, 1:] ** 2, 1) - 0.5 * z.shape[1] * np.log(2 * np.pi)


def _log_normal(z: np.ndarray) -> np.ndarray:
    return -0.5 * np.sum(z**2, -1) - 0.5 * z.shape[-1] * np.log(2 * np.pi)


def _f32(a: Any) -> np.ndarray:
    return np.asarray(a, np.float32)


def _affine_case(dim: int, log_base: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Any]:
    def make(rng: np.random.Generator, num: int) -> Any:
        tril = _f32(np.tril(rng.standard_normal((dim, dim)), -1) + np.diag(rng.uniform(0.2, 2.0, dim)))
        params = {"loc": _f32(rng.standard_normal(dim)), "tril": tril}
        x = params["loc"] + 1.5 * rng.standard_normal((num, dim)) @ tril.T

        def truth(x: np.ndarray) -> np.ndarray:
            z = np.linalg.solve(tril.astype(np.float64), (x - params["loc"].astype(np.float64)).T).T
            return log_base(z) - np.linalg.slogdet(tril.astype(np.float64))[1]

        return params, x, truth

    return make


def _theta_net(out: int) -> nets.Net:
    """A network whose output is its params, whatever it sees, so that a coupling is a known map."""
    return nets.Net(lambda key, x, cond=None: jnp.zeros(out), lambda params, x, cond=None: params)


def _spline_case(rng: np.random.Generator, num: int) -> Any:
    theta = _f32(rng.standard_normal(3 * BINS - 1))

    def knots(raw: np.ndarray) -> np.ndarray:
        share = scipy.special.softmax(raw.astype(np.float64))
        return np.concatenate([[-BOUND], BOUND * (2 * np.cumsum(1e-3 + (1 - BINS * 1e-3) * share)[:-1] - 1), [BOUND]])

    def truth(x: np.ndarray) -> np.ndarray:
        xs, ys = knots(theta[:BINS]), knots(theta[BINS : 2 * BINS])
        raw = theta[2 * BINS :].astype(np.float64)
        slopes = np.concatenate([[1.0], 1e-3 + np.logaddexp(0, raw + np.log(np.expm1(1 - 1e-3))), [1.0]])
        k = np.clip(np.searchsorted(xs, x[:, 1], side="right") - 1, 0, BINS - 1)
        # By a complex step, so that the derivative is no formula of the spline's own.
        w, h = np.diff(xs)[k], np.diff(ys)[k]
        xi, s = (x[:, 1] + 1e-30j - xs[k]) / w, h / w
        top, mix = s * xi**2 + slopes[k] * xi * (1 - xi), xi * (1 - xi)
        y = ys[k] + h * top / (s + (slopes[k + 1] + slopes[k] - 2 * s) * mix)
        inside = np.abs(x[:, 1]) < BOUND
        z = np.where(inside, y.real, x[:, 1])
        return _log_normal(np.stack([x[:, 0], z], 1)) + np.where(inside, np.log(np.where(inside, y.imag, 1e-30) / 1e-30), 0.0)

    return theta, 1.6 * rng.standard_normal((num, 2)), truth


def _logistics_case(rng: np.random.Generator, num: int) -> Any:
    theta = _f32(rng.standard_normal(3 * COMPONENTS))

    def truth(x: np.ndarray) -> np.ndarray:
        logit, mean, raw = theta.astype(np.float64).reshape(3, COMPONENTS)
        scale = 1e-3 + np.logaddexp(0, raw + np.log(np.expm1(2.0 / COMPONENTS)))
        u = (x[:, 1:] - mean - np.linspace(-2, 2, COMPONENTS)) / scale
        parts = scipy.special.log_softmax(logit) - u - 2 * np.logaddexp(0, -u) - np.log(scale)
        return scipy.special.logsumexp(parts, 1) - x[:, 0] - 2 * np.logaddexp(0, -x[:, 0])

    return theta, 2.0 * rng.standard_normal((num, 2)), truth


def _linear_velocity(params: Any, x: jax.Array, t: jax.Array, cond: Any) -> jax.Array:
    return params["matrix"] @ x + params["drift"]


def _linear_ode_case(dim: int) -> Callable[..., Any]:
    def make(rng: np.random.Generator, num: int) -> Any:
        params = {"matrix": _f32(0.8 * rng.standard_normal((dim, dim)) / np.sqrt(dim)), "drift": _f32(rng.standard_normal(dim))}
        augmented = np.zeros((dim + 1, dim + 1))
        augmented[:dim, :dim], augmented[:dim, dim] = params["matrix"], params["drift"]
        flow = np.asarray(scipy.linalg.expm(augmented))
        scale, shift = flow[:dim, :dim], flow[:dim, dim]
        x = shift + 1.3 * rng.standard_normal((num, dim)) @ scale.T

        def truth(x: np.ndarray) -> np.ndarray:
            return _log_normal(np.linalg.solve(scale, (x - shift).T).T) - float(np.trace(params["matrix"].astype(np.float64)))

        return params, x, truth

    return make


def _mixture_velocity(params: Any, x: jax.Array, t: jax.Array, cond: Any) -> jax.Array:
    """The marginal velocity of x_t = t x + (1 - t) z for data from a mixture (arXiv 2210.02747, eqs. 8 and 15): it carries N(0, I) there."""
    var = jnp.exp(2 * params["log_sd"])
    total, away = t * t * var + (1 - t) ** 2, x - t * params["mean"]
    logits = params["logit"] - 0.5 * jnp.sum(away**2, -1) / total - 0.5 * x.shape[0] * jnp.log(total)
    each = params["mean"] + ((t * var - (1 - t)) / total)[:, None] * away
    return jax.nn.softmax(logits) @ each


def _mixture_flow_case(rng: np.random.Generator, num: int) -> Any:
    mean, log_sd = _f32(rng.uniform(-2, 2, (COMPONENTS, 2))), _f32(np.log(rng.uniform(0.4, 0.8, COMPONENTS)))
    params = {"logit": _f32(0.5 * rng.standard_normal(COMPONENTS)), "mean": mean, "log_sd": log_sd}
    owner = rng.integers(COMPONENTS, size=num)
    x = mean[owner] + np.exp(log_sd[owner])[:, None] * rng.standard_normal((num, 2))

    def truth(x: np.ndarray) -> np.ndarray:
        weight, sd = scipy.special.log_softmax(params["logit"].astype(np.float64)), log_sd.astype(np.float64)
        each = _log_normal((x[:, None] - mean.astype(np.float64)) / np.exp(sd)[:, None]) - 2 * sd
        return np.asarray(scipy.special.logsumexp(weight + each, 1))

    return params, x, truth


def _linear_vae_case(rng: np.random.Generator, num: int) -> Any:
    """x = W z + b + s e with z of one number, and a linear encoder a little off the posterior: the bound in closed form."""
    d, out = 2, {}
    out["decoder"] = {
        "w": _f32(np.vstack([rng.standard_normal((d, 1)), np.zeros((d, 1))])),
        "b": _f32([*rng.standard_normal(d), -0.5, -0.3]),
    }
    w, b = out["decoder"]["w"][:d].astype(np.float64), out["decoder"]["b"][:d].astype(np.float64)
    log_s = _soft(out["decoder"]["b"][d:].astype(np.float64))
    precision = 1 + np.sum(w[:, 0] ** 2 * np.exp(-2 * log_s))
    gain = (w[:, 0] * np.exp(-2 * log_s)) / precision
    encoder_w, encoder_b = np.vstack([gain + 0.1 * rng.standard_normal(d), np.zeros(d)]), [-gain @ b + 0.1, -0.5 * np.log(precision) + 0.1]
    out["encoder"] = {"w": _f32(encoder_w), "b": _f32(encoder_b)}
    x = b + rng.standard_normal((num, 1)) @ w.T + np.exp(log_s) * rng.standard_normal((num, d))

    def truth(x: np.ndarray) -> np.ndarray:
        mean = x @ out["encoder"]["w"][0].astype(np.float64) + float(out["encoder"]["b"][0])
        log_sd = float(_soft(np.float64(out["encoder"]["b"][1])))
        residual = x - mean[:, None] * w[:, 0] - b
        spread = residual**2 + (w[:, 0] * np.exp(log_sd)) ** 2
        fit = -0.5 * np.sum(spread * np.exp(-2 * log_s), 1) - np.sum(log_s) - 0.5 * d * np.log(2 * np.pi)
        return fit - 0.5 * (mean**2 + np.exp(2 * log_sd) - 1) + log_sd

    return out, x, truth


def _soft(raw: Any) -> Any:
    """The decoder's soft limit on log scales, at its default of 7."""
    above = np.logaddexp(0, raw + 7.0) - 7.0
    return 7.0 - np.logaddexp(0, 7.0 - above)


def _linear_net(out: int) -> nets.Net:
    return nets.Net(
        lambda key, x, cond=None: {"w": jnp.zeros((out, x.shape[0])), "b": jnp.zeros(out)},
        lambda params, x, cond=None: params["w"] @ x + params["b"],
    )


def _no_init(key: Any, z: Any, cond: Any = None) -> Any:
    raise ValueError("an oracle's params are drawn by its seed; use oracle(name, seed, num).")


def _ode(velocity: Any, dim: int, **options: Any) -> Model:
    return Model(bases.normal((dim,)), T.ode_flow(_no_init, velocity, **options))


def _coupled(base: Any, scalar: Any) -> Model:
    return Model(base, T.coupling(scalar, _theta_net))


_MODELS: dict[str, tuple[Callable[[], Model], Callable[..., Any]]] = {
    "gaussian, affine": (lambda: Model(bases.normal((3,)), T.triangular_affine()), _affine_case(3, _log_normal)),
    "mixture, affine": (lambda: Model(_Mixture(3), T.triangular_affine()), _affine_case(3, _log_base_mixture)),
    "gaussian, spline": (lambda: _coupled(bases.normal((2,)), T.rational_quadratic(BINS, BOUND)), _spline_case),
    "logistic, mixture CDF": (lambda: _coupled(bases.logistic((2,)), T.mixture_logit(COMPONENTS)), _logistics_case),
    "gaussian, linear ODE": (lambda: _ode(_linear_velocity, 3), _linear_ode_case(3)),
    "gaussian, linear ODE, rk4": (lambda: _ode(_linear_velocity, 3, solver=numerics.fixed(6)), _linear_ode_case(3)),
    "gaussian, linear ODE, midpoint": (lambda: _ode(_linear_velocity, 3, solver=numerics.fixed(10, "midpoint")), _linear_ode_case(3)),
    "gaussian, linear ODE, hutchinson": (
        lambda: _ode(_linear_velocity, 4, solver=numerics.fixed(12), trace="hutchinson"),
        _linear_ode_case(4),
    ),
    "mixture, its own ODE": (lambda: _ode(_mixture_velocity, 2), _mixture_flow_case),
    "mixture, its own ODE, hutchinson": (lambda: _ode(_mixture_velocity, 2, trace="hutchinson"), _mixture_flow_case),
    "gaussian, linear decoder": (
        lambda: Model(bases.latent_and_noise((1,), (2,)), T.gaussian_decoder(_linear_net(4), _linear_net(2))),
        _linear_vae_case,
    ),
}
ORACLES = {name: (functools.cache(model), make) for name, (model, make) in _MODELS.items()}
