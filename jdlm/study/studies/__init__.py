"""Studies: questions about schedules that one command answers, each in a file of its own.

A study makes rows, draws figures of them and says in a few lines what they show. This list names them without
importing JAX; :func:`load` imports the file of one.
"""

import importlib
from typing import TYPE_CHECKING, NamedTuple

from jdlm.errors import InputError

if TYPE_CHECKING:
    from jdlm.study.studies.study import Study

__all__ = ["STUDIES", "Entry", "load"]


class Entry(NamedTuple):
    """What is known of a study before it is loaded.

    Attributes:
      summary: the question, in one line.
      minutes: the time it takes at most on 2 CPU cores.
      gigabytes: the memory it takes at most: largest resident size of the process that was measured, and a fifth.
    """

    summary: str
    minutes: int
    gigabytes: float


STUDIES: dict[str, Entry] = {
    "adaptation": Entry(
        "do random sizes adapt to a dependence that they do not know? MDS codes, smooth targets", 2, 0.75
    ),
    "correctors": Entry(
        "is a call better spent on correcting than on a smaller step? Gibbs rounds, ReMDM, exact", 5, 1.4
    ),
    "discretization": Entry("what do Euler and tau-leaping cost in TV, against steps, calls and length?", 3, 0.87),
    "low-dependence": Entry("how many steps does little dependence need, and do TC, DTC or D tell?", 3, 0.93),
    "order": Entry("does it pay to choose positions by looking at the predictor? exact laws of all planners", 3, 1.59),
    "precision": Entry("what does the arithmetic of a draw do to rare tokens? all values of the generator", 3, 1.89),
    "presets": Entry("what do the schedules of the first run cost, exactly? the numbers of the README", 1, 0.52),
    "rounds": Entry(
        "how many rounds does speculative sampling need, exact in law? beside the steps of schedules", 5, 1.67
    ),
    "trained": Entry("is the best schedule for the oracle still the best one for a trained network?", 5, 1.56),
}


def load(name: str) -> "Study":
    """The study of that name; imports JAX.

    Raises:
      ValueError: there is none.
    """
    if name not in STUDIES:
        from jdlm.config import nearest

        raise InputError(f"no study {name!r}; {nearest(name, STUDIES, what='studies')}")
    return importlib.import_module(f"jdlm.study.studies.{name.replace('-', '_')}").STUDY
