"""Studies by their names: what is listed is there, and nothing is imported before it is asked for."""

import dataclasses
import subprocess
import sys

import pytest

from jdlm.study import studies
from jdlm.study.studies.study import Study


def test_a_name_that_is_not_there_is_refused_with_the_nearest(monkeypatch):
    monkeypatch.setitem(studies.STUDIES, "codes", studies.Entry("a question", 1, 0.1))
    with pytest.raises(ValueError, match=r"^no study 'code'; the nearest valid one is 'codes'"):
        studies.load("code")


@pytest.mark.parametrize("name", studies.STUDIES)
def test_what_is_listed_can_be_loaded_under_its_name(name):
    study = studies.load(name)
    assert isinstance(study, Study) and study.name == name and study.figures
    assert studies.STUDIES[name].summary and studies.STUDIES[name].minutes > 0


def test_the_list_is_known_without_jax():
    code = "import sys; from jdlm.study import studies; print(studies.STUDIES.keys() & {0}, 'jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set() False\n", done.stderr


def test_a_study_is_a_frozen_value():
    study = Study("mine", lambda seed, quick, report: iter(()), {}, lambda rows: [])
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.name = "other"
