"""Data sets are tested as they are compiled for users: far out in float32 a density shows each rounding that a compiler does twice."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def optimised():
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
