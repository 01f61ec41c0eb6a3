"""What do steps of time cost in total variation, in how many dimensions, and what is left for first hitting?

Output laws are exact: by enumeration on short targets, by the closed form of codes at any length (`jdlm.curves`), by
counts of ones on mixtures of coins. A step that reveals nothing makes no predictor call, so every number has both, its
steps and its expected calls. Then predictors that are wrong by a known amount, and tokens that are really sampled.
"""

from collections.abc import Iterator

from jdlm.study.figures import discretization as figures
from jdlm.study.rows import Row
from jdlm.study.studies import discretization_errors as errors
from jdlm.study.studies import discretization_laws as laws
from jdlm.study.studies import discretization_words
from jdlm.study.studies.discretization_grids import CODE_WORDS
from jdlm.study.studies.study import Report, Study, kept

__all__ = ["STUDY"]

LENGTHS = (16, 64, 256, 1024, 4096)


def rows(seed: int, quick: bool, report: Report) -> Iterator[Row]:
    """All rows; the quick ones are those of short targets and few steps."""
    counts, lengths = (laws.STEPS[:5], LENGTHS[:3]) if quick else (laws.STEPS, LENGTHS)
    jobs: list[tuple[str, Iterator[Row]]] = []
    for name in list(laws.SHORT)[:1] if quick else laws.SHORT:
        jobs.append((f"{name} by enumeration", laws.steps(seed, name, counts)))
    if not quick:
        jobs += [("Markov chains by enumeration", laws.chains(seed)), ("mixtures of coins", laws.coins(seed))]
    jobs += [
        (f"parity checks up to length {lengths[-1]}", laws.parity(seed, lengths)),
        ("codes of all dimensions", laws.all_dimensions(seed, CODE_WORDS[:1] if quick else CODE_WORDS)),
        ("masks left over", laws.leftover(seed, counts)),
        ("predictors that are wrong", errors.wrong(seed, errors.SCALES[2:3] if quick else errors.SCALES)),
        ("laws on which the bounds are nearly met", errors.tight(seed)),
        ("samples", errors.sampled(seed, quick)),
    ]
    for done, (what, made) in enumerate(jobs):
        report(done, len(jobs), what)
        yield from kept(report, what, lambda made=made: made)
    report(len(jobs), len(jobs), "done")


STUDY = Study("discretization", rows, figures.FIGURES, discretization_words.conclude)
