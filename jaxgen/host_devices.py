"""One device of JAX's CPU backend for each core: what `jaxgen.cores` and `jaxgen.fit` split their batches over.

JAX shows the whole CPU as one device unless it is told otherwise before its backend starts, so `import jaxgen` tells it.
"""

import os
import sys
import warnings

VARIABLE = "JAXGEN_HOST_DEVICES"
# Each device gets its share of a training batch, and shares of a few events cost more to join than to compute.
MOST = 8


def ask_for_host_devices() -> int | None:
    """Ask JAX for one CPU device for each core, at most `MOST`, unless somebody has said otherwise.

    Somebody has if `JAXGEN_HOST_DEVICES` is "off", if JAX's own `jax_num_cpu_devices` or `--xla_force_host_platform_device_count` is set, or
    if JAX's backend has started. A whole number in `JAXGEN_HOST_DEVICES` is the number of devices. JAX is not imported for this: if it is not
    there yet, it will read the number from the environment, which processes that are started later inherit.

    Returns:
        The number of devices that was asked for, or None if JAX was left alone.
    """
    wanted = _wanted()
    if wanted is None or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "") or "JAX_NUM_CPU_DEVICES" in os.environ:
        return None
    if "jax" not in sys.modules:
        os.environ["JAX_NUM_CPU_DEVICES"] = str(wanted)
        return wanted
    import jax

    if jax.config.jax_num_cpu_devices >= 0:  # pyright: ignore[reportAttributeAccessIssue]
        return None
    try:
        jax.config.update("jax_num_cpu_devices", wanted)
    except RuntimeError:
        # The backend has started, and keeps its devices.
        return None
    return wanted


def _wanted() -> int | None:
    given = os.environ.get(VARIABLE, "")
    if given.strip().lower() == "off":
        return None
    if given.strip().isdecimal() and int(given) > 0:
        return int(given)
    if given:
        warnings.warn(f"{VARIABLE}={given!r}; accepted: off, or a number of devices. One for each core is taken.", stacklevel=2)
    return min(MOST, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
