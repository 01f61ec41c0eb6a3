"""Words of presets for schedules and planners: each makes the value of that name, others name the nearest."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from jdlm import config as configs
from jdlm import schedules
from jdlm.config import (
    Config,
    SweepConfig,
    build_planner,
    build_schedule,
    build_schedules,
)
from jdlm.targets import MixtureConfig

MIXTURE = MixtureConfig(length=8, weights=(0.5, 0.5), marginals=((0.9, 0.1), (0.2, 0.8)))
SMALL = SweepConfig(num_steps=(2, 4))


def test_config_imports_neither_jax_nor_numpy():
    code = "import sys, jdlm.config.presets, jdlm.study.runs; print({'jax', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def written(words):
    """Every word of a table as a preset writes it, with each value that it may take if they are few."""
    values = {name: word.choices or (word.example,) for name, word in words.items() if word.parameter}
    return sorted(f"{name}:{value}" if value else name for name in words for value in values.get(name, ("",)))


@pytest.mark.parametrize("word", written(configs.SCHEDULES))
def test_every_word_makes_the_schedule_of_that_name(word, tmp_path):
    schedule = build_schedule(word, 8, 4, curve=lambda: [1.0] * 8, cache=tmp_path)
    assert schedule.name == word
    assert schedule.length == 8 and schedule.leftover == 0.0
    assert schedule.num_steps == (8 if word in configs.ONE_TOKEN_A_STEP else 4)


def test_solved_laws_are_kept_where_the_word_is_told_to(tmp_path):
    build_schedule("minimax_tc", 8, 3, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"damaged")
    lines = []
    build_schedule("minimax_tc", 8, 3, cache=tmp_path, progress=lines.append)
    assert lines and str(file) in lines[0]


def test_every_schedule_of_the_library_has_a_word():
    """But for what somebody has written down, is made of others, or masks again, of which no sweep has rows."""
    builders = {name for name in schedules.__all__ if name.islower() and not name.endswith("_times")}
    assert {word.name for word in configs.SCHEDULES.values()} == builders - {
        "fixed", "fixed_pairs", "per_block", "remdm", "with_corrector"
    }  # fmt: skip


def test_exponential_thinning_takes_its_own_times():
    """Half a token is unmasked at the first, half a one masked at the last; equal steps above 1, one ratio below."""
    built = build_schedule("ancestral:exponential", 32, 8)
    times = schedules.exponential_times(32, 7)
    np.testing.assert_allclose(np.exp(-times[0]), 1 / 64)
    np.testing.assert_allclose(1 - np.exp(-times[-1]), 1 / 64)
    late = times[times < 1]
    np.testing.assert_allclose(late[1:] / late[:-1], late[1] / late[0])
    early = times[times > 1]
    np.testing.assert_allclose(np.diff(early), np.log(late[1] / late[0]))
    np.testing.assert_array_equal(built.exposure(), schedules.ancestral(32, times, "exponential").exposure())


def test_a_sweep_builds_each_word_at_each_number_of_steps():
    progress = []
    words = ("uniform", "first_hitting", "cosine")
    built = build_schedules(words, 8, (2, 4), progress=lambda *now: progress.append(now))
    assert progress[0] == (0, 5, "uniform K=2") and progress[-1] == (5, 5, "done")
    found = [(schedule.name, schedule.num_steps) for schedule in built]
    assert found == [("uniform", 2), ("uniform", 4), ("first_hitting", 8), ("cosine", 2), ("cosine", 4)]


def test_unknown_words_name_the_nearest():
    with pytest.raises(ValueError, match=r"unknown schedule 'uniforn'; the nearest valid one is 'uniform'"):
        build_schedule("uniforn", 8, 2)
    with pytest.raises(ValueError, match="the nearest valid one is 'cosine'"):
        SweepConfig(schedules=("cosin",))
    with pytest.raises(ValueError, match=r"unknown schedule 'swep'; use one of ancestral, .*, uniform$"):
        SweepConfig(schedules=("swep",))
    with pytest.raises(ValueError, match=r"unknown planner 'swep'; use one of bisection, .*, threshold$"):
        SweepConfig(planners=("swep",))


@pytest.mark.parametrize("word", written(configs.PLANNERS))
def test_every_word_makes_a_planner(word):
    name = word.partition(":")[0]
    assert build_planner(word).name.startswith(name.removesuffix("_confidence"))
    assert (build_planner(word).count is not None) == (name in configs.SELF_SIZED_PLANNERS)


@pytest.mark.parametrize(
    ("build", "word", "message"),
    [
        (build_planner, "confidance", "unknown planner 'confidance'; the nearest valid one is 'confidence'"),
        (build_planner, "threshold", "planner 'threshold' needs a number tau, as in 'threshold:0.9'"),
        (build_planner, "threshold:high", "planner 'threshold:high' needs a number tau"),
        (build_planner, "threshold:7", "7"),
        (build_planner, "random:1", "planner 'random:1' takes nothing after the colon; write 'random'"),
        (lambda word: build_schedule(word, 8, 2), "geometric", "needs a number ratio, as in 'geometric:0.5'"),
        (lambda word: build_schedule(word, 8, 2), "cosine:", "takes nothing after the colon; write 'cosine'"),
        (lambda word: build_schedule(word, 8, 2), "euler", r"needs a masking \(linear, .*, as in 'euler:linear'"),
        (lambda word: build_schedule(word, 8, 1), "tau_leaping:linear", "needs at least 2 steps"),
        (lambda word: build_schedule(word, 8, 1), "euler:exponential", "needs at least 2 steps"),
        (lambda word: build_schedule(word, 8, 2), "optimal", "made for an exact entropy curve"),
        (
            lambda word: build_schedule(word, 5, 2, curve=lambda: [1.0] * 8),
            "optimal",
            "'optimal' is made for the curve of all 8 tokens, not for 5 where others are given.*such as uniform",
        ),
        (lambda word: SweepConfig(schedules=(word,)), "geometric:x", "needs a number ratio"),
        (lambda word: SweepConfig(planners=(word,)), "entropy_sum", "needs a number eta"),
    ],
)
def test_numbers_of_words(build, word, message):
    with pytest.raises(ValueError, match=message):
        build(word)


def test_too_many_steps_are_refused_with_the_value_and_the_remedy():
    with pytest.raises(ValueError, match=r"^num_steps=40 exceeds length=8; use at most 8$"):
        build_schedule("uniform", 8, 40)
    with pytest.raises(ValueError, match=r"num_steps=0 is less than 1; use at most 8 and at least 1"):
        build_schedule("minimax_tc", 8, 0)
    with pytest.raises(ValueError, match=r"^sweep\.num_steps=16 exceeds length=8; use at most 8$"):
        Config(name="a", target=MIXTURE, sweep=SweepConfig(num_steps=(2, 16)))


def test_thinning_may_take_more_steps_than_there_are_tokens():
    for word in ("euler:linear", "euler:exponential", "ancestral:cosine", "tau_leaping:polynomial"):
        schedule = build_schedule(word, 6, 64)
        assert schedule.num_steps == 64 and schedule.length == 6 and schedule.leftover == 0.0
        assert configs.takes_more_steps(word)
    assert not configs.takes_more_steps("uniform") and not configs.takes_more_steps("eule")
    sweep = SweepConfig(schedules=("euler:linear", "first_hitting"), num_steps=(2, 16))
    assert Config(name="a", target=MIXTURE, sweep=sweep).sweep.num_steps == (2, 16)
    mixed = dataclasses.replace(sweep, schedules=("euler:linear", "uniform", "cosine"))
    message = (
        r"^sweep\.num_steps=16 exceeds length=8; use at most 8, or leave out uniform, cosine: only euler:linear can"
    )
    with pytest.raises(ValueError, match=message):
        Config(name="a", target=MIXTURE, sweep=mixed)
    with pytest.raises(ValueError, match=r"^num_steps=0 is less than 1"):
        build_schedule("euler:linear", 6, 0)
