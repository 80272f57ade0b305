"""Calibration of conditional models: are the probabilities that a posterior states the frequencies of the truth?"""

from jaxgen.evaluation.calibration.coverage import expected_coverage, tarp
from jaxgen.evaluation.calibration.local import Local, local_c2st
from jaxgen.evaluation.calibration.posterior import Calibration, calibration, posterior_draws
from jaxgen.evaluation.calibration.ranks import Ranks, probability_integral_transform, simulation_based_calibration
from jaxgen.evaluation.calibration.uniformity import Uniformity, uniformity

__all__ = [
    "Calibration",
    "Local",
    "Ranks",
    "Uniformity",
    "calibration",
    "expected_coverage",
    "local_c2st",
    "posterior_draws",
    "probability_integral_transform",
    "simulation_based_calibration",
    "tarp",
    "uniformity",
]
