"""Scalar bijectors with their parameters as an argument: what couplings and autoregressive transforms apply to each coordinate."""

from jaxgen.transforms.scalars.binned import binned
from jaxgen.transforms.scalars.categorical import categorical
from jaxgen.transforms.scalars.circular import circular_spline, of_angles
from jaxgen.transforms.scalars.mixture import mixture_logit
from jaxgen.transforms.scalars.scalar import Scalar, scale_and_shift
from jaxgen.transforms.scalars.sigmoidal import deep_sigmoidal
from jaxgen.transforms.scalars.spline import rational_quadratic
from jaxgen.transforms.scalars.supports import above, between
from jaxgen.transforms.scalars.tails import power_tails, student_tails

__all__ = [
    "Scalar",
    "above",
    "between",
    "binned",
    "categorical",
    "circular_spline",
    "deep_sigmoidal",
    "mixture_logit",
    "of_angles",
    "power_tails",
    "rational_quadratic",
    "scale_and_shift",
    "student_tails",
]
