"""The columns of the matrix: objectives that are paired with any transform, or refuse it with a mathematical reason."""

from collections.abc import Callable

from jaxgen import objectives, paths
from jaxgen.model import Model
from jaxgen.nets import mlp
from jaxgen.objective import Objective, PairingError
from jaxgen.objectives import fields
from jaxgen.studies.transforms_compared import Row
from jaxgen.training import Entry, adam, players

Pair = Callable[[Model, Row], Objective]

NATIVE = "native"
"""The column of the objective that a transform is usually trained by."""
LEARNING_RATE = 2e-3
"""The one learning rate of every objective that compares samples."""


def _likelihood(model: Model, row: Row) -> Objective:
    if model.transform.proxy is not None:
        raise PairingError(
            "maximum_likelihood: model=one that reports the density of another transform; accepted: a density of its own samples, because "
            "the likelihood would train that other transform alone."
        )
    return objectives.maximum_likelihood(model)


def _denoising(model: Model, row: Row) -> Objective:
    return objectives.denoising(model, row.path or paths.linear(), row.parameterisation or "eps")


def _game(name: str, **weights: float) -> Pair:
    critic = mlp(1, width=64, depth=3, activation="leaky_relu")
    return lambda model, row: objectives.adversarial(model, critic, name, **weights)


COLUMNS: dict[str, Pair] = {
    "likelihood": _likelihood,
    "non-saturating game": _game("non_saturating", r1=0.1),
    "Wasserstein game": _game("wasserstein", gradient_penalty=0.1),
    "relativistic game": _game("relativistic", r1=0.1, r2=0.1),
    "denoising": _denoising,
    "flow matching": lambda model, row: objectives.flow_matching(model, row.path),
    "energy": lambda model, row: objectives.energy(model, stratified=True),
    "MMD": lambda model, row: objectives.mmd(model, stratified=True),
    "sliced W2": lambda model, row: objectives.sliced_wasserstein(model, stratified=True),
    "max-sliced W2": lambda model, row: objectives.max_sliced_wasserstein(model, stratified=True),
    "Sinkhorn": lambda model, row: objectives.sinkhorn_divergence(model, stratified=True),
    "score difference": lambda model, row: objectives.drift_field(model, fields.score_difference(0.2), stratified=True),
    "drifting": lambda model, row: objectives.drifting(model, stratified=True),
}
"""The objectives by name; those behind "flow matching" compare samples alone and take one set of hyperparameters."""
GAMES = tuple(name for name in COLUMNS if name.endswith("game"))


def paired_entry(row: Row, column: str, dim: int) -> Entry:
    """Return the entry of a row's transform and a column's objective.

    Args:
        row: The transform.
        column: The name of an objective, or `NATIVE`.
        dim: The number of coordinates of an event.

    Returns:
        The entry. The native objective keeps the optimiser of the zoo, a game has momentum for neither player, and all others have one
        learning rate.

    Raises:
        PairingError: The objective refuses the transform; the message is the reason.
    """
    entry = row.build(dim)
    if column == NATIVE:
        return entry
    objective = COLUMNS[column](entry.model, row)
    slow, fast = adam(1e-3, b1=0.0, b2=0.99), adam(2e-3, b1=0.0, b2=0.99)
    return Entry(entry.model, objective, players(slow, fast) if column in GAMES else adam(LEARNING_RATE))
