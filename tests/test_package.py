"""What a newcomer relies on before any mathematics: the two commands, the pinned versions, files one can read, no code in data."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import jaxgen

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "jaxgen"
MODULES = sorted(PACKAGE.rglob("*.py"))
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, BUILD = SETTINGS["project"], SETTINGS["tool"]["hatch"]

COMPARE = "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt . && .venv/bin/jaxgen compare --data two_moons"
TEST = 'python3 -m venv .venv && .venv/bin/pip install -c constraints.txt ".[test]" && .venv/bin/python -m pytest -n 2'


def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def parametrize_modules(test):
    return pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())(test)


def public_functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def test_version_is_the_installed_one():
    try:
        installed = importlib.metadata.version("jaxgen")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("jaxgen is run from its checkout and not installed")
    assert installed == jaxgen.__version__


def test_types_are_advertised():
    assert (PACKAGE / "py.typed").is_file()


@parametrize_modules
def test_module_opens_with_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(source(path))), f"{path} has no docstring"


@parametrize_modules
def test_file_can_be_read_in_one_sitting(path):
    assert len(source(path).splitlines()) <= 400


@parametrize_modules
def test_public_functions_are_annotated_in_full(path):
    for function in public_functions(ast.parse(source(path))):
        named = function.args
        arguments = [*named.posonlyargs, *named.args, *named.kwonlyargs, *filter(None, [named.vararg, named.kwarg])]
        bare = [argument.arg for argument in arguments if argument.annotation is None]
        assert not bare, f"{function.name} at line {function.lineno}: no annotation for {bare}"
        assert function.returns is not None, f"{function.name} at line {function.lineno}: no return type"


@parametrize_modules
def test_data_never_becomes_code(path):
    for node in ast.walk(ast.parse(source(path))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name.split(".")[0] for alias in node.names} | {(getattr(node, "module", None) or "").split(".")[0]}
            assert not names & {"pickle", "cloudpickle", "dill", "marshal", "shelve"}, f"line {node.lineno}"
        if isinstance(node, ast.Call):
            assert not (isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}), f"line {node.lineno}"
            assert not any(k.arg == "allow_pickle" and getattr(k.value, "value", True) for k in node.keywords), f"line {node.lineno}"


def pins() -> list[Requirement]:
    lines = source(ROOT / "constraints.txt").splitlines()
    loose = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+( *; *.+)?", line)]
    assert not loose, f"constraints.txt holds more than name==version: {loose}"
    return [Requirement(line) for line in lines]


def test_constraints_pin_each_package_once():
    names = [(canonicalize_name(pin.name), str(pin.marker)) for pin in pins()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("group", ["core", "data", "test", "docs"])
def test_constraints_cover_every_dependency(group):
    wanted = PROJECT["dependencies"] if group == "core" else PROJECT["optional-dependencies"][group]
    tested = {canonicalize_name(pin.name): pin for pin in pins()}
    for requirement in map(Requirement, wanted):
        pin = tested.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not in constraints.txt"
        version = str(pin.specifier).removeprefix("==")
        assert requirement.specifier.contains(version, prereleases=True), f"{pin} is outside {requirement}"


def test_installed_closure_is_pinned():
    """Everything that jaxgen pulls in here, directly or not, stands in constraints.txt."""
    tested = {canonicalize_name(pin.name) for pin in pins()}
    groups = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in ("data", "test", "docs"))]
    seen, queue = set(), [Requirement(line) for group in groups for line in group]
    while queue:
        requirement = queue.pop()
        node = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if node in seen:
            continue
        seen.add(node)
        try:
            lines = importlib.metadata.requires(requirement.name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        needed = [Requirement(line) for line in lines]
        queue += [r for r in needed if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in {"", *requirement.extras})]
    assert {name for name, _ in seen} <= tested


@pytest.mark.parametrize("command", [COMPARE, TEST], ids=["compare", "test"])
def test_readme_holds_the_command(command):
    assert command in [line.strip() for line in source(ROOT / "README.md").splitlines()]


def test_ci_runs_the_readme_test_command():
    _, install, test = TEST.replace(".venv", "").split(" && ")
    script = source(ROOT / ".ci" / "run")
    commands = script.replace('"$env"', "").replace('"$constraints"', "constraints.txt").splitlines()
    assert 'constraints="${CONSTRAINTS:-constraints.txt}"' in commands
    assert commands.index(install) < commands.index(test)


def workflow(name: str) -> str:
    return source(ROOT / ".github" / "workflows" / f"{name}.yml")


def test_the_workflow_runs_the_whole_check_on_every_python_that_is_allowed():
    """Text is read, because no YAML reader is a dependency."""
    text = workflow("ci")
    (versions,) = re.findall(r"python: \[(.*)\]", text)
    tried = [name.rsplit(" ", 1)[1] for name in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", name)]
    assert re.findall(r'"([\d.]+)"', versions) == ["3.11", "3.12", "3.13", "3.14"] and set(tried) <= set(
        re.findall(r'"([\d.]+)"', versions)
    )
    assert PROJECT["requires-python"] == f">={tried[0]}" and "run: .ci/run" in text and "dependencies: [pinned, newest]" in text
    *first, last = tried
    assert f"Python {', '.join(first)} or {last}" in source(ROOT / "README.md")


def test_a_release_is_built_checked_and_published_without_a_token():
    text = workflow("release")
    assert all(step in text for step in ("python -m build", "twine check --strict", "id-token: write", "gh-action-pypi-publish"))
    assert not re.search(r"secrets\.|password|api-token|https?://", text)


def test_the_metadata_lead_to_the_project():
    urls = PROJECT["urls"]
    assert set(urls) >= {"Homepage", "Documentation", "Changelog", "Issues", "Paper"}
    repository = urls["Homepage"]
    assert all(urls[name].startswith(repository) for name in ("Changelog", "Issues"))
    assert f"repo_url: {repository}\n" in source(ROOT / "mkdocs.yml") and f'repository-code: "{repository}"' in source(
        ROOT / "CITATION.cff"
    )


def test_the_page_of_a_release_has_no_relative_link():
    """The substitutions of pyproject.toml, applied to the README as the build does."""
    text = source(ROOT / "README.md")
    for rule in BUILD["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(targets) > 20 and [target for target in targets if not target.startswith("https://")] == []
    repository = PROJECT["urls"]["Homepage"].split("github.com/")[1]
    assert f"(https://raw.githubusercontent.com/{repository}/main/notebooks/picture.png)" in text


def test_what_builds_and_trains_a_model_does_not_wait_for_what_draws_or_judges_it():
    """Each of these takes a second or a tenth of one to import, in every process that only wants to build, fit and sample."""
    slow = ("scipy", "matplotlib", "sklearn", "distrax", "diffrax", "jinja2")
    code = f"import sys, jaxgen; jaxgen.fit, jaxgen.zoo.build('nsf', (2,)); print([name for name in {slow} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"
