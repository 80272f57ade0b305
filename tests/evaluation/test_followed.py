"""What is done to a model's states before they are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import bases, numerics
from jaxgen import transforms as T
from jaxgen.evaluation import by_deviation, density_grid, follow, within_reach
from jaxgen.model import Model
from jaxgen.transform import Maps, Part, Space, Transform, no_params


def test_states_beyond_the_data_are_divided_by_their_standard_deviation():
    """A state of 80 times the reach comes to the reach itself, one within it stays, and the centre of the data is kept."""
    rng = np.random.default_rng(0)
    target = rng.standard_normal((500, 2)) * 0.5 + [3.0, -1.0]
    noise = rng.standard_normal((200, 1, 2))
    centre = target.mean(0)
    states = np.concatenate([centre + 80 * noise, centre + 0.5 * noise], 1)
    drawn, scaled = within_reach(states[:60], states, target)
    assert scaled
    np.testing.assert_allclose(drawn[:, 1], states[:60, 1])
    np.testing.assert_allclose((drawn[:, 0] - centre).std() / (2 * target.std(0).max()), 1, rtol=0.2)
    again, scaled = within_reach(states[:60, 1:], states[:, 1:], target)
    assert not scaled
    np.testing.assert_array_equal(again, states[:60, 1:])


def test_of_many_latent_coordinates_those_that_carry_the_data_are_drawn():
    codes = np.random.default_rng(0).standard_normal((500, 4)) * [0.01, 2.0, 0.02, 1.0]
    np.testing.assert_array_equal(by_deviation(codes)[:2], [1, 3])
    # A plane is drawn as it is.
    np.testing.assert_array_equal(by_deviation(codes[:, :2]), [0, 1])


def test_the_grid_lies_in_the_latent_coordinates_that_are_drawn():
    """Codes move in the second and fourth of four; the transform passes those on, so that a grid drawn there comes out as it went in."""
    drawn = jnp.asarray([1, 3])

    def encode(params, x, cond=None):
        return jnp.zeros(4, x.dtype).at[drawn].set(x * jnp.asarray([2.0, 1.0]))

    model = Model(
        bases.normal((4,)),
        Transform(no_params, Maps(lambda params, z, cond=None: z[drawn]), parts={"encode": Part(encode, Space.DATA)}),
    )
    followed = follow(jax.random.key(0), model, (), np.random.default_rng(0).standard_normal((200, 2)))
    np.testing.assert_array_equal(followed.grid, followed.grid_states[:, :, -1])
    np.testing.assert_array_equal(followed.noise, followed.states[:, -1])
    # Lines of constant first coordinate, each at a place of its own.
    assert np.all(np.ptp(followed.grid[0], 0)[0] == 0) and np.ptp(followed.grid[0], 0)[1] > 4 and np.ptp(followed.grid[:, 0, 0]) > 4
    # The others have a constant second coordinate.
    assert np.ptp(followed.grid[-1], 0)[1] == 0 and np.ptp(followed.grid[-1], 0)[0] > 4 and np.ptp(followed.grid[13:, 0, 1]) > 4


def test_the_grid_of_a_chain_keeps_one_draw_of_the_other_noise():
    """What the increments add to every point of the grid is what the first draw's add to its own point."""
    chain = Transform(no_params, Maps(lambda params, z, cond=None: z["x0"] + z["increments"][0]))
    followed = follow(jax.random.key(0), Model(bases.diffusion_noise((2,), 1), chain), (), np.zeros((3, 2), np.float32))
    added = followed.states[0, -1] - followed.noise[0]
    assert np.abs(added).max() > 0.01
    np.testing.assert_allclose(followed.grid_states[:, :, -1] - followed.grid, np.broadcast_to(added, followed.grid.shape), atol=1e-5)
    assert followed.base_kind == "gaussian"


@pytest.mark.parametrize(("kind", "low", "high"), [("normal", -2.4, 2.4), ("logistic", -4.5, 4.5), ("uniform", 0.02, 0.98)])
def test_the_grid_reaches_as_far_as_its_base_and_evaluations_are_counted(kind, low, high):
    flow = T.ode_flow(lambda *a: (), lambda params, x, t, cond: 0 * x, solver=numerics.fixed(3, "euler"))
    followed = follow(jax.random.key(0), Model(getattr(bases, kind)((2,)), flow), (), np.zeros((3, 2), np.float32))
    assert followed.base_kind == {"normal": "gaussian"}.get(kind, kind) and followed.nfe == 3
    np.testing.assert_allclose([followed.grid.min(), followed.grid.max()], [low, high], rtol=1e-6)


def test_a_density_grid_runs_along_x_first():
    xs, ys, points = density_grid(np.array([[0.0, 10.0], [1.0, 30.0]]), 5)
    np.testing.assert_array_equal(points[:5, 0], xs)
    np.testing.assert_array_equal(points[::5, 1], ys)
    assert np.ptp(points[:5, 1]) == 0
    np.testing.assert_allclose([xs[0], xs[-1], ys[0], ys[-1]], [-0.15, 1.15, 7.0, 33.0], rtol=1e-6)
