"""The result of a fit, and the error of a fit that diverged."""

from typing import NamedTuple

from jaxgen.training.diagnosis import Diagnosis
from jaxgen.training.step import State
from jaxgen.types import Aux, Key, Params, PyTree


class Fitted(NamedTuple):
    """Hold the result of `fit`.

    Attributes:
        params: What `jaxgen.sample` and `jaxgen.log_prob` take: the moving average of the trained params. With `valid` it is the moving
            average that had the best validation loss.
        aux: The trained auxiliaries, which sampling does not need.
        history: Arrays by name: one value per step of "loss", of "gradient_norm" and of the objective's metrics, and the validation losses
            "valid_loss" at the steps "valid_step". It also holds the numbers "compile_seconds", "train_seconds" and "num_steps".
        status: "finished", "early stop", "interrupted", "running" in what is saved on the way or, in the error `TrainingDiverged`, "diverged".
        state: The state of a fit that was interrupted or saved on the way, its optimiser included, from which `fit(start=fitted)` goes on;
            None for any other.
        key: The key of such a fit, which goes on with no other.
    """

    params: Params
    aux: Aux
    history: dict[str, PyTree]
    status: str = "finished"
    state: State | None = None
    key: Key | None = None


class TrainingDiverged(FloatingPointError):
    """Report a loss or gradient that is not finite.

    Args:
        step: The number of good steps before it.
        metrics: The metrics of the last good step, by name.
        fitted: The params and history of the good steps.
        diagnosis: Where the numbers come from that are not finite; None if that step could not be run again.
    """

    def __init__(self, step: int, metrics: dict[str, float], fitted: Fitted, diagnosis: Diagnosis | None = None) -> None:
        shown = ", ".join(f"{name}={value:.4g}" for name, value in metrics.items()) or "none"
        super().__init__(
            f"loss or gradient is not finite at step {step}; last finite metrics: {shown}. "
            f"{diagnosis or 'A smaller learning rate or standardised data usually mends it.'} "
            "The parameters before that step are in the error's `fitted`."
        )
        self.step, self.metrics, self.fitted, self.diagnosis = step, metrics, fitted, diagnosis
