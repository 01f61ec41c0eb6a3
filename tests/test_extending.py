"""What docs/extending.md says about adding something is done, in a copy of the project, exactly as the page says."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jdlm

ROOT = Path(jdlm.__file__).parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = {title.split()[-1]: text for title, text in re.findall(r"^## (.+?)\n(.+?)(?=^## |\Z)", PAGE, re.M | re.S)}
KINDS = ("schedule", "planner", "target", "figure", "metric", "preset", "study", "command")
EXAMPLES = {"schedule": "halving", "planner": "right_to_left", "target": "staircase"}


def touched(kind):
    """The files of a section, as its second line has them."""
    (listed,) = re.findall(r"^Touches: (.+?)\n\n", SECTIONS[kind], re.M | re.S)
    return re.findall(r"`([\w/.-]+\.(?:py|toml|md))`", listed)


def examples(kind):
    """File and text of each block of code in a section."""
    return re.findall(r"^```(?:python|toml)\n# (\S+)\n(.+?)^```$", SECTIONS[kind], re.M | re.S)


def insert(text, example):
    """``text`` with what an example adds: below the line before each ``...``, or above the last line if it is first."""
    if example.startswith("...\n"):
        *new, last = example[4:].rstrip().splitlines()
        assert text.count(f"\n{last}\n") == 1, last
        return text.replace(f"\n{last}\n", "\n" + "\n".join([*new, last]) + "\n")
    pieces = re.findall(r"^(.*\S)\n *\.\.\.\n((?: .*\n)+)", example, re.M)
    assert len(pieces) == example.count("...\n") > 0
    for line, new in pieces:
        text = text.replace(f"\n{line}}}\n", f"\n{line}\n}}\n")  # a table that is still empty has one line
        assert text.count(f"\n{line}\n") == 1, line
        text = text.replace(f"\n{line}\n", f"\n{line}\n{new}")
    return text


def apply(kind, folder):
    """Writes the new files of a section's examples and extends the others."""
    for name, example in examples(kind):
        path = folder / name
        if "...\n" not in example:
            path.write_text(example, encoding="utf-8")
            continue
        text = path.read_text(encoding="utf-8")
        for part in re.split(r"^(?=\.\.\.$)", example, flags=re.M):
            text = insert(text, part) if "...\n" in part else text
        path.write_text(text, encoding="utf-8")


