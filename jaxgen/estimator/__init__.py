"""Any model with the conventions of scikit-learn, and what "auto" makes of a table. scikit-learn is imported with this room only."""

from jaxgen.estimator.estimator import Estimator
from jaxgen.estimator.stacked import Stacked, stack
from jaxgen.estimator.tables import Settings, fit_table

__all__ = ["Estimator", "Settings", "Stacked", "fit_table", "stack"]
