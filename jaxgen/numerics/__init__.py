"""Numerics: divergences, ODE integration, optimal transport, root finding, log-determinants by series, safe elementary functions."""

from jaxgen.numerics.assignment import assignment
from jaxgen.numerics.divergence import divergence, hutch_plus_plus, hutchinson
from jaxgen.numerics.elementary import distances, safe_norm, straight_clip
from jaxgen.numerics.fixed_point import contraction_root, contraction_steps
from jaxgen.numerics.log_det_series import roulette_log_det
from jaxgen.numerics.ode import solve
from jaxgen.numerics.root import monotone_root
from jaxgen.numerics.sinkhorn import Plan, sinkhorn, symmetric_sinkhorn
from jaxgen.numerics.solver import Solver, adaptive, fixed, refined

__all__ = [
    "Plan",
    "Solver",
    "adaptive",
    "assignment",
    "contraction_root",
    "contraction_steps",
    "distances",
    "divergence",
    "fixed",
    "hutch_plus_plus",
    "hutchinson",
    "monotone_root",
    "refined",
    "roulette_log_det",
    "safe_norm",
    "sinkhorn",
    "solve",
    "straight_clip",
    "symmetric_sinkhorn",
]
