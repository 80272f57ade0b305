"""Objectives: how params are trained. Each factory takes a model, checks that it has what the loss needs, and returns an `Objective`."""

from jaxgen.objectives import couplings, weights
from jaxgen.objectives.adversarial import adversarial
from jaxgen.objectives.bridge_matching import bridge_matching
from jaxgen.objectives.consistency import consistency
from jaxgen.objectives.data_initialised import data_initialised
from jaxgen.objectives.denoising import denoising
from jaxgen.objectives.discrepancy import energy
from jaxgen.objectives.discrete import any_order_bound, discrete_bound, discrete_flow_matching, score_entropy
from jaxgen.objectives.distillation import distillation
from jaxgen.objectives.drifting import drifting
from jaxgen.objectives.elbo import elbo
from jaxgen.objectives.flow_matching import flow_matching, interpolant_matching
from jaxgen.objectives.importance_weighted import importance_weighted
from jaxgen.objectives.latent_prior import latent_prior
from jaxgen.objectives.maximum_likelihood import maximum_likelihood
from jaxgen.objectives.mean_flow import mean_flow
from jaxgen.objectives.moment_matching import inductive_moment_matching
from jaxgen.objectives.quantisation import quantisation
from jaxgen.objectives.reconstruction import gaussian_of_codes, reconstruction
from jaxgen.objectives.reflow import reflow
from jaxgen.objectives.reverse_kl import reverse_kl
from jaxgen.objectives.score_matching import score_matching
from jaxgen.objectives.times import antithetic_times, grid_times, lognormal_times, stratified_times, uniform_times
from jaxgen.objectives.variational_bound import variational_bound
from jaxgen.objectives.without_condition import without_condition

__all__ = [
    "adversarial",
    "antithetic_times",
    "any_order_bound",
    "bridge_matching",
    "consistency",
    "couplings",
    "data_initialised",
    "denoising",
    "discrete_bound",
    "discrete_flow_matching",
    "distillation",
    "drifting",
    "elbo",
    "energy",
    "flow_matching",
    "gaussian_of_codes",
    "grid_times",
    "importance_weighted",
    "inductive_moment_matching",
    "interpolant_matching",
    "latent_prior",
    "lognormal_times",
    "maximum_likelihood",
    "mean_flow",
    "quantisation",
    "reconstruction",
    "reflow",
    "reverse_kl",
    "score_matching",
    "score_entropy",
    "stratified_times",
    "uniform_times",
    "variational_bound",
    "weights",
    "without_condition",
]
