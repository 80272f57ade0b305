"""How many devices JAX shows of a CPU after `import jaxgen`: one for each core, unless somebody has said otherwise."""

import os
import subprocess
import sys

import pytest

from jaxgen import host_devices

CORES = min(host_devices.MOST, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.fixture
def before_jax(monkeypatch):
    """A process in which JAX is not imported yet."""
    monkeypatch.delitem(sys.modules, "jax")
    for name in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES", host_devices.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    # Registered for being undone.
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "-1")
    monkeypatch.delenv("JAX_NUM_CPU_DEVICES")
    return monkeypatch


def test_one_for_each_core(before_jax):
    assert host_devices.ask_for_host_devices() == CORES
    assert os.environ["JAX_NUM_CPU_DEVICES"] == str(CORES)


@pytest.mark.parametrize(
    ("variable", "value"),
    [(host_devices.VARIABLE, "off"), ("JAX_NUM_CPU_DEVICES", "5"), ("XLA_FLAGS", "--a=1 --xla_force_host_platform_device_count=4")],
)
def test_what_somebody_has_said_stands(before_jax, variable, value):
    before_jax.setenv(variable, value)
    environment = dict(os.environ)
    assert host_devices.ask_for_host_devices() is None
    assert dict(os.environ) == environment


def test_other_flags_of_xla_say_nothing_about_devices(before_jax):
    before_jax.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    assert host_devices.ask_for_host_devices() == CORES


def test_a_number_is_taken_and_anything_else_named(before_jax):
    before_jax.setenv(host_devices.VARIABLE, "11")
    assert host_devices.ask_for_host_devices() == 11
    before_jax.delenv("JAX_NUM_CPU_DEVICES")
    before_jax.setenv(host_devices.VARIABLE, "many")
    with pytest.warns(UserWarning, match="JAXGEN_HOST_DEVICES='many'; accepted: off, or a number"):
        assert host_devices.ask_for_host_devices() == CORES


def test_a_backend_that_has_started_keeps_its_devices(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.delenv("JAX_NUM_CPU_DEVICES", raising=False)
    assert host_devices.ask_for_host_devices() is None


@pytest.mark.parametrize("order", ["import jaxgen, jax", "import jax, jaxgen"])
def test_whichever_is_imported_first(order):
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES")}
    environment |= {host_devices.VARIABLE: "3", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", f"{order}; print(len(jax.devices()))"]
    assert subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout == "3\n"
