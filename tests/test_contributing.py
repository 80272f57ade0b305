"""What CONTRIBUTING.md promises: its two walks run as they are printed, and what a contributor can forget is a red test here."""

import ast
import doctest
import importlib
import inspect
import re
import sys
import tomllib
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import bases, data, evaluation, nets, numerics, objectives, paths, training, transforms, zoo
from jaxgen.objective import Objective
from jaxgen.transform import Transform

ROOT = Path(__file__).resolve().parents[1]
CONTRACT = ROOT / "tests" / "contract"
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("CONTRIBUTING.md", "README.md", *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))))
}
CONTRIBUTING = PAGES["CONTRIBUTING.md"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# --- Docstrings of what is public ---

ROOMS = (
    jaxgen, training, zoo, data, evaluation, transforms, objectives, objectives.couplings, objectives.weights, bases, paths,
    paths.discrete, nets, numerics,
)  # fmt: skip
FACTORIES = (
    Transform,
    Objective,
    nets.Net,
    paths.Path,
    paths.discrete.DiscretePath,
    transforms.Scalar,
    objectives.couplings.Coupling,
    numerics.Solver,
)
"""What a factory returns; a base is known by its two methods."""

WITHOUT_ARGS: set[str] = set()
"""Functions of two or more parameters whose docstring has no `Args:` yet. A new one does not come here: it says what it takes."""
WITHOUT_EXAMPLE = {"bases.as_numpyro"}
"""Factories whose docstring has no `>>>` example yet. A new one does not come here either."""


def public():
    """Every public function and class of the rooms, by the name under which its own room has it."""
    named = {}
    for room in ROOMS:
        names = getattr(room, "__all__", None)
        if names is None:
            names = [name for name, value in vars(room).items() if not name.startswith("_") and _module(value) == room.__name__]
        for name in names:
            value = getattr(room, name)
            if (inspect.isfunction(value) or inspect.isclass(value)) and _module(value).split(".")[0] == "jaxgen":
                # A value of several rooms keeps the name of the last one: `jaxgen.save` and `zoo.save` are one function.
                named[id(value)] = (f"{room.__name__}.{name}".removeprefix("jaxgen."), value)
    return dict(named.values())


def _module(value):
    return getattr(value, "__module__", None) or ""


PUBLIC = public()
FUNCTIONS = {name: f for name, f in PUBLIC.items() if inspect.isfunction(f)}


def returns_what_a_factory_returns(function):
    annotation = inspect.signature(function).return_annotation
    if isinstance(annotation, str):
        return annotation.endswith("Distribution")
    is_base = hasattr(annotation, "sample") and hasattr(annotation, "log_prob")
    return is_base or (inspect.isclass(annotation) and issubclass(annotation, FACTORIES))


def test_the_walk_over_public_names_finds_them():
    factories = {name for name, f in FUNCTIONS.items() if returns_what_a_factory_returns(f)}
    few = {"transforms.coupling", "objectives.energy", "objectives.couplings.entropic", "nets.made", "paths.linear", "bases.normal"}
    assert few | {"transforms.rational_quadratic", "numerics.fixed", "bases.resampled"} <= factories and "numerics.solve" not in factories
    assert len(factories) > 150 and len(FUNCTIONS) > 250 and "zoo.save" in FUNCTIONS


def test_the_first_line_is_one_sentence():
    """Rule 1: it ends with a full stop, and a blank line or nothing follows it."""
    lines = {name: (value.__doc__ or "").split("\n") for name, value in PUBLIC.items()}
    assert [name for name, (first, *rest) in lines.items() if not first.endswith(".") or (rest and rest[0].strip())] == []


def test_every_function_of_two_parameters_says_what_they_are():
    """Rule 3. If a name stands in `WITHOUT_ARGS` only, its docstring has been mended: take the name off the list."""
    lacking = {n for n, f in FUNCTIONS.items() if len(inspect.signature(f).parameters) > 1 and "Args:" not in (f.__doc__ or "")}
    assert lacking == WITHOUT_ARGS, {"write Args: for": lacking - WITHOUT_ARGS, "take off the list": WITHOUT_ARGS - lacking}


def test_every_factory_shows_an_example():
    """Rule 6. If a name stands in `WITHOUT_EXAMPLE` only, its docstring has been mended: take the name off the list."""
    lacking = {n for n, f in FUNCTIONS.items() if returns_what_a_factory_returns(f) and ">>>" not in (f.__doc__ or "")}
    assert lacking == WITHOUT_EXAMPLE, {"write >>> for": lacking - WITHOUT_EXAMPLE, "take off the list": WITHOUT_EXAMPLE - lacking}


# --- The registries of the laws ---

OBJECTIVES_ELSEWHERE = {
    "any_order_bound": "tests/objectives/test_discrete.py",
    "any_subset": "tests/objectives/test_any_subset.py",
    "discrete_bound": "tests/objectives/test_discrete.py",
    "discrete_flow_matching": "tests/objectives/test_discrete.py",
    "score_entropy": "tests/objectives/test_discrete.py",
    "data_initialised": "tests/objectives/test_data_initialised.py",
    "dropout": "tests/objectives/test_dropout.py",
    "distillation": "tests/objectives/test_few_steps.py",
    "latent_prior": "tests/objectives/test_latent_prior.py",
    "without_condition": "tests/objectives/test_without_condition.py",
}
"""Objectives that wrap another objective or need more than a batch of Gaussian rows, each with the file of its own laws."""


def names_in(*files):
    """Every name and attribute that the code of the files uses; comments and strings do not count."""
    trees = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    return {n.attr for n in trees if isinstance(n, ast.Attribute)} | {n.id for n in trees if isinstance(n, ast.Name)}


def test_every_transform_has_a_case_of_the_contract():
    used = names_in(*CONTRACT.glob("case*.py"), CONTRACT / "combinator_cases.py")
    kinds = (Transform, transforms.Scalar)
    factories = [name for name in transforms.__all__ if inspect.isfunction(getattr(transforms, name))]
    wanted = [name for name in factories if inspect.signature(getattr(transforms, name)).return_annotation in kinds]
    assert len(wanted) > 70 and sorted(set(wanted) - used) == []


def test_every_objective_has_a_pairing_of_the_contract_or_a_file_of_laws():
    used = names_in(CONTRACT / "objective_cases.py")
    factories = [name for name in objectives.__all__ if inspect.isfunction(getattr(objectives, name))]
    wanted = {name for name in factories if inspect.signature(getattr(objectives, name)).return_annotation is Objective}
    assert wanted - used == set(OBJECTIVES_ELSEWHERE)
    for name, file in OBJECTIVES_ELSEWHERE.items():
        assert name in names_in(ROOT / file)


def entries():
    return [(name, (2,)) for name in (*zoo.NAMES, *zoo.DISCRETE)] + [(name, (4, 4, 1)) for name in zoo.IMAGES]


@pytest.mark.parametrize(("name", "event"), entries(), ids=lambda value: value if isinstance(value, str) else str(len(value)))
def test_every_entry_declares_small_sizes(name, event):
    """Of each option that makes an entry large, the small size is at most eight, and sixteen of a width, which is what the suite can afford."""
    small, options = zoo.small(name, event), zoo.describe(name, event)
    limits = {"width": 16, "depth": 2, "num_layers": 2, "num_steps": 4, "num_bins": 8, "num_components": 3, "latent_dim": 3, "levels": 2}
    sizes = {**options, **small}
    too_large = {option: sizes[option] for option, most in limits.items() if isinstance(sizes.get(option), int) and sizes[option] > most}
    assert too_large == {}


# --- The page itself ---


def blocks(heading):
    """The fenced blocks of the section of CONTRIBUTING.md under this heading."""
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", CONTRIBUTING, re.DOTALL | re.MULTILINE)
    assert section, f"CONTRIBUTING.md has no section {heading!r}"
    return re.findall(r"```\w*\n(.*?)```", section.group(1), re.DOTALL), section.group(1)


def run_as_module(name, source, monkeypatch):
    """The module whose file would hold this source; its examples are run as the suite runs those of the package."""
    module = types.ModuleType(name, ast.get_docstring(ast.parse(source)))
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source, f"<CONTRIBUTING.md: {name}>", "exec"), vars(module))
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    runner = doctest.DocTestRunner(optionflags=flags)
    for test in doctest.DocTestFinder().find(module, globs=vars(module).copy()):
        runner.run(test)
    return module, runner


