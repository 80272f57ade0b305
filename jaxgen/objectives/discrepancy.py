"""Discrepancies between the model's and the data's samples, minimised directly: no density, no critic, any transform."""

import jax

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective
from jaxgen.objectives import discrepancies
from jaxgen.objectives.discrepancies import Discrepancy
from jaxgen.objectives.joint import joint
from jaxgen.objectives.samples import drawing, moved_by_params
from jaxgen.types import Aux, Key, Params


def energy(model: Model, *, stratified: bool = False) -> Objective:
    """Minimise the energy distance `2 E|X - Y| - E|X - X'| - E|Y - Y'|` between samples X of the model and data Y.

    The distance is zero only if both have one law. A batch gives the unbiased estimate, which may be negative. With conditions the points
    are pairs of event and condition, so that the conditional laws have to agree.

    Args:
        model: Any model that samples arrays of the shape of an event and whose samples move with its params.
        stratified: Draw the noise of a batch by `bases.stratified`. The estimate varies less, and has a bias that falls faster than 1/n.

    Returns:
        An objective whose metric is `energy_distance`, the loss.

    Raises:
        PairingError: The base has no quantile function for `stratified`; or, from `init`, the samples are piecewise constant in the params.

    Source: Szekely and Rizzo 2013, equation 5.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> loss, _ = energy(model).loss((), (), jax.random.key(0), Batch(jax.numpy.full((8, 1), 100.0)), Clock(0, 1, ()))
    >>> bool(190 < loss < 210)  # Data far away: twice the distance, less that of the samples from each other.
    True
    """
    return _minimising("energy", model, discrepancies.energy_distance(), "energy_distance", stratified)


def mmd(model: Model, kernel: str = "gaussian", widths: tuple[float, ...] = (0.1, 0.3, 1.0), *, stratified: bool = False) -> Objective:
    """Minimise the squared maximum mean discrepancy between samples of the model and data, averaged over kernels of several widths.

    Each kernel's discrepancy is zero only if both have one law. Narrow kernels see detail, and wide ones find data that are far away.
    Given the widths, a batch gives the unbiased estimate, which may be negative. With conditions the points are pairs of event and
    condition.

    Args:
        model: Any model that samples arrays of the shape of an event and whose samples move with its params.
        kernel: "gaussian", "laplace" or "inverse_multiquadric".
        widths: The widths of the kernels, as multiples of the mean distance between two events of the batch.
        stratified: Draw the noise of a batch by `bases.stratified`, as for `energy`.

    Returns:
        An objective whose metric is `squared_mmd`, the loss.

    Raises:
        ValueError: The kernel is unknown, or the widths are empty or not positive.
        PairingError: As for `energy`.

    Source: Gretton et al. 2012, JMLR 13, equation 3; arXiv 1502.02761.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.data_set([[1.0, 0.0]]), jaxgen.transforms.affine(0.0, 1.0))
    >>> objective, batch = mmd(model, "laplace", (1.0,)), Batch(jax.numpy.zeros((2, 2)))
    >>> round(float(objective.loss((), (), jax.random.key(0), batch, Clock(0, 1, ()))[0]), 3)  # 2 - 2 / e.
    1.264
    """
    return _minimising("mmd", model, discrepancies.squared_mmd(kernel, widths), "squared_mmd", stratified)


def sliced_wasserstein(model: Model, num_directions: int = 64, *, stratified: bool = False) -> Objective:
    """Minimise the squared sliced 2-Wasserstein distance between samples of the model and data.

    It is the mean over random directions of the squared distance in one dimension, where the optimal plan pairs sorted numbers, so it costs
    `n log n`. Two batches of one law are a positive distance apart, which falls with the batch. With conditions the points are pairs of
    event and condition.

    Args:
        model: Any model that samples arrays of the shape of an event and whose samples move with its params.
        num_directions: The number of directions, new in each step.
        stratified: Draw the noise of a batch by `bases.stratified`.

    Returns:
        An objective whose metric is `squared_sliced_w2`, the loss.

    Raises:
        ValueError: `num_directions` is below 1.
        PairingError: As for `energy`.

    Source: Bonneel et al. 2015, J. Math. Imaging Vis. 51; arXiv 1804.01947, equation 8.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.data_set([[3.0]]), jaxgen.transforms.affine(0.0, 1.0))
    >>> float(sliced_wasserstein(model, 2).loss((), (), jax.random.key(0), Batch(jax.numpy.ones((4, 1))), Clock(0, 1, ()))[0])
    4.0
    """
    return _minimising("sliced_wasserstein", model, discrepancies.squared_sliced_w2(num_directions), "squared_sliced_w2", stratified)