def run(folder, *command):
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project with all examples of the page."""
    folder = tmp_path_factory.mktemp("extended")
    for name in ("jdlm", "tests", "configs"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("pyproject.toml", "sample.py"):
        shutil.copy(ROOT / name, folder / name)
    for kind in KINDS[:-1]:
        apply(kind, folder)
    return folder


def test_the_page_has_a_section_for_each_kind():
    assert tuple(SECTIONS) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_that_a_section_lists(kind):
    """Those of the examples, or files that exist, or new ones in a folder that exists or that they make."""
    files = touched(kind)
    if kind in EXAMPLES:
        assert files == list(dict.fromkeys(name for name, _ in examples(kind)))
        assert [(ROOT / name).exists() for name in files] == [False, True, True]
    else:
        assert {name for name, _ in examples(kind)} <= set(files)
    for name in files:
        assert (ROOT / name).parents[1].is_dir(), name


def test_every_metric_is_in_the_table_of_theory():
    """The first argument of `row` in `parts.py`; of an f-string, what it begins with."""
    table = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8").split("| metric |")[1].split("\n\n")[0]
    names = re.findall(r"`([a-z_.]+)`", table)
    stems = tuple(name[:-3] for name in names if name.endswith("..."))
    tree = ast.parse((ROOT / "jdlm" / "study" / "parts.py").read_text(encoding="utf-8"))
    calls = [call for call in ast.walk(tree) if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".row")]
    texts = [ast.unparse(call.args[0]) for call in calls]  # a name or an f-string
    metrics = [re.split("['{]", text)[1] for text in texts if "'" in text]
    assert len(metrics) > 20
    missing = [each for each in metrics if not each.startswith(stems) and not any(n.startswith(each) for n in names)]
    assert not missing, f"docs/theory.md does not say what {missing[0]} means"


def test_what_was_added_is_known_everywhere(copy):
    code = """
        import sys
        from pathlib import Path
        from jdlm.config import PLANNERS, SCHEDULES, TARGETS, presets
        from jdlm.study import studies
        Path("jdlm/study/studies/coin.py").write_text("STUDY = 'a study'")
        config = presets.load("staircase")
        assert config.target.kind == "staircase" and {"halving"} < set(SCHEDULES) and {"right_to_left"} < set(PLANNERS)
        assert studies.STUDIES["coin"].minutes == 1 and studies.load("coin") == "a study"
        assert not {"jax", "numpy"} & set(sys.modules)
        from jdlm import planners, schedules, targets
        from jdlm.config import build_planner, build_schedule
        from jdlm.study import figures, parts
        from jdlm.study.cells import Origin
        assert build_schedule("halving", 16, 4).law().sizes.tolist() == [[8, 4, 2, 2]]
        assert build_planner("right_to_left") == planners.right_to_left()
        assert config.target.build().entropy_curve().sum() == targets.staircase(5, 4).entropy_curve()[0]
        assert figures.FIGURES["nothing"]([]) is None
        rows = list(parts.of_schedule(Origin("any", 0, schedule=schedules.halving(16, 4)), None))
        assert {row.metric: row.value for row in rows}["largest_exposure"] == 8.0
        try:
            build_schedule("halvin", 16, 4)
        except ValueError as error:
            print(error)
    """
    done = run(copy, "-c", "\n".join(line[8:] for line in code.splitlines()))
    assert done.stdout == "unknown schedule 'halvin'; the nearest valid one is 'halving'\n", done.stderr


def test_the_help_shows_it_without_jax(copy):
    code = "import sys; sys.argv[1:] = ['staircase', '--help']; from jdlm.cli import run_sample\n"
    code += "try:\n    run_sample(sys.argv[1:])\nfinally:\n    assert not {'jax', 'numpy'} & set(sys.modules)"
    done = run(copy, "-c", code)
    shown = " ".join(re.sub("[│|]", " ", done.stdout).split())
    assert done.returncode == 0, done.stderr
    assert "- halving: half of what is left in each step" in shown and "- right_to_left: the rightmost ones" in shown
    assert "Staircase from a random first token." in shown and "--target.vocab" in shown


def test_a_command_is_run_and_listed(copy):
    apply("command", copy)
    assert run(copy, "sample.py", "hello", "--name", "you").stdout == "hello, you\n"
    listed = run(copy, "sample.py", "--help").stdout
    assert "Say hello." in listed and "hello" in listed


def test_what_was_added_passes_the_quick_common_checks(copy):
    quick = "(halving and (derived or calls)) or (right_to_left and (frozen or fixed_order)) or (staircase and float)"
    files = [f"tests/{family}/test_family.py" for family in ("schedules", "planners", "targets")]
    files += ["tests/test_words.py", "tests/test_lazy.py", "tests/targets/test_config.py", "tests/test_layers.py"]
    done = run(copy, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-k", quick, *files)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:]


@pytest.mark.slow
def test_what_was_added_passes_all_common_checks_and_a_sweep(copy):
    files = [f"tests/{family}/test_family.py" for family in ("schedules", "planners", "targets")]
    files += [f"jdlm/{family}" for family in ("schedules", "planners", "targets")]
    files += ["tests/config", "tests/schedules/test_names.py", "tests/targets/test_config.py", "tests/test_words.py"]
    files += ["tests/test_lazy.py", "tests/test_layers.py"]
    files += ["tests/study/figures/test_look.py::test_colours_of_all_schedules_can_be_told_apart"]
    done = run(copy, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *files)
    assert done.returncode == 0, done.stdout[-3000:]
    done = run(copy, "sample.py", "staircase")
    assert done.returncode == 0 and "halving" in done.stdout, done.stderr


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed")
def test_the_examples_are_written_as_the_project_is(copy):
    """Sorted and formatted by ruff as the page says, nothing is left to mend."""
    ruff = [sys.executable, "-m", "ruff"]
    files = [str(copy / name) for kind in EXAMPLES for name in touched(kind)]
    for command in (["check", "--fix"], ["format"], ["check"], ["format", "--check"]):
        done = subprocess.run([*ruff, *command, "--no-cache", *files], cwd=copy, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    for kind in EXAMPLES:
        path = copy / touched(kind)[0]
        ((_, example),) = [pair for pair in examples(kind) if pair[0] == touched(kind)[0]]
        assert path.read_text(encoding="utf-8") == example
