"""Every example runs, in a folder of its own, and leaves nothing beside itself."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(tmp_path, path):
    if "import torch" in path.read_text(encoding="utf-8") and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, path], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout, done.stderr[-2000:]


@pytest.mark.slow
def test_the_tour_runs(tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    notebook = nbformat.read(ROOT / "examples" / "tour.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not kept"
    os.environ["PYTHONPATH"] = str(ROOT)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert any(cell.get("outputs") for cell in notebook.cells)


def test_every_example_is_named_in_its_readme_and_says_what_it_shows():
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert len(EXAMPLES) >= 7
    for path in EXAMPLES:
        assert f"`{path.name}`" in page and path.read_text(encoding="utf-8").startswith('"""')
    assert "`tour.ipynb`" in page