def max_sliced_wasserstein(model: Model, num_directions: int = 64, num_steps: int = 10, *, stratified: bool = False) -> Objective:
    """Minimise the squared 2-Wasserstein distance between samples and data in the direction in which they differ most.

    In high dimensions most directions show no difference, and this one is sought for. With conditions the points are pairs of event and
    condition.

    Args:
        model: Any model that samples arrays of the shape of an event and whose samples move with its params.
        num_directions: The number of random directions; the search begins at the best of them.
        num_steps: The number of steps of the search.
        stratified: Draw the noise of a batch by `bases.stratified`.

    Returns:
        An objective whose metric is `squared_max_sliced_w2`, the loss.

    Raises:
        ValueError: A number is below 1.
        PairingError: As for `energy`.

    Source: arXiv 1904.05877, equation 9.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.data_set([[3.0, 4.0]]), jaxgen.transforms.affine(0.0, 1.0))
    >>> loss, _ = max_sliced_wasserstein(model).loss((), (), jax.random.key(0), Batch(jax.numpy.zeros((4, 2))), Clock(0, 1, ()))
    >>> round(float(loss), 3)
    25.0
    """
    found = discrepancies.squared_max_sliced_w2(num_directions, num_steps)
    return _minimising("max_sliced_wasserstein", model, found, "squared_max_sliced_w2", stratified)


def sinkhorn_divergence(model: Model, epsilon: float = 0.05, *, max_iterations: int = 100, stratified: bool = False) -> Objective:
    """Minimise the Sinkhorn divergence of squared distances between samples of the model and data.

    It lies between the squared 2-Wasserstein distance, for a small `epsilon`, and the squared distance of the means, for a large one, and
    is zero only if both samples have one law. Two batches of one law are a positive distance apart, which falls with the batch. With
    conditions the points are pairs of event and condition.

    Args:
        model: Any model that samples arrays of the shape of an event and whose samples move with its params.
        epsilon: The weight of the entropy, as a multiple of the mean squared distance between two events of the batch.
        max_iterations: When Sinkhorn's iteration ends at the latest.
        stratified: Draw the noise of a batch by `bases.stratified`.

    Returns:
        An objective whose metric is `sinkhorn_divergence`, the loss, in the units of a squared distance.

    Raises:
        ValueError: `epsilon` is not positive or `max_iterations` is below 1.
        PairingError: As for `energy`.

    Source: arXiv 1810.08278, equation 3; arXiv 1706.00292.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> model = jaxgen.Model(jaxgen.bases.data_set([[3.0]]), jaxgen.transforms.affine(0.0, 1.0))
    >>> loss, _ = sinkhorn_divergence(model).loss((), (), jax.random.key(0), Batch(jax.numpy.ones((4, 1))), Clock(0, 1, ()))
    >>> round(float(loss), 3)
    4.0
    """
    divergence = discrepancies.sinkhorn_of_squares(epsilon, max_iterations=max_iterations)
    return _minimising("sinkhorn_divergence", model, divergence, "sinkhorn_divergence", stratified)


def _minimising(name: str, model: Model, discrepancy: Discrepancy, metric: str, stratified: bool) -> Objective:
    draw = drawing(name, model, stratified)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_noise, key_directions = jax.random.split(key)
        x = joint(draw(params, key_noise, batch), batch.cond)
        value = discrepancy(key_directions, x, joint(batch.x, batch.cond), stratified)
        return value, {metric: value}

    return Objective(moved_by_params(name, model), loss)
