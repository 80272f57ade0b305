"""Objectives: how parameters are found. Each factory takes a model, checks what it needs of it, and returns an `Objective`."""

from jaxgen.objectives import weights
from jaxgen.objectives.adversarial import adversarial
from jaxgen.objectives.data_initialised import data_initialised
from jaxgen.objectives.denoising import denoising, lognormal_times, stratified_times
from jaxgen.objectives.discrepancy import energy
from jaxgen.objectives.elbo import elbo
from jaxgen.objectives.flow_matching import flow_matching
from jaxgen.objectives.maximum_likelihood import maximum_likelihood
from jaxgen.objectives.reconstruction import gaussian_of_codes, reconstruction
from jaxgen.objectives.reverse_kl import reverse_kl

__all__ = [
    "adversarial",
    "data_initialised",
    "denoising",
    "elbo",
    "energy",
    "flow_matching",
    "gaussian_of_codes",
    "lognormal_times",
    "maximum_likelihood",
    "reconstruction",
    "reverse_kl",
    "stratified_times",
    "weights",
]
