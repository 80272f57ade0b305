"""The oracle of a lower bound: a linear Gaussian decoder with a linear encoder, whose evidence bound is known in closed form."""

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxgen import nets
from jaxgen.evaluation.oracles.common import Truth, f32
from jaxgen.types import Params


def linear(rng: np.random.Generator, num: int) -> tuple[Params, np.ndarray, Truth]:
    """Draw `x = W z + b + s e` with a single z, and a linear encoder near the posterior; the truth is the bound in closed form.

    Args:
        rng: A NumPy generator.
        num: The number of events.

    Returns:
        The params, the events `(num, d)` and the function of float64 events that gives the truth.
    """
    d, out = 2, {}
    out["decoder"] = {
        "w": f32(np.vstack([rng.standard_normal((d, 1)), np.zeros((d, 1))])),
        "b": f32([*rng.standard_normal(d), -0.5, -0.3]),
    }
    w, b = out["decoder"]["w"][:d].astype(np.float64), out["decoder"]["b"][:d].astype(np.float64)
    log_s = soft_limit(out["decoder"]["b"][d:].astype(np.float64))
    precision = 1 + np.sum(w[:, 0] ** 2 * np.exp(-2 * log_s))
    gain = (w[:, 0] * np.exp(-2 * log_s)) / precision
    encoder_w, encoder_b = np.vstack([gain + 0.1 * rng.standard_normal(d), np.zeros(d)]), [-gain @ b + 0.1, -0.5 * np.log(precision) + 0.1]
    out["encoder"] = {"w": f32(encoder_w), "b": f32(encoder_b)}
    x = b + rng.standard_normal((num, 1)) @ w.T + np.exp(log_s) * rng.standard_normal((num, d))

    def truth(x: np.ndarray) -> np.ndarray:
        mean = x @ out["encoder"]["w"][0].astype(np.float64) + float(out["encoder"]["b"][0])
        log_sd = float(soft_limit(float(out["encoder"]["b"][1])))
        residual = x - mean[:, None] * w[:, 0] - b
        square = residual**2 + (w[:, 0] * np.exp(log_sd)) ** 2
        fit = -0.5 * np.sum(square * np.exp(-2 * log_s), 1) - np.sum(log_s) - 0.5 * d * np.log(2 * np.pi)
        return fit - 0.5 * (mean**2 + np.exp(2 * log_sd) - 1) + log_sd

    return out, x, truth


def soft_limit(raw: ArrayLike) -> np.ndarray:
    """Return the decoder's soft limit on log scales, at its default of 7."""
    above = np.logaddexp(0, np.asarray(raw) + 7.0) - 7.0
    return 7.0 - np.logaddexp(0, 7.0 - above)


def linear_net(out: int) -> nets.Net:
    """Return a linear network with `out` outputs."""
    return nets.Net(
        lambda key, x, cond=None: {"w": jnp.zeros((out, x.shape[0])), "b": jnp.zeros(out)},
        lambda params, x, cond=None: params["w"] @ x + params["b"],
    )
