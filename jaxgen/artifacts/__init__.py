"""Artifacts: trained models that run where jaxgen is not installed, as programs of StableHLO with their params."""

from jaxgen.artifacts.export import export, loader_source
from jaxgen.artifacts.programs import Program, lowered, programs_of

__all__ = ["Program", "export", "loader_source", "lowered", "programs_of"]