def test_a_new_transform_is_walked_through_three_places(monkeypatch):
    """The file, the line and the case as they are printed: the examples hold, and the new case obeys the laws of the contract."""
    (file, line, case), section = blocks("Add a transform")
    assert len(re.findall(r"^\d\. ", section, re.MULTILINE)) == 3
    module, runner = run_as_module("jaxgen.transforms.sinh_arcsinh", file, monkeypatch)
    assert runner.summarize(verbose=False).attempted >= 3 and runner.failures == 0
    names: dict = {}
    exec(line, names)
    assert names["sinh_arcsinh"] is module.sinh_arcsinh

    monkeypatch.syspath_prepend(str(CONTRACT))
    laws, outputs = (importlib.import_module(name) for name in ("test_transforms", "transform_outputs"))
    cases = importlib.import_module("case")
    monkeypatch.setattr(transforms, "sinh_arcsinh", module.sinh_arcsinh, raising=False)
    exec(f"new = {{{case}}}", scope := {**vars(cases), "T": transforms})
    new: dict = scope["new"]
    (name,) = new
    monkeypatch.setitem(outputs.CASES, name, new[name])
    laws.test_forward_log_det_is_that_of_the_jacobian(name)
    laws.test_inverse_log_det_is_that_of_its_own_jacobian(name)
    laws.test_inverse_undoes_forward(name)
    laws.test_values_and_gradients_are_finite_far_outside_the_interval(name)

    # And the law is red if the new file forgets a factor.
    wrong = file.replace('params["log_tail"] + ', "", 1)
    assert wrong != file
    broken = types.ModuleType("broken")
    exec(wrong, vars(broken))
    monkeypatch.setattr(transforms, "sinh_arcsinh", broken.sinh_arcsinh)
    monkeypatch.setitem(outputs.CASES, "broken", new[name])
    with pytest.raises(AssertionError):
        laws.test_forward_log_det_is_that_of_the_jacobian("broken")


