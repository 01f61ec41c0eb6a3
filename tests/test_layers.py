"""The plan of the house: imports point one way, every public name is reachable, files and functions stay small."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import jdlm
from jdlm.study.studies import STUDIES

ROOT = Path(jdlm.__file__).parent
# From the ground up; a module imports from its own layer and from those below it. Inside of functions, too.
LAYERS = [
    {"curves", "errors", "files", "keys", "lazy", "pytrees", "records", "words"},
    {"targets", "devices"},
    {"predictor", "planners", "schedules"},
    {"config"},
    {"sampling"},
    {"measure"},
    {"training"},
    {"study"},
    {"cli"},
]
# Library files whose tests stand elsewhere, and where.
ELSEWHERE = {
    "cli/cache": "cli/test_commands",
    "cli/cells": "cli/test_interrupted",
    "cli/cores": "test_devices",
    "cli/drawing": "cli/test_sweep",
    "cli/doctor": "test_environments",
    "cli/escape": "cli/test_tokens",
    "cli/figures": "cli/test_sweep",
    "cli/hosts": "test_devices",
    "cli/interrupt": "cli/test_sweep",
    "cli/offers": "cli/test_recommend",
    "cli/options": "cli/test_commands",
    "cli/output": "cli/test_tokens",
    "cli/resource": "cli/test_commands",
    "cli/streams": "test_environments",
    "cli/table": "cli/test_report",
    "cli/watch": "cli/test_report",
    "cli/summary": "cli/test_sweep",
    "cli/unfinished": "cli/test_interrupted",
    "cli/recorder": "cli/test_commands",
    "cli/train": "cli/test_commands",
    "cli/verify": "cli/test_study",
    "sampling/_rounds": "sampling/test_speculation",
    "study/batches": "study/test_making",
    "study/manifests": "study/test_runs",
    "training/layers": "training/test_network",
    "study/figures/strokes": "study/figures/test_adaptation",
}
LEVEL = {name: number for number, names in enumerate(LAYERS) for name in names}
PUBLIC = (
    "targets schedules planners predictor sampling curves exact audit evaluate advice network training devices requests"
)


def modules():
    """Dotted name and syntax tree of every file of the package."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), ast.parse(path.read_text(encoding="utf-8"))


MODULES = dict(modules())


def imports(tree):
    """Full names of all modules of jdlm that a file imports, wherever the statement stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "jdlm")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module and node.module.split(".")[0] == "jdlm":
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    yield full if full in MODULES else node.module


def room(module):
    """The layer's name of a module: its first part below jdlm."""
    return module.split(".")[1] if "." in module else ""


def test_imports_point_down():
    wrong = [
        f"{module} imports {other}"
        for module, tree in MODULES.items()
        if room(module)
        for other in imports(tree)
        if room(other) and LEVEL[room(other)] > LEVEL[room(module)]
    ]
    assert not wrong, wrong


def test_no_circle():
    """Depth-first through all imports, those inside of functions, too."""
    graph = {module: {other for other in imports(tree) if other in MODULES} for module, tree in MODULES.items()}
    done, trail = set(), []

    def visit(module):
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module in done:
            return
        trail.append(module)
        for other in graph[module] - {module}:
            if not (module.startswith(other + ".") or other == "jdlm"):  # a package's own __init__ is not a use of it
                visit(other)
        trail.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_training_and_what_it_measures_with_know_no_sampler():
    """By their imports and those of what they import, packages' own __init__ left out."""
    files = [module for module in MODULES if room(module) == "training"]
    files += [f"jdlm.measure.{name}" for name in ("estimate", "learned_curve", "sequences")]
    assert set(files) <= set(MODULES)
    seen, left = set(), list(files)
    while left:
        module = left.pop()
        if module not in seen:
            seen.add(module)
            left.extend(other for other in imports(MODULES[module]) if other in MODULES)
    assert not {module for module in seen if room(module) in ("sampling", "planners")}


def test_every_room_has_its_layer():
    assert {room(module) for module in MODULES if room(module)} == set(LEVEL)


@pytest.mark.parametrize("name", PUBLIC.split())
def test_the_lines_that_users_write(name):
    module = getattr(importlib.import_module("jdlm"), name)
    assert module.__name__.startswith("jdlm.") and module.__doc__


def test_every_public_module_is_shown_without_importing_jax():
    names = set(jdlm.__all__) - {"__version__"}
    assert set(PUBLIC.split()) <= names <= set(dir(jdlm))
    for name in names:
        module = getattr(jdlm, name)
        assert (
            set(module.__all__) <= set(dir(module)) | {m.name for m in pkgutil.iter_modules(module.__path__)}
            if (hasattr(module, "__path__"))
            else set(module.__all__) <= set(dir(module))
        ), name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = jdlm.nonsense
    code = "import sys, jdlm, jdlm.cli, jdlm.config; dir(jdlm); print({'jax', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_are_small(module):
    tree = MODULES[module]
    assert max((getattr(node, "end_lineno", 0) for node in tree.body), default=0) <= 300
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(getattr(first, "value", None), ast.Constant)
            lines = node.end_lineno - node.lineno + 1
            lines -= (first.end_lineno - first.lineno + 1) if documented else 0
            assert lines <= 60, f"{node.name} has {lines} lines of code"


FILES = [path.relative_to(ROOT).with_suffix("") for path in sorted(ROOT.rglob("*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_file_has_its_mirror(file):
    """tests/<package>/test_<file>.py, without the underscore of an engine room; it holds at least one test.

    A schedule, target or planner may do with its line in the registry, whose checks are those of its whole family. All
    files of a study, its figures too, may share one.
    """
    tests, other = Path(__file__).parent, ELSEWHERE.get(file.as_posix())
    mirror = tests / file.parent / f"test_{file.name.lstrip('_')}.py"
    if file.parent.as_posix() in ("study/studies", "study/figures") and not mirror.exists():
        for name in STUDIES:
            if file.name.startswith(name.replace("-", "_")):
                mirror = tests / "study" / "studies" / f"test_{name.replace('-', '_')}.py"
    if file.parts[0] in ("schedules", "targets", "planners") and len(file.parts) == 2 and not mirror.exists():
        registry = (tests / file.parent / "family.py").read_text(encoding="utf-8")
        functions = [node.name for node in MODULES[f"jdlm.{file.parts[0]}.{file.stem}"].body if hasattr(node, "name")]
        assert any(f".{name}" in registry for name in functions), f"{mirror} and a line in the registry are missing"
        return
    assert mirror.exists() != (other is not None), f"{mirror} is missing, or the exception is no longer one"
    source = (mirror if other is None else tests / f"{other}.py").read_text(encoding="utf-8")
    assert any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in ast.parse(source).body)


def test_what_is_said_to_be_slow_is_there():
    """Each line of slow.txt names a function of a test file."""
    tests = Path(__file__).parent
    for line in (tests / "slow.txt").read_text().splitlines():
        if not line.startswith("#"):
            file, _, name = line.partition("::")
            source = (tests.parent / file).read_text(encoding="utf-8")
            assert f"def {name.partition('[')[0]}" in source, line
