"""What `import jaxgen` offers; type checkers read this file, and `jaxgen/__init__.py` imports what it lists when it is used."""

from . import (
    artifacts,
    bases,
    data,
    estimator,
    evaluation,
    interop,
    nets,
    numerics,
    objectives,
    paths,
    studies,
    training,
    transforms,
    viz,
    zoo,
)
from .artifacts import export
from .certificate import Budget, Certificate, certify
from .combinators import chain, invert, on
from .estimator import Estimator
from .interpolation import interpolate
from .model import LogProb, Model, encode, init, sample_and_log_prob
from .objective import Batch, Clock, Objective, PairingError, Schedule
from .pruning import sampling_params
from .questions import impute, log_prob, sample
from .training import Card, Entry, Fitted, TrainingDiverged, fit
from .transform import Density, Hooks, ImplicitDensityError, Maps, Part, Preimage, Space, Transform, bijection
from .zoo import load, save

__version__: str

__all__ = [
    "Batch", "Budget", "Card", "Certificate", "Clock", "Density", "Entry", "Estimator", "Fitted", "Hooks", "ImplicitDensityError", "LogProb", "Maps",
    "Model", "Objective", "PairingError", "Part", "Preimage", "Schedule", "Space", "TrainingDiverged", "Transform", "artifacts",
    "bases", "bijection", "certify",
    "chain", "data", "encode", "estimator", "evaluation", "export", "fit", "impute", "init", "interop", "interpolate", "invert", "load", "log_prob",
    "nets", "numerics",
    "objectives", "on", "paths", "sample", "sample_and_log_prob", "sampling_params", "save", "studies", "training", "transforms",
    "viz", "zoo",
]  # fmt: skip
