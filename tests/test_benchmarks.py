"""Benchmarks answer --help at once, write the agreed rows, and say which way a ratio points."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if path.name != "common.py")


@pytest.fixture(scope="module")
def common():
    spec = importlib.util.spec_from_file_location("benchmarks_common", FOLDER / "common.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parametrize_scripts(test):
    return pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)(test)


ASK_EACH = """
import contextlib, io, json, runpy, sys
told = {}
for script in sys.argv[1:]:
    sys.argv, out = [script, "--help"], io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        runpy.run_path(script, run_name="__main__")
    told[script] = out.getvalue()
    assert "jax" not in sys.modules, script
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told():
    """What each script answers to --help: they are asked in one process, as starting one costs more than the answer."""
    result = subprocess.run([sys.executable, "-c", ASK_EACH, *SCRIPTS], cwd=FOLDER, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@parametrize_scripts
def test_help_says_what_is_measured(script, told):
    said = told[str(script)]
    assert "--quick" in said and "--out" in said
    assert ast.get_docstring(ast.parse(script.read_text())).splitlines()[0] in said


@parametrize_scripts
def test_options_are_read_before_jax_is_imported(script):
    """JAX takes its number of devices when it starts, so a script that imports it first could not choose."""
    imports = [node for node in ast.parse(script.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.name for node in imports for alias in node.names} | {getattr(node, "module", None) for node in imports}
    assert not {"jax", "jaxgen"} & {str(module).split(".")[0] for module in modules}


def test_row_has_the_agreed_fields_in_order(common):
    row = common.row("case", "metric", "s", 2.0, "peer 1.0", 3.0)
    assert list(row) == ["case", "metric", "unit", "ours", "peer", "theirs", "ratio"]


def test_ratio_above_one_means_ours_is_better(common):
    assert common.row("c", "time", "s", 2.0, "p", 6.0)["ratio"] == pytest.approx(3.0)
    assert common.row("c", "rate", "1/s", 6.0, "p", 2.0, more_is_better=True)["ratio"] == pytest.approx(3.0)


@pytest.mark.parametrize("figure", [0.0, -1.0, float("nan"), float("inf")])
def test_row_refuses_a_figure_without_a_ratio(common, figure):
    with pytest.raises(ValueError, match="ours="):
        common.row("c", "m", "s", figure, "p", 1.0)
    with pytest.raises(ValueError, match="theirs="):
        common.row("c", "m", "s", 1.0, "p", figure)


def test_medians_of_interleaved_rounds(common):
    order = []

    def contender(name, figures):
        figures = iter(figures)
        return lambda: (order.append(name), {"s": next(figures)})[1]

    medians = common.interleaved({"a": contender("a", [1.0, 9.0, 2.0]), "b": contender("b", [5.0, 4.0, 6.0])}, 3)
    assert medians == {"a": {"s": 2.0}, "b": {"s": 5.0}}
    assert order == ["a", "b", "b", "a", "a", "b"]


def test_peer_that_is_not_installed_is_skipped_aloud(common, capsys):
    assert common.installed("no-such-distribution") is None
    assert "skipped: no-such-distribution" in capsys.readouterr().out
    assert common.installed("pytest") == f"pytest {pytest.__version__}"


def test_report_writes_a_json_list_of_rows(common, tmp_path):
    rows = [common.row("c", "m", "s", 1.0, "p", 2.0)]
    common.report(rows, tmp_path / "folder" / "rows.json")
    assert json.loads((tmp_path / "folder" / "rows.json").read_text()) == rows


def test_measurement_alone_has_its_devices_and_no_cache(common, tmp_path):
    script = tmp_path / "probe.py"
    script.write_text(
        "import json, os, sys\n"
        "keys = ('JAX_PLATFORMS', 'JAX_NUM_CPU_DEVICES', 'JAX_ENABLE_COMPILATION_CACHE')\n"
        "print('noise before'); print(json.dumps({'asked': json.loads(sys.argv[2])} | {k: os.environ[k] for k in keys}))\n"
    )
    figures = common.alone(str(script), {"side": "ours"}, 3)
    assert figures == {
        "asked": {"side": "ours"},
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "3",
        "JAX_ENABLE_COMPILATION_CACHE": "false",
    }


SPEEDS = """
import json, sys
import jaxgen
from pathlib import Path
assert json.loads(sys.argv[2]) == {"case": "maf D16", "side": "ours"}
for line in sys.stdin:
    metric = json.loads(line)["metric"]
    with Path(__file__).parents[2].joinpath("order").open("a") as order:
        print(jaxgen.NAME, metric, file=order)
    print("answer: " + json.dumps(jaxgen.SPEED[metric]), flush=True)
"""


@pytest.fixture
def revisions(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import revisions

    return revisions


def revision_in(folder, speed):
    """A checkout in which the benchmark answers what its own `jaxgen` says."""
    for name, text in {"jaxgen/__init__.py": f"NAME, SPEED = {folder.name!r}, {speed!r}", "benchmarks/flows.py": SPEEDS}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_each_revision_runs_its_own_files_in_turns(revisions, monkeypatch, tmp_path):
    speeds = {"after": {"log_prob": 30.0, "sample": 2.0, "train": 5.0}, "before": {"log_prob": 10.0, "sample": 4.0, "train": 5.0}}
    after, before = (revision_in(tmp_path / name, speed) for name, speed in speeds.items())
    monkeypatch.setattr(revisions, "ROOT", after)
    monkeypatch.setattr(
        "sys.argv", ["revisions.py", "--before", str(before), "--only", "flows", "--share", "5/5", "--out", str(tmp_path / "rows.json")]
    )
    revisions.main()
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [(r["case"], r["metric"], r["ours"], r["theirs"], r["ratio"]) for r in rows] == [
        ("maf D16", "log_prob", 30.0, 10.0, 3.0),
        ("maf D16", "sample", 2.0, 4.0, 0.5),
        ("maf D16", "train", 5.0, 5.0, 1.0),
    ]
    order = (tmp_path / "order").read_text().splitlines()
    assert order[:7] == [f"{name} log_prob" for name in ("before", "after", "after", "before", "before", "after", "after")]
    assert len(order) == 2 * 3 * revisions.ROUNDS["flows"][0]


def test_a_revision_is_a_checkout_with_benchmarks(revisions, tmp_path):
    with pytest.raises(SystemExit, match="before=None; accepted: a checkout"):
        revisions.checkout(None)
    with pytest.raises(SystemExit, match="accepted: a checkout"):
        revisions.checkout(str(tmp_path))
    assert revisions.checkout(str(FOLDER.parent)) == FOLDER.parent


def test_less_time_to_compile_is_a_ratio_above_one(revisions, capsys):
    row = revisions.compared("gan vector", "compile", "s", {"ours": [1.0, 2.0, 9.0], "before": [4.0, 4.0, 4.0]}, more_is_better=False)
    assert row["ratio"] == 2.0 and "ratio 2.000" in capsys.readouterr().out


def test_shares_are_all_cases_once(revisions):
    cases = list("abcdefg")
    assert sorted(case for i in (1, 2, 3) for case in revisions.shared(cases, f"{i}/3")) == cases
    assert revisions.shared(cases, None) == cases


@pytest.fixture
def compile_table(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import compile_table

    return compile_table


def line(lines=1000, seconds=2.0, fingerprint="a", jax="0.10.2"):
    return {"entry": "maf vector", "seconds": str(seconds), "lines": str(lines), "fingerprint": fingerprint, "jax": jax}


@pytest.mark.parametrize(
    ("now", "changelog", "complaints"),
    [
        (line(), "", []),
        (line(1249, 2.49), "", []),
        (line(1250), "", ["maf vector: lines grew from 1000 to 1250, by 25 % or more."]),
        (line(seconds=2.5), "", ["maf vector: seconds grew from 2.0 to 2.5, by 25 % or more."]),
        (line(fingerprint="b"), "", ["maf vector: its program changed; name it after 'Programs changed:' in CHANGELOG.md and say why."]),
        (line(fingerprint="b"), "\n## New\n- Programs changed: `vae`, `maf`: fewer products.\n## Old\n", []),
        (line(fingerprint="b"), "\n## New\n- Programs changed: all: another optimiser.\n## Old\n", []),
        (line(fingerprint="b"), "\n## New\n## Old\n- Programs changed: `maf`: fewer products.\n", ["its program changed"]),
        (line(1250, 9.0, "b", "0.11.0"), "", ["lines grew"]),
    ],
)
def test_growth_and_programs_that_changed_unsaid_are_found(compile_table, now, changelog, complaints):
    found = compile_table.found({"maf vector": now}, {"maf vector": line()}, changelog)
    assert len(found) == len(complaints) and all(part in said for said, part in zip(found, complaints, strict=True))


def test_a_table_comes_back_sorted_and_knows_what_it_lacks(compile_table, tmp_path):
    table = {"vae image": line() | {"entry": "vae image"}, "maf vector": line()}
    compile_table.write(tmp_path / "table.csv", table)
    assert compile_table.read(tmp_path / "table.csv") == table and list(compile_table.read(tmp_path / "table.csv")) == sorted(table)
    assert compile_table.read(tmp_path / "none.csv") == {}
    assert compile_table.found(table, {}, "") == [f"{name}: not in the table; add it with --write table." for name in sorted(table)]


@pytest.mark.parametrize("name", ["realnvp", "vae"])
def test_the_program_of_a_training_step_is_as_long_as_the_table_says(compile_table, name):
    """Of two entries, by the machine-independent figure; `python benchmarks/compile_table.py` compares all of them."""
    import importlib.metadata

    from peers import compiling

    kept = compile_table.read(compile_table.TABLE)[f"{name} vector"]
    if kept["jax"] != importlib.metadata.version("jax"):
        pytest.skip(f"the table was made with jax {kept['jax']}")
    lines = len(compiling.lowered(name, (2,), ()).as_text().splitlines())
    assert lines < compile_table.GROWTH * int(kept["lines"])
