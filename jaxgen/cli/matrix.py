"""`jaxgen matrix`: every transform by every objective, which is `jaxgen study matrix` under a shorter name."""

from jaxgen.cli.study_command import command_of
from jaxgen.studies.matrix import MATRIX

matrix = command_of(MATRIX)
