"""Samplers of discrete data: chains in time, and sites revealed in an order. The base holds one uniform number for each step and site."""

from jaxgen.transforms.discrete.chain import discrete_ancestral
from jaxgen.transforms.discrete.leaping import tau_leaping
from jaxgen.transforms.discrete.revealing import any_order, first_hitting

__all__ = ["any_order", "discrete_ancestral", "first_hitting", "tau_leaping"]
