"""Help and mistyped options are answered from the source of a command, without importing it."""

import inspect
import subprocess
import sys

import pytest

from jaxgen.cli.main import COMMANDS
from jaxgen.cli.outline import outline


@pytest.mark.parametrize("name", COMMANDS)
def test_an_outline_is_the_command_without_its_body(name):
    command = COMMANDS[name]
    found, function = outline(f"jaxgen.cli.{command.module}", command.function), command.load()
    if found is None:
        assert name == "matrix"
        return
    expected = inspect.signature(function)
    assert inspect.signature(found) == expected.replace(return_annotation=inspect.Signature.empty)
    assert found.__doc__ == function.__doc__


def test_help_and_mistyped_options_import_no_jax():
    code = (
        "import sys; from jaxgen.cli.main import main\n"
        "for argv in (['--help'], ['trian'], ['train', '--help'], ['compare', '--help'], ['train', '--modle', 'x'], ['sample', '--run']):\n"
        "    try: main(argv)\n"
        "    except SystemExit: pass\n"
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
