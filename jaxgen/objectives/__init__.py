"""Objectives: how params are trained. Each factory takes a model, checks that it has what the loss needs, and returns an `Objective`."""

from jaxgen.objectives import couplings, discrepancies, fields, weights
from jaxgen.objectives.adversarial import adversarial
from jaxgen.objectives.any_subset import any_subset, uniform_roles
from jaxgen.objectives.bridge_matching import bridge_matching
from jaxgen.objectives.consistency import consistency
from jaxgen.objectives.data_initialised import data_initialised
from jaxgen.objectives.denoising import denoising
from jaxgen.objectives.discrepancy import energy, max_sliced_wasserstein, mmd, sinkhorn_divergence, sliced_wasserstein
from jaxgen.objectives.discrete import any_order_bound, discrete_bound, discrete_flow_matching, score_entropy
from jaxgen.objectives.distillation import distillation
from jaxgen.objectives.drifting import drift_field, drifting
from jaxgen.objectives.dropout import dropout
from jaxgen.objectives.elbo import elbo
from jaxgen.objectives.flow_matching import flow_matching, interpolant_matching
from jaxgen.objectives.importance_weighted import importance_weighted
from jaxgen.objectives.latent_prior import latent_prior, with_prior
from jaxgen.objectives.maximum_likelihood import maximum_likelihood
from jaxgen.objectives.mean_flow import mean_flow
from jaxgen.objectives.mixed import mixed_bound
from jaxgen.objectives.moment_matching import inductive_moment_matching
from jaxgen.objectives.quantisation import quantisation
from jaxgen.objectives.reconstruction import gaussian_of_codes, reconstruction
from jaxgen.objectives.reflow import reflow
from jaxgen.objectives.reverse_kl import reverse_kl
from jaxgen.objectives.score_matching import score_matching
from jaxgen.objectives.times import antithetic_times, grid_times, logit_normal_times, lognormal_times, stratified_times, uniform_times
from jaxgen.objectives.variational_bound import variational_bound
from jaxgen.objectives.weighted_sum import weighted_sum
from jaxgen.objectives.without_condition import without_condition

__all__ = [
    "adversarial",
    "antithetic_times",
    "any_order_bound",
    "any_subset",
    "bridge_matching",
    "consistency",
    "couplings",
    "data_initialised",
    "denoising",
    "discrepancies",
    "discrete_bound",
    "discrete_flow_matching",
    "distillation",
    "drift_field",
    "drifting",
    "dropout",
    "elbo",
    "energy",
    "fields",
    "flow_matching",
    "gaussian_of_codes",
    "grid_times",
    "importance_weighted",
    "inductive_moment_matching",
    "interpolant_matching",
    "latent_prior",
    "logit_normal_times",
    "lognormal_times",
    "max_sliced_wasserstein",
    "maximum_likelihood",
    "mean_flow",
    "mixed_bound",
    "mmd",
    "quantisation",
    "reconstruction",
    "reflow",
    "reverse_kl",
    "score_matching",
    "score_entropy",
    "sinkhorn_divergence",
    "sliced_wasserstein",
    "stratified_times",
    "uniform_roles",
    "uniform_times",
    "variational_bound",
    "weighted_sum",
    "weights",
    "with_prior",
    "without_condition",
]
