"""Oracles: models whose log density is also known from NumPy in float64, by a formula that shares nothing with the library.

`tests/test_certificate.py` and `benchmarks/certificate.py` need them: a certificate says how far a computed log density is from the truth,
and only a model with a known truth can show that it is right. They are part of the package so that a user can check an own machine, or an
own solver, in the same way.
"""

import functools
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import bases, numerics
from jaxgen import transforms as T
from jaxgen.evaluation.oracles import autoencoder, bijections, flows
from jaxgen.evaluation.oracles.bijections import BINS, BOUND, COMPONENTS, TwoModes, log_two_modes, theta_net
from jaxgen.evaluation.oracles.common import Case, log_normal
from jaxgen.model import Base, Model
from jaxgen.transform import Field
from jaxgen.transforms.scalars import Scalar
from jaxgen.types import Cond, Key, Noise, Params


class Oracle(NamedTuple):
    """A model with its true log density at some events.

    Attributes:
        model: The model.
        params: Its parameters, float32.
        x: Events `(n, d)`, float32.
        truth: Log densities `(n,)` of the events, float64. For a lower bound, the bound of one draw, which a certificate then covers.
    """

    model: Model
    params: Params
    x: np.ndarray
    truth: np.ndarray


def oracle(name: str, seed: int, num: int) -> Oracle:
    """Draw params and events of a family of models whose log density is known.

    The model of a family is one object for all seeds, so that it is compiled once.

    Args:
        name: One of `ORACLES`.
        seed: Seed of params and events.
        num: Number of events.

    Returns:
        The model, its params, the events and the truth.

    Raises:
        ValueError: The name is unknown.

    >>> import jaxgen, numpy as np
    >>> case = oracle("gaussian, affine", 0, 5)
    >>> bool(np.allclose(jaxgen.log_prob(case.model, case.params, case.x).value, case.truth, rtol=1e-4))
    True
    """
    if name not in ORACLES:
        raise ValueError(f"oracle: name={name!r}; accepted: {', '.join(ORACLES)}.")
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
    model, make = ORACLES[name]
    params, x, truth = make(rng, num)
    x = x.astype(np.float32)
    return Oracle(model(), jax.tree.map(jnp.asarray, params), x, truth(x.astype(np.float64)))


def _no_init(key: Key, z: Noise, cond: Cond = None) -> Params:
    raise ValueError("init: model=an oracle; accepted: models without given params. Draw an oracle's params by oracle(name, seed, num).")


def _ode(velocity: Field, dim: int, **options: Any) -> Model:
    return Model(bases.normal((dim,)), T.ode_flow(_no_init, velocity, **options))


def _coupled(base: Base, scalar: Scalar) -> Model:
    return Model(base, T.coupling(scalar, theta_net))


_MODELS: dict[str, tuple[Callable[[], Model], Case]] = {
    "gaussian, affine": (lambda: Model(bases.normal((3,)), T.triangular_affine()), bijections.affine(3, log_normal)),
    "mixture, affine": (lambda: Model(TwoModes(3), T.triangular_affine()), bijections.affine(3, log_two_modes)),
    "gaussian, spline": (lambda: _coupled(bases.normal((2,)), T.rational_quadratic(BINS, BOUND)), bijections.spline),
    "logistic, mixture CDF": (lambda: _coupled(bases.logistic((2,)), T.mixture_logit(COMPONENTS)), bijections.logistics),
    "gaussian, linear ODE": (lambda: _ode(flows.linear_velocity, 3), flows.linear(3)),
    "gaussian, linear ODE, rk4": (lambda: _ode(flows.linear_velocity, 3, solver=numerics.fixed(6)), flows.linear(3)),
    "gaussian, linear ODE, midpoint": (lambda: _ode(flows.linear_velocity, 3, solver=numerics.fixed(10, "midpoint")), flows.linear(3)),
    "gaussian, linear ODE, hutchinson": (
        lambda: _ode(flows.linear_velocity, 4, solver=numerics.fixed(12), trace="hutchinson"),
        flows.linear(4),
    ),
    "mixture, its own ODE": (lambda: _ode(flows.mixture_velocity, 2), flows.mixture),
    "mixture, its own ODE, hutchinson": (lambda: _ode(flows.mixture_velocity, 2, trace="hutchinson"), flows.mixture),
    "gaussian, linear decoder": (
        lambda: Model(bases.latent_and_noise((1,), (2,)), T.gaussian_decoder(autoencoder.linear_net(4), autoencoder.linear_net(2))),
        autoencoder.linear,
    ),
}
ORACLES = {name: (functools.cache(model), make) for name, (model, make) in _MODELS.items()}
