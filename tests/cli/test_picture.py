"""What is done to a model's states before they are drawn."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import bases
from jaxgen.cli.picture import _by_spread, _within, follow
from jaxgen.model import Model
from jaxgen.transform import Transform


def test_states_that_spread_beyond_the_data_are_drawn_in_units_of_their_spread():
    """A state of 80 times the reach comes to the reach itself, one within it stays, and the centre of the data is kept."""
    rng = np.random.default_rng(0)
    target = rng.standard_normal((500, 2)) * 0.5 + [3.0, -1.0]
    noise = rng.standard_normal((200, 1, 2))
    centre = target.mean(0)
    states = np.concatenate([centre + 80 * noise, centre + 0.5 * noise], 1)
    drawn, scaled = _within(states[:60], states, target)
    assert scaled
    np.testing.assert_allclose(drawn[:, 1], states[:60, 1])
    np.testing.assert_allclose((drawn[:, 0] - centre).std() / (2 * target.std(0).max()), 1, rtol=0.2)
    again, scaled = _within(states[:60, 1:], states[:, 1:], target)
    assert not scaled
    np.testing.assert_array_equal(again, states[:60, 1:])


def test_of_many_latent_coordinates_those_that_carry_the_data_are_drawn():
    codes = np.random.default_rng(0).standard_normal((500, 4)) * [0.01, 2.0, 0.02, 1.0]
    np.testing.assert_array_equal(_by_spread(codes)[:2], [1, 3])
    # A plane is drawn as it is.
    np.testing.assert_array_equal(_by_spread(codes[:, :2]), [0, 1])


def test_the_grid_lies_in_the_latent_coordinates_that_are_drawn():
    """Codes move in the second and fourth of four; the transform passes those on, so that a grid drawn there comes out as it went in."""
    drawn = jnp.asarray([1, 3])

    def encode(params, x, cond=None):
        return jnp.zeros(4, x.dtype).at[drawn].set(x * jnp.asarray([2.0, 1.0]))

    model = Model(
        bases.normal((4,)), Transform(lambda key, z, cond=None: (), lambda params, z, cond=None: z[drawn], parts={"encode": encode})
    )
    followed = follow(jax.random.key(0), model, (), np.random.default_rng(0).standard_normal((200, 2)))
    np.testing.assert_array_equal(followed.grid, followed.grid_states[:, :, -1])
    np.testing.assert_array_equal(followed.noise, followed.states[:, -1])
    # Lines of constant first coordinate, each at a place of its own.
    assert np.all(np.ptp(followed.grid[0], 0)[0] == 0) and np.ptp(followed.grid[0], 0)[1] > 4 and np.ptp(followed.grid[:, 0, 0]) > 4
