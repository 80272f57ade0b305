"""Trained models inside other libraries: a log density as a plain function (BlackJAX and the like), a NumPyro distribution."""

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.bases.distrax_adapters import as_distribution
from jaxgen.model import Model
from jaxgen.transform import Density


def logdensity(model: Model, params: Any, cond: Any = None) -> Callable[[Any], jax.Array]:
    """`(x) -> log p(x)`, a scalar in nats for ONE event `(*event)`: the target of a sampler such as `blackjax.nuts(logdensity(...), ...)`.

    cond: one condition. Pure and not jitted, so that the sampler's own program can fuse it. Raises ValueError unless the density is EXACT.

    >>> import jax, jaxgen
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(1.0, 2.0))
    >>> jax.grad(jaxgen.bases.logdensity(model, ()))(jax.numpy.asarray([1.0, 5.0]))
    Array([-0., -1.], dtype=float32)
    """
    inverse = model.transform.inverse
    if model.transform.density is not Density.EXACT or inverse is None:
        have = "an" if inverse is not None else "no"
        raise ValueError(f"logdensity needs an exact density and an inverse; got density {model.transform.density}, {have} inverse.")

    def log_p(x: Any) -> jax.Array:
        pre = inverse(params, x, cond)
        return model.base.log_prob(pre.z) + pre.log_det - pre.log_q

    return log_p


def as_numpyro(model: Model, params: Any, cond: Any = None, *, cond_ndims: int = 1, support: Any = None) -> Any:
    """The model at `params` as a `numpyro.distributions.Distribution`: `numpyro.sample("x", as_numpyro(...))` in a model or a guide.

    As a guide, `params` may be `numpyro.param("flow", fitted.params)`, which SVI then trains: draws are reparametrised.
    cond: None or conditions `(*batch, *cond)`, as in `as_distribution`. support: the constraint of the events, by default the whole real
    space; HMC leaves a smaller support unless it is named here, for example `constraints.unit_interval`.

    Raises ImportError without NumPyro (`pip install "jaxgen[interop]"`), ValueError unless the density is EXACT.
    """
    distribution = as_distribution(model, params, cond, cond_ndims=cond_ndims)
    constraints = _numpyro("as_numpyro").distributions.constraints
    event_ndims = len(distribution.event_shape)
    if support is None:
        support = constraints.independent(constraints.real, event_ndims)
    elif support.event_dim < event_ndims:
        support = constraints.independent(support, event_ndims - support.event_dim)
    return _numpyro_class()(distribution, support)


def _numpyro(caller: str) -> Any:
    try:
        return importlib.import_module("numpyro")
    except ImportError as error:
        raise ImportError(f'{caller} needs NumPyro, which is not installed: pip install "jaxgen[interop]".') from error


@functools.cache
def _numpyro_class() -> Any:
    """Made when it is first needed, as its parent is not a dependency."""
    distributions = importlib.import_module("numpyro").distributions

    class ModelDistribution(distributions.Distribution):
        arg_constraints: dict[str, Any] = {}
        pytree_data_fields = ("distribution",)
        pytree_aux_fields = ("_support",)

        def __init__(self, distribution: Any, support: Any, *, validate_args: Any = None):
            self.distribution, self._support = distribution, support
            super().__init__(distribution.batch_shape, distribution.event_shape, validate_args=validate_args)

        @property
        def support(self) -> Any:
            return self._support

        @property
        def has_rsample(self) -> bool:
            return True

        def sample(self, key: Any, sample_shape: Any = ()) -> jax.Array:
            return _sized(self.distribution.sample, key, sample_shape, self.shape(sample_shape))

        rsample = sample

        def log_prob(self, value: Any, intermediates: Any = None) -> jax.Array:
            return self.distribution.log_prob(value)

    return ModelDistribution


def _sized(draw: Callable[..., Any], key: Any, sample_shape: Any, shape: tuple[int, ...]) -> jax.Array:
    """NumPyro may ask for no samples at all, which distrax does not."""
    if math.prod(sample_shape) == 0:
        return jnp.zeros(shape)
    return draw(seed=key, sample_shape=tuple(sample_shape))
