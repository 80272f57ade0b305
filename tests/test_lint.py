"""The style, the types and the direction of imports are part of the test run: ruff, basedpyright and the import-linter contracts."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))


def check(*command: str | Path) -> None:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


@pytest.mark.xdist_group("ruff")
def test_style():
    check(sys.executable, "-m", "ruff", "check", "--no-cache", ".")


@pytest.mark.xdist_group("basedpyright")
def test_types():
    check(sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable)


@pytest.mark.xdist_group("import-linter")
def test_imports_run_one_way():
    check(SCRIPTS / "lint-imports", "--no-cache")
