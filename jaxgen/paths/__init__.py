"""Gaussian probability paths between noise and data, stated once for every file: t = 0 is noise, t = 1 is data, and

x_t = alpha(t) x + sigma(t) z,    x data, z standard Gaussian noise, t in [0, 1].
"""

from jaxgen.paths.path import Path, edm, linear, vp_cosine, vp_linear
from jaxgen.paths.prediction import Prediction, preconditioned, prediction

__all__ = ["Path", "Prediction", "edm", "linear", "preconditioned", "prediction", "vp_cosine", "vp_linear"]
