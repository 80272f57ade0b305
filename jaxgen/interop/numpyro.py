"""A trained model as a NumPyro distribution, for a model or a guide; NumPyro is imported only when it is needed."""

import functools
import importlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from jaxgen.interop.distrax import as_distribution
from jaxgen.model import Model
from jaxgen.types import Array, Cond, Event, Key, Params, Shape

if TYPE_CHECKING:
    from distrax import Distribution
    from numpyro.distributions import Distribution as NumPyroDistribution
    from numpyro.distributions.constraints import Constraint


def as_numpyro(
    model: Model, params: Params, cond: Cond = None, *, cond_ndims: int = 1, support: "Constraint | None" = None
) -> "NumPyroDistribution":
    """Return a model at its parameters as a NumPyro distribution, for `numpyro.sample("x", as_numpyro(...))` in a model or a guide.

    Draws are reparametrised: in a guide, `params` may be `numpyro.param("flow", fitted.params)`, which SVI then trains.

    Args:
        model: A model with an EXACT density.
        params: Its parameters.
        cond: Conditions `(*batch, *cond)`, one distribution of the batch for each, or None.
        cond_ndims: Number of axes of one condition.
        support: Constraint of the events, such as `constraints.unit_interval`. None stands for the whole real space; HMC would leave a
            smaller support that is not named here.

    Returns:
        A `numpyro.distributions.Distribution`.

    Raises:
        ImportError: NumPyro is not installed; `pip install "jaxgen[interop]"` installs it.
        ValueError: The density is not EXACT, or the transform has no inverse.
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
        raise ImportError(f'{caller}: NumPyro is not installed; accepted: NumPyro, by pip install "jaxgen[interop]".') from error


@functools.cache
def _numpyro_class() -> Any:
    """The class is made when it is first needed, because its parent is not a dependency."""
    distributions = importlib.import_module("numpyro").distributions

    class ModelDistribution(distributions.Distribution):
        arg_constraints: dict[str, Any] = {}
        pytree_data_fields = ("distribution",)
        pytree_aux_fields = ("_support",)

        def __init__(self, distribution: "Distribution", support: "Constraint", *, validate_args: bool | None = None):
            self.distribution, self._support = distribution, support
            super().__init__(distribution.batch_shape, distribution.event_shape, validate_args=validate_args)

        @property
        def support(self) -> Any:
            return self._support

        @property
        def has_rsample(self) -> bool:
            return True

        def sample(self, key: Key, sample_shape: Shape = ()) -> jax.Array:
            return _sized(self.distribution.sample, key, sample_shape, self.shape(sample_shape))

        rsample = sample

        def log_prob(self, value: Event, intermediates: object = None) -> jax.Array:
            return jnp.asarray(self.distribution.log_prob(value))

    return ModelDistribution


def _sized(draw: Callable[..., Array], key: Key, sample_shape: Shape, shape: Shape) -> jax.Array:
    """NumPyro may ask for no samples at all, which distrax does not allow."""
    if math.prod(sample_shape) == 0:
        return jnp.zeros(shape)
    return draw(seed=key, sample_shape=tuple(sample_shape))
