"""Options of compiled programs: what the configuration of JAX asks for stands."""

import jax
import numpy as np
import pytest

from jaxgen.compiled import CPU_OPTIONS, every_line_traced, platform, traced_for, traced_once, training_options

LEVEL = "xla_backend_optimization_level"


@pytest.mark.parametrize("light", [True, False])
def test_training_is_optimised_less_unless_nothing_is(light, monkeypatch):
    monkeypatch.setattr(jax.config, "read", lambda name: light if name == "jax_disable_most_optimizations" else None)
    options = training_options()
    assert options.items() >= CPU_OPTIONS.items()
    assert (LEVEL in options) != light


def test_a_function_is_traced_once_for_all_programs_of_a_platform_and_is_a_part_of_each():
    calls = []

    @traced_once
    def plus(x):
        calls.append(platform())
        return x + (1 if platform() == "cpu" else 2)

    x = np.float32(3)
    assert jax.jit(lambda x: plus(x) * plus(x))(x) == 16 and jax.vmap(plus)(x[None]) == 4 and calls == ["cpu"]
    assert [e.primitive.name for e in jax.make_jaxpr(lambda x: plus(x))(x).eqns] == ["add"]
    with traced_for("gpu"):
        assert jax.jit(lambda x: plus(x))(x) == 5 and plus(x) == 5 and calls == ["cpu", "gpu"]

    def names():
        equation = jax.make_jaxpr(lambda x: plus(x))(x).eqns[0]
        return {frame.function_name.split(".")[-1] for frame in equation.source_info.traceback.frames}

    assert "plus" not in names()
    with every_line_traced():
        assert "plus" in names() and len(calls) == 3
