"""`jaxgen study`: experiments that people learn from, each a command of its own that writes a page and a JSON."""

from collections.abc import Callable

from jaxgen.cli.study_beta import beta
from jaxgen.cli.study_speed_quality import study_speed_quality

STUDIES: dict[str, Callable[..., int]] = {"beta": beta, "speed-quality": study_speed_quality}


def study() -> int:
    """Run an experiment that trains models side by side: `jaxgen study beta`; `jaxgen study --help` lists them all."""
    raise ValueError(f"study: name one of {', '.join(STUDIES)}, as in jaxgen study {next(iter(STUDIES))} --help.")
