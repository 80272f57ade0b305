"""The registry of transforms: every factory of `jaxgen.transforms` in small, one module `cases_*.py` for each room of that folder."""

import functools
import importlib
from pathlib import Path

import pytest
from case import Case

ROOMS = [importlib.import_module(path.stem) for path in sorted(Path(__file__).parent.glob("cases_*.py"))]
CASES: dict[str, Case] = {name: case for room in ROOMS for name, case in room.CASES.items()}
assert len(CASES) == sum(len(room.CASES) for room in ROOMS), "two rooms have a case of one name"


def over(names):
    """Parametrise a law over cases; the tests of one case share a worker, so that its functions are compiled once."""
    return pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group(f"transform-{n}")) for n in names])


@functools.cache
def transform_of(name):
    return CASES[name].make().transform


def having(law):
    """The names of the cases whose transform satisfies `law`."""
    return [name for name in CASES if law(transform_of(name))]
