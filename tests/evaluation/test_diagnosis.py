"""A diagnosis says what was measured beside its bounds, and names a remedy where there is something to gain."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import Model, bases
from jaxgen.evaluation import Reference, diagnose_bridge, failures
from jaxgen.transform import Maps, Transform, no_params


def model(function, base=None):
    return Model(bases.normal((1,)) if base is None else base, Transform(no_params, Maps(lambda params, z, cond=None: function(z))))


def two_modes(n=4_000):
    rng = np.random.default_rng(0)
    return 0.3 * rng.standard_normal((n, 1)) + rng.choice([-4.0, 4.0], n)[:, None]


def test_one_gaussian_pays_for_the_gap_and_is_told_what_would_lift_the_bound():
    real = two_modes()
    said = diagnose_bridge(
        jax.random.key(0), model(lambda z: 4 * jnp.tanh(2 * z) + 0.1 * z), (), real, (real[:, 0] > 0).astype(int), num=8_192
    )
    assert said.sets.num == 2
    assert said.excess > 0.1
    assert said.local.ratio == pytest.approx(1, abs=0.05)  # a monotone map wastes nothing
    assert said.certified <= 8.1  # the true constant
    assert said.certified == pytest.approx(said.least, rel=0.2)
    assert said.kl.value > 0.05
    assert "mixture base" in said.remedy


def test_a_mixture_base_has_no_bridge_and_needs_no_remedy():
    real = two_modes()
    said = diagnose_bridge(jax.random.key(0), model(lambda z: z, bases.gaussian_mixture([1, 1], [[-4.0], [4.0]], 0.3)), (), real, num=4_096)
    assert said.maps == 2
    assert said.remedy.startswith("None is needed")
    assert said.kl.value < 0.01


def test_every_piece_of_many_counts():
    """Ten components, of which the last two make up half of the data: none of their mass is missing."""
    base = bases.gaussian_mixture([1] * 8 + [4] * 2, [[-4.0]] * 8 + [[4.0]] * 2, 0.3)
    said = diagnose_bridge(jax.random.key(0), model(lambda z: z, base), (), two_modes(), num=4_096)
    assert said.maps == 10
    assert abs(said.bridge - said.real_bridge) < 0.01 and said.kl.value < 0.01
    assert said.local.inside == pytest.approx(1, abs=0.05) or said.local.inside < 0.05  # one component, the heaviest, is in one mode


def test_a_jump_is_told_from_a_steep_map():
    real = two_modes()
    jump = model(lambda z: 4 * jnp.sign(z) + 3 * jnp.clip(z, -1.3, 1.3))  # it jumps, and still leaves mass where the data have none
    said = diagnose_bridge(jax.random.key(0), jump, (), real, num=4_096)
    assert said.paths.jumps == 1
    assert "jumps" in said.remedy


def test_what_cannot_be_measured_is_said():
    one = np.random.default_rng(0).standard_normal((2_000, 1))
    assert "no two sets" in diagnose_bridge(jax.random.key(0), model(lambda z: z), (), one)
    student = model(lambda z: z, bases.student_t((1,), 3.0))
    assert "do not apply: pieces: base=<_Student>" in diagnose_bridge(jax.random.key(0), student, (), two_modes())


def test_failures_run_the_detectors_that_apply():
    real = Reference(two_modes(), mode=lambda x: (x[:, 0] > 0).astype(int), mode_weights=np.array([0.5, 0.5]))
    one_mode = np.abs(two_modes(900))
    found = failures(model(lambda z: z), (), one_mode, real, train=two_modes(300), history={"loss": np.ones(100)})
    alarms = {finding.name: finding.alarm for finding in found}
    assert alarms.pop("memorisation") in (True, False)
    assert alarms == {
        "lost coverage": True,
        "lost modes": True,
        "oscillating loss": False,
        "diverging loss": False,
        "exploding loss": False,
    }
