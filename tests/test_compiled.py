"""Options of compiled programs: what the configuration of JAX asks for stands."""

import jax
import pytest

from jaxgen.compiled import CPU_OPTIONS, training_options

LEVEL = "xla_backend_optimization_level"


@pytest.mark.parametrize("light", [True, False])
def test_training_is_optimised_less_unless_nothing_is(light, monkeypatch):
    monkeypatch.setattr(jax.config, "read", lambda name: light if name == "jax_disable_most_optimizations" else None)
    options = training_options()
    assert options.items() >= CPU_OPTIONS.items()
    assert (LEVEL in options) != light
