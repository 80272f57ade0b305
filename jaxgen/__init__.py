"""jaxgen: deep generative models as probability transformation functions.

A base distribution supplies noise, a pure function turns it into data, an objective finds the function's parameters and is dropped at
inference: `transform.py`, `model.py` and `objective.py` are the whole idea.
"""

from typing import TYPE_CHECKING, Any

from jaxgen import bases, data, evaluation, nets, numerics, objectives, paths, training, transforms, zoo
from jaxgen.certificate import Budget, Certificate, certify
from jaxgen.combinators import chain, invert, on
from jaxgen.interpolation import interpolate
from jaxgen.model import LogProb, Model, encode, init, log_prob, sample, sample_and_log_prob
from jaxgen.objective import Batch, Clock, Objective, PairingError, Schedule
from jaxgen.pruning import sampling_params
from jaxgen.training import Card, Entry, Fitted, TrainingDiverged, fit
from jaxgen.transform import Density, Hooks, ImplicitDensityError, Maps, Part, Preimage, Space, Transform, bijection
from jaxgen.zoo import load, save

if TYPE_CHECKING:
    from jaxgen.estimator import Estimator

__version__ = "0.1.0"

__all__ = [
    "Batch", "Budget", "Card", "Certificate", "Clock", "Density", "Entry", "Estimator", "Fitted", "Hooks", "ImplicitDensityError", "LogProb", "Maps",
    "Model", "Objective", "PairingError", "Part", "Preimage", "Schedule", "Space", "TrainingDiverged", "Transform", "bases", "bijection", "certify",
    "chain", "data", "encode", "evaluation", "fit", "init", "interpolate", "invert", "load", "log_prob", "nets", "numerics",
    "objectives", "on", "paths", "sample", "sample_and_log_prob", "sampling_params", "save", "training", "transforms", "zoo",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Return `Estimator`, whose module imports scikit-learn: a second that only those wait who ask for it."""
    if name != "Estimator":
        raise AttributeError(f"module 'jaxgen' has no attribute {name!r}")
    from jaxgen.estimator import Estimator

    return Estimator
