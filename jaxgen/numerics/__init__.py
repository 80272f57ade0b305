"""Numerics: divergences, ODE integration through diffrax, monotone root finding, safe elementary functions."""

from jaxgen.numerics.divergence import divergence, hutchinson
from jaxgen.numerics.elementary import safe_norm
from jaxgen.numerics.ode import Solver, adaptive, fixed, refined, solve
from jaxgen.numerics.root import monotone_root

__all__ = ["Solver", "adaptive", "divergence", "fixed", "hutchinson", "monotone_root", "refined", "safe_norm", "solve"]
