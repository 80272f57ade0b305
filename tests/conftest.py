"""What every test shares: a CPU with two devices, a key of its own, a fixed Hypothesis profile, strict and float64 contexts."""

import contextlib
import gc
import os
import threading
import zlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

# Imports make no garbage worth a search; `pytest_collection_finish` switches it on again.
gc.disable()
# Before JAX is imported, and through the environment, so that commands and notebooks started by a test inherit it.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
# The suite's budget is compile time, not run time.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "true")
if version("jaxlib").startswith("0.10."):
    # Fusions by the older emitter, and one LLVM module a program, compile in half the time. XLA ends a process over a flag it does not know,
    # so they are set under the version that was measured only.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1")
# A cache filled by an earlier run would hide what compiling costs, and on a fresh machine writing one costs more than it returns.
_CACHE = os.environ.get("JAXGEN_TEST_CACHE")
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "true" if _CACHE else "false"
if _CACHE:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(_CACHE).absolute())
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"

import jax
import pytest
from hypothesis import HealthCheck, settings

import jaxgen

jax.config.update("jax_num_cpu_devices", 2)

# pytest binds a module that nothing has imported yet over the function of its name, as in `jaxgen.artifacts.export`.
for _name in jaxgen.__all__:
    getattr(jaxgen, _name)

if version("jax").startswith("0.10."):
    # JAX makes an MLIR context for each program: 4 ms and 1.3 MB, which its caches keep, and the suite has tens of thousands. One for each
    # thread serves all. JAX has no option for it, so it is set under the version that was measured only.
    from jax._src.interpreters import mlir

    _make_context, _contexts = mlir.make_ir_context, threading.local()

    def _context_of_thread():
        if not hasattr(_contexts, "value"):
            _contexts.value = _make_context()
        return _contexts.value

    mlir.make_ir_context = _context_of_thread

settings.register_profile(
    "jaxgen",
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("jaxgen")

FIRST = ("basedpyright", "README.md", "tests/cli/test_study.py", "tests/cli/test_compare.py")
"""Groups of a quarter of a minute and more that few tests make up."""

Context = Callable[[], contextlib.AbstractContextManager[None]]


def pytest_configure(config: pytest.Config) -> None:
    """Under xdist, distribute by group, in the order of collection: tests that share compiled functions go to one worker."""
    if hasattr(config, "workerinput"):
        # A worker parses the command line again, in which the choice of the line below does not stand; without it no group is named.
        config.option.loadgroup = True
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "loadgroup"
        # xdist would put groups of one test last, however long.
        config.option.loadscopereorder = False


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test without an `xdist_group` of its own joins its file's, so that module fixtures and jitted functions are compiled once.

    Long groups of few tests come first: as the last one, each would leave the other workers idle.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.location[0]))
    items.sort(key=lambda item: next(item.iter_markers("xdist_group")).args[0] not in FIRST)


def pytest_collection_finish() -> None:
    """What is imported by now stays: the garbage collector, which tracing keeps busy, looks at it no more, and comes less often."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 10, 10)
    gc.callbacks.append(_freeze_survivors)


def _freeze_survivors(phase: str, info: dict[str, int]) -> None:
    """What survives a full collection is mostly compiled programs, which JAX keeps: going through all of them again would take seconds."""
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


@pytest.fixture
def key(request: pytest.FixtureRequest) -> jax.Array:
    """A typed key that depends on the test's own id only (file, name and parameters), not on the order or the worker."""
    file, _, name = request.node.location
    return jax.random.key(zlib.crc32(f"{Path(file).as_posix()}::{name}".encode()))


@pytest.fixture
def strict() -> Context:
    """`with strict():` our own functions may neither mix dtypes nor broadcast ranks (optax and distrax do both: keep them outside)."""

    @contextlib.contextmanager
    def context():
        with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
            yield

    return context


@pytest.fixture
def x64() -> Context:
    """`with x64():` arrays are float64; make the inputs inside, and compare against float64 truths."""

    @contextlib.contextmanager
    def context():
        with jax.enable_x64(True):
            yield

    return context
