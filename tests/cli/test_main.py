"""The command line answers before it imports JAX, and `import jaxgen` loads what is used and nothing else."""

import subprocess
import sys

import pytest

import jaxgen
from jaxgen.cli.main import COMMANDS, main

HEAVY = ("distrax", "diffrax", "scipy.stats", "sklearn", "matplotlib", "orbax", "tensorflow_probability")


def imported_after(code):
    """The modules that a fresh Python has imported after `code`."""
    listing = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, file=sys.stderr)"], capture_output=True, text=True, check=True
    )
    return set(listing.stderr.split())


def test_help_and_a_wrong_command_do_not_import_jax():
    code = """
from jaxgen.cli.main import main
for argv in (["--help"], ["--version"], ["tran"]):
    try:
        main(argv)
    except SystemExit:
        pass
"""
    assert not imported_after(code) & {"jax", "numpy", *HEAVY}


def test_what_trains_and_samples_imports_no_library_that_it_does_not_use():
    modules = imported_after("import jaxgen; jaxgen.zoo, jaxgen.fit, jaxgen.bases.normal, jaxgen.sample, jaxgen.numerics, jaxgen.data")
    assert "jax" in modules and not modules & set(HEAVY)


def test_import_jaxgen_alone_imports_nothing_heavy():
    assert not imported_after("import jaxgen") & {"jax", "numpy", "flax", *HEAVY}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_sentence_of_a_command_is_the_first_line_of_its_docstring(name):
    assert COMMANDS[name].sentence == (COMMANDS[name].load().__doc__ or "").splitlines()[0]


@pytest.mark.parametrize("name", jaxgen.__all__)
def test_every_public_name_is_there_and_listed(name):
    assert getattr(jaxgen, name) is not None and name in dir(jaxgen)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        jaxgen.nothing_of_this_name  # noqa: B018


@pytest.mark.parametrize(("typed", "said"), [("tran", "Did you mean 'train'?"), ("zzz", "zzz: no such command; accepted: compare, list")])
def test_a_wrong_command_is_told_the_right_one(typed, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main([typed])
    assert ended.value.code == 2 and said in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"jaxgen {jaxgen.__version__}\n"


def test_a_device_that_is_not_there_is_named_in_one_line(monkeypatch, capsys):
    """JAX raises an AssertionError without words, or a RuntimeError, at whatever comes first."""

    def refuse(*args, **kwargs):
        raise AssertionError

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setattr("jax.devices", refuse)
    monkeypatch.setattr("jaxgen.cli.list_.list_entries", refuse)
    with pytest.raises(SystemExit) as exit_:
        main(["list"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == (
        "jaxgen: error: JAX_PLATFORMS=cuda: JAX finds no such device here; accepted: a device that is there, such as JAX_PLATFORMS=cpu.\n"
    )


def test_an_error_of_this_library_keeps_its_traceback(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a fault")

    monkeypatch.setattr("jaxgen.cli.list_.list_entries", fail)
    with pytest.raises(AssertionError, match="a fault"):
        main(["list"])


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["compare", "--models", "nsff"], "nsf"),
        (["verify", "--models", "realnvpp"], "realnvp"),
        (["train", "--model", "nsf", "--data", "two_mons"], "two_moons"),
        (["train", "--model", "pixelcn"], "pixelcnn"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_closest_one(argv, hint, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(argv)
    assert f"Did you mean {hint!r}?" in capsys.readouterr().err
