"""What `jaxgen.estimator` offers; type checkers read this file, and `jaxgen/estimator/__init__.py` imports what it lists when it is used."""

from .auto import Settings, fit_auto
from .estimator import Estimator
from .stacked import Stacked, stack
from .tables import fit_table

__all__ = ["Estimator", "Settings", "Stacked", "fit_auto", "fit_table", "stack"]
