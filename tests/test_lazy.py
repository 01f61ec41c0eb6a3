"""The lists of schedules, planners and targets: every name once, found in its file, without JAX until it is used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import jdlm
from jdlm import planners, schedules, targets

PACKAGES = pytest.mark.parametrize("package", [planners, schedules, targets], ids=lambda package: package.__name__)
ROOT = Path(jdlm.__file__).parent.parent


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


def for_type_checkers(package):
    """Public name -> file, as the imports say that only type checkers see."""
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return {alias.name: line.module for line in block.body for alias in line.names}


@PACKAGES
def test_type_checkers_and_python_see_the_same_names(package):
    seen = for_type_checkers(package)
    assert {name: f"{package.__name__}.{file}" for name, file in package._files.items()} == seen
    assert len(package.__all__) == len(set(package.__all__))
    assert set(seen) <= set(package.__all__) <= set(dir(package))
    for name, module in seen.items():
        assert getattr(package, name) is getattr(importlib.import_module(module), name)


@PACKAGES
def test_unknown_names_are_refused_and_files_are_found(package):
    for name in ("nonsense", "_nonsense", "__wrapped__"):
        with pytest.raises(AttributeError, match=f"'{package.__name__}' has no attribute '{name}'"):
            getattr(package, name)


def test_lists_are_read_without_jax():
    code = "import sys; from jdlm import planners, schedules, targets; dir(targets), targets.KINDS, schedules.WORDS"
    done = run(f"{code}; print({{'jax', 'numpy', 'scipy'}} & set(sys.modules)); print('uniform' in dir(schedules))")
    assert done.stdout == "set()\nTrue\n", done.stderr


def test_a_name_is_the_builder_even_after_its_file_of_the_same_name_is_imported():
    code = "import jdlm.targets.markov, jdlm.schedules.minimax.minimax; from jdlm.targets.markov import Markov\n"
    code += "from jdlm import schedules, targets; from jdlm.targets import markov\n"
    code += "print(markov.__name__, targets.markov is markov, schedules.minimax.__name__, schedules.thinning.__name__)"
    done = run(code)
    assert done.stdout == "markov True minimax jdlm.schedules.thinning\n", done.stderr


def test_an_error_in_a_file_is_not_a_missing_name(tmp_path, monkeypatch):
    folder = tmp_path / "toy_of_lazy"
    folder.mkdir()
    (folder / "__init__.py").write_text("from jdlm import lazy\nlazy.attach(__name__, ['a.one', 'b.two'])\n")
    (folder / "a.py").write_text("import no_such_module\none = 1\n")
    (folder / "b.py").write_text("two = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    toy = importlib.import_module("toy_of_lazy")
    assert toy.two == 2 and toy.b.two == 2
    for name in ("one", "a"):
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            getattr(toy, name)
