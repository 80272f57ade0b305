"""Any model with the conventions of scikit-learn, and what "auto" makes of a table.

The names are listed in `__init__.pyi`. scikit-learn is imported when `Estimator` is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
