"""Ranks of true values among draws: simulation-based calibration and the probability integral transform."""

from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from jaxgen.evaluation.calibration.uniformity import Uniformity, uniformity


class Ranks(NamedTuple):
    """Hold the ranks of true parameters among posterior draws.

    Attributes:
        u: For each simulation and coordinate the share of draws below the truth, `(n, d)`, uniform if the posterior is right.
        tests: For each coordinate the test that they are uniform.
    """

    u: np.ndarray
    tests: tuple[Uniformity, ...]

    @property
    def p_values(self) -> np.ndarray:
        """Return the p-value of each coordinate, `(d,)`."""
        return np.asarray([test.p_value for test in self.tests])

    def histogram(self, num_bins: int = 20, level: float = 0.05) -> tuple[np.ndarray, int, int]:
        """Return the counts of a rank histogram, and the band in which the count of a bin stays with probability `1 - level`.

        Args:
            num_bins: The number of bins.
            level: One minus the probability of the band, for one bin.

        Returns:
            Counts `(d, num_bins)`, and the lower and the upper end of the band.
        """
        counts = np.stack([np.histogram(column, num_bins, (0, 1))[0] for column in self.u.T])
        low, high = binom.ppf([level / 2, 1 - level / 2], len(self.u), 1 / num_bins)
        return counts, int(low), int(high)


def simulation_based_calibration(draws: np.ndarray, theta: np.ndarray, *, seed: int = 0) -> Ranks:
    """Test each coordinate of a posterior by the ranks of the parameters that the data were simulated with.

    Over the prior, a parameter and the posterior's draws given its data have one law, so its rank is uniform. A posterior that is too narrow
    gives a rank histogram like a U, a shifted one a slope. The prior in place of the posterior is not seen: use `tarp` or `local_c2st`.

    Args:
        draws: Draws `(n, L, d)` of the posterior of each simulation.
        theta: The parameters `(n, d)` of the simulations.
        seed: The seed that breaks ties and spreads each rank over its cell.

    Returns:
        The ranks and a test for each coordinate.

    Raises:
        ValueError: The shapes disagree.

    Source: arXiv 1804.06788, theorem 1.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> right, narrow = (simulation_based_calibration(s * rng.standard_normal((500, 99, 1)), rng.standard_normal((500, 1))) for s in (1, 0.5))
    >>> bool(right.p_values[0] > 0.05), bool(narrow.p_values[0] < 0.01)
    (True, True)
    """
    draws, theta = check_draws("simulation_based_calibration", draws, theta)
    u = randomised(np.sum(draws < theta[:, None], 1), np.sum(draws == theta[:, None], 1), draws.shape[1], seed)
    return Ranks(u, tuple(uniformity(column, seed=seed + j) for j, column in enumerate(u.T)))


def probability_integral_transform(draws: np.ndarray, y: np.ndarray, *, seed: int = 0) -> Uniformity:
    """Test the conditional law of one number: the true number's place among draws given the same condition is uniform.

    Args:
        draws: Draws `(n, L)` of the number for each condition.
        y: The true numbers `(n,)`.
        seed: The seed that breaks ties and spreads each place over its cell.

    Returns:
        The test.

    Raises:
        ValueError: The shapes disagree.

    Source: Dawid 1984, Journal of the Royal Statistical Society A 147(2).

    >>> import numpy as np
    >>> x = np.linspace(-3, 3, 400)[:, None]
    >>> rng = np.random.default_rng(0)
    >>> probability_integral_transform(x + rng.standard_normal((400, 50)), x[:, 0] + rng.standard_normal(400)).p_value > 0.05
    True
    """
    draws, y = np.asarray(draws), np.asarray(y)
    if draws.ndim != 2:
        raise ValueError(f"probability_integral_transform: draws of shape {draws.shape}; accepted: (n, L).")
    return simulation_based_calibration(draws[..., None], y.reshape(len(y), -1), seed=seed).tests[0]


def randomised(below: np.ndarray, equal: np.ndarray, num: int, seed: int) -> np.ndarray:
    """Return uniform numbers from ranks: a rank r of `num` draws is spread over the cell of r, ties over the cells that they share.

    Args:
        below: How many draws are below the truth.
        equal: How many are equal to it.
        num: The number of draws.
        seed: The seed of the place within the cell.

    >>> import numpy as np
    >>> 0.5 <= float(randomised(np.asarray(5), np.asarray(0), 9, 0)) <= 0.6
    True
    """
    v = np.random.default_rng([9, seed]).random(np.shape(below))
    return (below + v * (equal + 1)) / (num + 1)


def check_draws(function: str, draws: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return draws `(n, L, d)` and parameters `(n, d)` as arrays, or raise a ValueError that names the function.

    Args:
        function: The function that was called.
        draws: The draws.
        theta: The parameters.
    """
    draws, theta = np.asarray(draws), np.asarray(theta)
    if draws.ndim != 3 or theta.shape != (draws.shape[0], draws.shape[2]) or not draws.size:
        raise ValueError(f"{function}: draws of shape {draws.shape} with theta of shape {theta.shape}; accepted: (n, L, d) with (n, d).")
    for name, values in (("draws", draws), ("theta", theta)):
        # A NaN is neither below nor above the truth, and would count as a rank.
        if not np.isfinite(values).all():
            raise ValueError(
                f"{function}: {name} with {np.sum(~np.isfinite(values))} numbers that are not finite; accepted: finite numbers."
            )
    return draws, theta
