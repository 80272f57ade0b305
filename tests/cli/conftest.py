"""Commands run in this process, as a terminal would run them: exit status, standard output and standard error."""

from typing import NamedTuple

import jax
import pytest

from jaxgen.cli.main import main


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """`command("train", "--model", ...) -> Ended`; the user's cache and the devices of this process stay as they are."""
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs", "jax_persistent_cache_min_entry_size_bytes")
    before = {name: getattr(jax.config, name) for name in names}

    def run(*argv):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(a) for a in argv])
        return Ended(int(exit_.value.code or 0), *capsys.readouterr())

    yield run
    for name, value in before.items():
        jax.config.update(name, value)