def test_a_new_entry_is_walked_through_three_places(monkeypatch):
    """The file is run as it is printed: the entry is registered, builds at its small sizes, trains and has a density; then it is forgotten."""
    (file, line), section = blocks("Add an entry")
    assert len(re.findall(r"^\d\. ", section, re.MULTILINE)) == 3
    transform = run_as_module("jaxgen.transforms.sinh_arcsinh", blocks("Add a transform")[0][0], monkeypatch)[0]
    monkeypatch.setattr(transforms, "sinh_arcsinh", transform.sinh_arcsinh, raising=False)
    monkeypatch.syspath_prepend(str(CONTRACT))
    laws, before = importlib.import_module("test_zoo"), set(zoo.NAMES)
    try:
        run_as_module("jaxgen.zoo.skewed", file, monkeypatch)
        (name,) = set(zoo.NAMES) - before
        laws.test_a_thousand_coordinates_with_the_defaults(name)
        laws.test_every_size_with_and_without_a_condition(name, 1, 3)
        laws.test_every_size_with_and_without_a_condition(name, 17, None)
        assert abs(zoo.num_sampling_params(zoo.build(name, (2,), num_params=25_000).model) - 25_000) < 2_500
        entry = zoo.build(name, (2,), **zoo.small(name, (2,)))
        assert set(zoo.small(name, (2,))) == {"width", "depth", "num_layers"}
        x = np.random.default_rng(0).standard_normal((32, 2)).astype(np.float32)
        fitted = jaxgen.fit(jax.random.key(0), entry, x, 2, batch_size=8, progress=False)
        value = jaxgen.log_prob(entry.model, fitted.params, x)
        assert jnp.isfinite(value.value).all() and value.density is jaxgen.Density.EXACT
    finally:
        for name in set(zoo.NAMES) - before:
            zoo.forget(name)
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    assert cells[0] == f"`{name}`" and cells[1] == entry.card.family and cells[3] == entry.card.objective and cells[4] == "exact"


def test_the_commands_are_those_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line for line in CONTRIBUTING.splitlines() if line.startswith("python3 -m venv")]
    assert commands and all(command in readme for command in commands)


def test_there_are_ten_rules_of_plain_english():
    _, section = blocks("Ten rules of plain English")
    assert [int(n) for n in re.findall(r"^(\d+)\. ", section, re.MULTILINE)] == list(range(1, 11))
    assert section.count("Before: ") == section.count("After: ") >= 3


