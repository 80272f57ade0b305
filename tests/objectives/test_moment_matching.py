"""Moment matching by hand: at times that are given, with a map that errs by a constant, against the discrepancy written out in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, objectives, paths
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock
from jaxgen.objectives import moment_matching

CLOCK = Clock(jnp.asarray(0), jnp.asarray(100), None)
RNG = np.random.default_rng(0)
# Three groups of five, and two rows over; a step of 0.25 stays below s from the first time, would pass it from the second, and the third is s.
X, COND = RNG.standard_normal((17, 2)), RNG.standard_normal((17, 2, 1))
EARLY, LATE, GAP = np.array([0.2, 0.7, 0.6]), np.array([0.9, 0.8, 0.6]), 0.25


def mean_distance_kernel(a, b, width):
    return np.mean(np.exp(-np.linalg.norm(a[:, None] - b[None], axis=-1) / width))


def by_hand(params, reference):
    """Of each group: jumps from x_t with an error of `params (s - t)`, and from x_r with one of `reference (s - r)`, joined to conditions."""
    values = []
    for g, (t, s) in enumerate(zip(EARLY, LATE, strict=True)):
        x, c = X[5 * g : 5 * g + 5], COND[5 * g : 5 * g + 5, :, 0]
        r, at_s = min(t + GAP, s), s * x + (1 - s) * (x - 1)
        ours, theirs = (np.concatenate([at_s + error, c], 1) for error in (params * (s - t), reference * (s - r)))
        width = 2 * max(s - t, 1e-3)
        kernel = mean_distance_kernel
        values.append(kernel(ours, ours, width) + kernel(theirs, theirs, width) - 2 * kernel(ours, theirs, width))
    return np.mean(values)


def test_the_value_is_the_discrepancy_and_the_later_side_is_held_fixed(x64, monkeypatch):
    """Noise is the data less one, so the velocity of every path is one, and a map that moves by `1 + params` errs by `params`."""
    model = Model(bases.normal((2,)), T.flow_map(lambda *a: (), lambda params, x, t, s, cond=None: 1 + params + 0 * x))
    with x64():
        monkeypatch.setattr(moment_matching, "ordered_pairs", lambda *a: (jnp.asarray(EARLY), jnp.asarray(LATE)))
        objective = objectives.inductive_moment_matching(model, group=5, gap=GAP, coupling=lambda key, x, z, cond: x - 1)
        batch = Batch(jnp.asarray(X), jnp.asarray(COND))
        (value, metrics), gradient = jax.jit(
            jax.value_and_grad(lambda p: objective.loss(p, (), jax.random.key(0), batch, CLOCK), has_aux=True)
        )(0.3)
    slope = (by_hand(0.3 + 1e-5, 0.3) - by_hand(0.3 - 1e-5, 0.3)) / 2e-5
    np.testing.assert_allclose([value, metrics["squared_mmd"], gradient], [by_hand(0.3, 0.3)] * 2 + [slope], rtol=1e-6)


def test_it_learns_along_the_path_that_it_is_given(x64):
    path = paths.Path(jnp.ones_like, jnp.ones_like)
    model = Model(bases.normal((2,)), T.flow_map(lambda *a: (), lambda params, x, t, s, cond=None: jnp.zeros_like(x)))
    with x64():
        for given, least, most in ((path, 0.0, 1e-12), (None, 1e-3, np.inf)):
            loss = jax.jit(objectives.inductive_moment_matching(model, given).loss)(
                (), (), jax.random.key(0), Batch(jnp.asarray(X)), CLOCK
            )[0]
            assert least <= float(loss) <= most


@pytest.mark.parametrize(("to_end", "share"), [(0.0, 0), (0.5, 6), (1.0, 12)])
def test_the_share_of_groups_that_end_at_the_data_is_the_one_asked_for(to_end, share, x64):
    """Twelve groups, all of one repeated pair at x = z = 0; the map goes far only where s = 1, and a group there has the same small loss."""
    far = 1e6
    model = Model(
        bases.normal((1,)), T.flow_map(lambda *a: (), lambda params, x, t, s, cond=None: jnp.where(s == 1, far, 0.0) * jnp.ones_like(x))
    )
    with x64():
        objective = objectives.inductive_moment_matching(model, group=2, to_end=to_end, coupling=lambda key, x, z, cond: 0 * x)
        loss = jax.jit(objective.loss)((), (), jax.random.key(0), Batch(jnp.zeros((24, 1))), CLOCK)[0]
    # Jumps of unlike length to s = 1 are far apart, at a squared discrepancy of 2; all others stand still, at 0.
    np.testing.assert_allclose(loss, 2 * share / 12, atol=1e-6)
