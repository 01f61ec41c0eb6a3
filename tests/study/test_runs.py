import json
import subprocess

import pytest

from jdlm.config import Config, MixtureConfig, SweepConfig
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.study import runs

MIXTURE = MixtureConfig(length=8, weights=(0.5, 0.5), marginals=((0.9, 0.1), (0.2, 0.8)))
CONFIG = Config("mine", MIXTURE, NetworkConfig(), TrainingConfig(), SweepConfig(num_steps=(2, 4)))


def make(root, name, started):
    with runs.draft(root, name) as draft:
        runs.write_config(draft.folder, CONFIG)
        runs.write_manifest(draft.folder, {"schema": 1, "started": started})
        return draft.publish()


def test_a_run_appears_only_when_published(tmp_path):
    root = tmp_path / "a" / "runs"
    with runs.draft(root, "mine") as draft:
        runs.write_manifest(draft.folder, {"schema": 1})
        assert runs.newest(root) is None and not (root / "mine").exists()
        assert draft.publish() == root / "mine" == draft.folder == draft.publish()
        assert [entry.name for entry in root.iterdir()] == ["mine"]
    assert runs.find("mine", root) == root / "mine" == runs.find(str(root / "mine"), "elsewhere")


def test_a_failed_draft_leaves_no_trace(tmp_path):
    with pytest.raises(KeyboardInterrupt), runs.draft(tmp_path / "a" / "runs", "mine") as draft:
        runs.write_config(draft.folder, CONFIG)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_taken_names_get_a_number_or_are_refused(tmp_path):
    assert [make(tmp_path, "mine", "1").name for _ in range(3)] == ["mine", "mine-2", "mine-3"]
    with pytest.raises(ValueError, match="mine exists; choose another"), runs.draft(tmp_path, "mine", exact=True):
        pass
    with pytest.raises(ValueError, match="mine-4 exists"), runs.draft(tmp_path, "mine-4", exact=True) as draft:
        make(tmp_path, "mine-4", "2")  # somebody else was faster
        draft.publish()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "-x"])
def test_names_that_are_no_folder(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be the name of a run"), runs.draft(tmp_path / "runs", name):
        pass
    assert list(tmp_path.iterdir()) == []


def test_newest_goes_by_the_manifest_and_skips_what_is_no_run(tmp_path):
    assert runs.newest(tmp_path) is None
    make(tmp_path, "later", "2026-02-01")
    make(tmp_path, "zero", "2026-01-01")  # neither the last name nor the last that was made
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / runs.MANIFEST).write_text("{")
    assert runs.newest(tmp_path) == tmp_path / "later"
    assert runs.find("empty", tmp_path) is None


def test_config_and_manifest_read_back(tmp_path):
    folder = make(tmp_path, "mine", "x")
    assert runs.read_config(folder) == CONFIG
    assert runs.read_manifest(folder)["started"] == "x"
    runs.write_manifest(folder, {"schema": 2})
    with pytest.raises(ValueError, match="schema 2; this version of jdlm reads 1"):
        runs.read_manifest(folder)
    (folder / runs.MANIFEST).write_text("[]")
    with pytest.raises(ValueError, match="missing or damaged"):
        runs.read_manifest(folder)
    (folder / runs.CONFIG).unlink()
    with pytest.raises(ValueError, match="it is not a whole run folder"):
        runs.read_config(folder)


def test_missing_names_the_nearest_run_or_preset(tmp_path):
    make(tmp_path, "mine", "x")
    assert "'mine'" in str(runs.missing("mne", tmp_path))
    assert "'reed-solomon'" in str(runs.missing("reed-solomn", tmp_path))


def test_the_manifest_says_what_is_needed_to_repeat_the_run():
    manifest = runs.new_manifest(CONFIG, ["train.py", "mine"])
    assert manifest == json.loads(json.dumps(manifest))
    assert manifest["seeds"] == {"sweep": 0, "training": 0} and manifest["precision"] == "float32"
    assert set(manifest["versions"]) >= {"jdlm", "python", "jax", "flax", "numpy"}
    assert manifest["device"]["count"] >= 1 and manifest["finished"] is None
    assert runs.now() >= manifest["started"]


def test_git_commit_is_that_of_the_package_or_none(monkeypatch):
    commit = runs.git_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 40

    def without_git(*args, **options):
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", without_git)
    assert runs.git_commit() is None
