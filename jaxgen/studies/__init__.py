"""Experiments that anyone can run again: predictions before the runs, paired effects over seeds, one page from the stored figures alone."""

from jaxgen.studies.bridge.study import STUDY as BRIDGE
from jaxgen.studies.hybrid import HYBRID_STUDY
from jaxgen.studies.matrix import MATRIX
from jaxgen.studies.paired import Effect, paired
from jaxgen.studies.ranking import Place, ranking
from jaxgen.studies.relax import RELAX
from jaxgen.studies.runner import Choice, run_study
from jaxgen.studies.study import Cell, Prediction, Row, Study, Table, Verdict, good_rows
from jaxgen.studies.transfer import TRANSFER
from jaxgen.studies.universal import UNIVERSAL

STUDIES: dict[str, Study] = {study.name: study for study in (BRIDGE, MATRIX, TRANSFER, UNIVERSAL, HYBRID_STUDY, RELAX)}
"""The studies that `jaxgen study` runs, by name."""

__all__ = [
    "STUDIES", "Cell", "Choice", "Effect", "Place", "Prediction", "Row", "Study", "Table", "Verdict", "good_rows", "paired", "ranking",
    "run_study",
]  # fmt: skip