def test_every_hook_of_pre_commit_is_local_and_installed():
    """The file is read line by line, because no YAML reader is a dependency; a hook that downloads would say where from."""
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"^\s*- repo: (.*)$", text, re.MULTILINE) == ["local"]
    ids, languages, commands = (re.findall(rf"^\s*(?:- )?{key}: (.*)$", text, re.MULTILINE) for key in ("id", "language", "entry"))
    assert ids == ["ruff-check", "ruff-format", "lint-imports", "basedpyright"] and set(languages) == {"system"}
    tools = {command.split()[0] for command in commands}
    assert len(commands) == 4 and tools <= {re.split(r"[<>=\[]", line)[0].replace("import-linter", "lint-imports") for line in TEST_EXTRA}


TEST_EXTRA = PROJECT["project"]["optional-dependencies"]["test"]


# --- Both pages against the code ---

WALKED = ("jaxgen/transforms/sinh_arcsinh.py", "jaxgen/zoo/skewed.py")
"""Files that CONTRIBUTING.md adds as examples."""


@pytest.mark.parametrize("page", PAGES)
def test_every_path_and_link_of_a_page_exists(page):
    text = PAGES[page]
    named = re.findall(r"`((?:jaxgen|tests|docs|benchmarks|notebooks)/[\w./-]*)`", text)
    links = [(ROOT / page).parent / link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert (named and links) or page not in ("CONTRIBUTING.md", "docs/explanation/architecture.md")
    assert [path for path in named if path not in WALKED and not (ROOT / path).exists()] == []
    assert [link for link in links if not link.exists()] == []
    assert not any((ROOT / path).exists() for path in WALKED)


@pytest.mark.parametrize("page", PAGES)
def test_every_dotted_name_of_a_page_is_in_the_package(page):
    for dotted in sorted(set(re.findall(r"`(jaxgen(?:\.\w+)+)", PAGES[page]))):
        if dotted.endswith(".py"):
            continue
        value, name = jaxgen, "jaxgen"
        for part in dotted.split(".")[1:]:
            name = f"{name}.{part}"
            value = getattr(value, part) if hasattr(value, part) else importlib.import_module(name)
        assert value is not None, dotted


def test_the_picture_of_the_rooms_is_the_order_of_imports():
    """The boxes of the drawing, from top to bottom, are the layers that the import-linter holds, and each has a sentence below it."""
    layers = next(c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers")["layers"]
    order = [room.strip() for layer in layers for room in layer.split(":")]
    page = PAGES["docs/explanation/architecture.md"]
    (drawing,) = re.findall(r"```mermaid\n(.*?)```", page, re.DOTALL)
    assert re.findall(r"^\s*(\w+)\[", drawing, re.MULTILINE) == order
    arrows = re.findall(r"^\s*(\w+) --> (\w+)$", drawing, re.MULTILINE)
    groups = re.findall(r"^\s*subgraph (\w+)", drawing, re.MULTILINE)
    assert arrows == list(zip(groups, groups[1:], strict=False))
    rows = re.findall(r"^\| `(\w+)(?:/|\.py)` \| (.*) \|$", page, re.MULTILINE)
    assert [name for name, _ in rows] == order and all(sentence.endswith(".") for _, sentence in rows)


def test_both_pages_and_the_others_go_into_the_source_distribution():
    include = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    for name in ("docs", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", ".pre-commit-config.yaml"):
        assert f"/{name}" in include and (ROOT / name).exists()
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", *(page for page in PAGES if page.endswith("/index.md"))):
        assert f"]({name})" in PAGES["README.md"]
    for name in (page for page in PAGES if page.startswith("docs/") and not page.startswith("docs/reference/api/")):
        folder, file = name.rsplit("/", 1)
        assert file == "index.md" or f"]({file})" in PAGES[f"{folder}/index.md"]


def test_the_citation_names_this_version_and_licence():
    fields = dict(re.findall(r"^(\S[\w-]*): (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE))
    assert fields["version"].strip('"') == jaxgen.__version__ and fields["license"] == PROJECT["project"]["license"]
    assert fields["title"] == "jaxgen"
