"""A network read on another path: the truth there, and where both start from pure noise the same samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import numerics, paths, transforms

W, M, S = np.array([0.3, 0.7]), np.array([[-1.0, 0.5], [1.0, -0.5]]), np.array([0.3, 0.4])
PATHS = {"linear": paths.linear(), "vp_cosine": paths.vp_cosine(), "edm": paths.edm(), "trigonometric": paths.trigonometric()}


@pytest.mark.parametrize(("old", "new"), [("vp_cosine", "edm"), ("edm", "linear")])
def test_the_truth_on_one_path_becomes_the_truth_on_another(old, new, x64):
    with x64():
        read = paths.on_path(paths.mixture_prediction(PATHS[old], W, M, S), PATHS[new])
        truth = paths.mixture_prediction(PATHS[new], W, M, S)
        x, ts = jnp.asarray([0.4, -0.3]), jnp.linspace(0.1, 0.9, 5)
        at = jax.jit(lambda t: ({n: f((), x, t) for n, f in read.parts().items()}, {n: f((), x, t) for n, f in truth.parts().items()}))
        for t in ts:
            ours, theirs = at(t)
            for name in theirs:
                np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6, atol=1e-8, err_msg=name)
        assert all(np.isfinite(f).all() for t in (0.0, 1.0) for f in at(jnp.asarray(t))[0].values())


def test_trajectories_are_equal_across_parameterisations_and_schedules(x64, no_params):
    """One network, trained for noise on the straight path, read for velocity, through the score, and on the trigonometric path."""
    with x64():
        path, z = paths.linear(), jnp.asarray([0.8, -1.3])
        eps = paths.prediction(path, paths.mixture_prediction(path, W, M, S).eps, "eps")
        readings = [
            eps,
            paths.prediction(path, eps.read("score"), "score"),
            paths.prediction(path, eps.velocity, "velocity"),
            paths.on_path(eps, paths.trigonometric()),
        ]
        solver = numerics.adaptive(1e-9, 1e-9)
        ends = [jax.jit(transforms.probability_flow(no_params, p, solver=solver).forward)((), z) for p in readings]
        np.testing.assert_allclose(ends[1:], [ends[0]] * 3, rtol=2e-7)


@pytest.fixture
def no_params():
    return lambda key, z, cond=None: ()
