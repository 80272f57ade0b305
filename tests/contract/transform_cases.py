"""The registry of transforms: every factory of `jaxgen.transforms` in small, one module of cases for each room of that folder."""

import cases_core
import cases_samplers
import pytest
from case import Case

ROOMS = (cases_core, cases_samplers)
CASES: dict[str, Case] = {name: case for room in ROOMS for name, case in room.CASES.items()}


def over(names):
    """Parametrise a law over cases; the tests of one case share a worker, so that its functions are compiled once."""
    return pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group(f"transform-{n}")) for n in names])


def having(law):
    """The names of the cases whose model satisfies `law`."""
    return [name for name, case in CASES.items() if law(case.make().transform)]
