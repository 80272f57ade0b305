"""Scalar bijectors with their parameters as an argument: what couplings and autoregressive transforms apply to each coordinate."""

from jaxgen.transforms.scalars.binned import binned
from jaxgen.transforms.scalars.categorical import categorical
from jaxgen.transforms.scalars.mixture import mixture_logit
from jaxgen.transforms.scalars.scalar import Scalar, scale_and_shift
from jaxgen.transforms.scalars.spline import rational_quadratic

__all__ = ["Scalar", "binned", "categorical", "mixture_logit", "rational_quadratic", "scale_and_shift"]
