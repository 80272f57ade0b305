"""Corruption processes on finite sets, stated once for every file: at t = 0 a site holds noise, at t = 1 its datum.

A site holds a code 0.0, 1.0, ... of one of K categories; on a masked path the code K, the mask, stands for "not known yet". Sites are
corrupted independently, and every function here works on sites of any leading shape with the categories, or states, in the last axis.
"""

from jaxgen.paths.discrete.cells import drawn, middle, one_hot
from jaxgen.paths.discrete.masked import masked, remasked
from jaxgen.paths.discrete.metric import metric
from jaxgen.paths.discrete.mixture import mixture, uniform
from jaxgen.paths.discrete.path import DiscretePath, Reversal
from jaxgen.paths.discrete.prediction import READINGS, DiscretePrediction, prediction
from jaxgen.paths.discrete.schedule import Schedule, cosine, linear, polynomial
from jaxgen.paths.discrete.steering import guided, infilled
from jaxgen.paths.discrete.tabular import tabular

__all__ = [
    "READINGS",
    "DiscretePath",
    "DiscretePrediction",
    "Reversal",
    "Schedule",
    "cosine",
    "drawn",
    "guided",
    "infilled",
    "linear",
    "masked",
    "metric",
    "middle",
    "mixture",
    "one_hot",
    "polynomial",
    "prediction",
    "remasked",
    "tabular",
    "uniform",
]
