"""`jaxgen study`: experiments, each a command that writes a page and a JSON file."""

from collections.abc import Callable

from jaxgen.cli.study_beta import beta
from jaxgen.cli.study_command import command_of
from jaxgen.cli.study_speed_quality import study_speed_quality
from jaxgen.studies import STUDIES as RECORDED

STUDIES: dict[str, Callable[..., int]] = {"beta": beta, "speed-quality": study_speed_quality}
STUDIES |= {name: command_of(study) for name, study in RECORDED.items()}


def study() -> int:
    """Run an experiment that trains models side by side, such as `jaxgen study beta`; `jaxgen study --help` lists all of them."""
    raise ValueError(f"study: no name given; accepted: {', '.join(STUDIES)}, as in jaxgen study {next(iter(STUDIES))} --help.")
