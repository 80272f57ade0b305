"""jaxgen: deep generative models as probability transformation functions.

A base distribution supplies noise, a pure function turns it into data, an objective finds the function's parameters and is dropped at
inference: `transform.py`, `model.py` and `objective.py` are the whole idea.

The names below are listed in `__init__.pyi`. Each is imported when it is first used, so that `import jaxgen` alone takes no time. It only
asks JAX for one CPU device for each core (`jaxgen/host_devices.py`).
"""

import lazy_loader

from jaxgen.host_devices import ask_for_host_devices

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
ask_for_host_devices()
del ask_for_host_devices
