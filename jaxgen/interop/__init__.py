"""Adapters to other libraries: models as distributions of distrax and NumPyro, and as targets of BlackJAX; distrax bijectors as transforms.

Only this folder and `bases` import distrax. NumPyro is imported when `as_numpyro` is called, and BlackJAX never: it takes plain functions.
"""

from jaxgen.interop.blackjax import logdensity
from jaxgen.interop.distrax import as_distribution, from_distrax, to_distrax
from jaxgen.interop.numpyro import as_numpyro

__all__ = ["as_distribution", "as_numpyro", "from_distrax", "logdensity", "to_distrax"]
