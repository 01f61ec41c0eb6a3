"""ReMDM's rates by hand, Gibbs rounds in lists, and what is refused."""

import jax
import numpy as np
import pytest

from jdlm import planners, schedules
from jdlm.schedules import uniform_times
from tests.reference import remasking as twin

KINDS = ["cap", "rescale", "loop", "conf"]


@pytest.mark.parametrize("masking", ["linear", "cosine", "polynomial", "exponential"])
@pytest.mark.parametrize("kind", KINDS)
def test_rates_are_those_of_the_paper(kind, masking):
    """From alpha of both ends of each step, by another route."""
    times = uniform_times(7, 1.0, 0.02)
    law = schedules.remdm(9, times, masking, kind, 0.35, on=0.6, off=0.2, final_reveal=False).law()
    expected = np.array(twin.remdm_steps(times, masking, kind, 0.35, on=0.6, off=0.2))
    np.testing.assert_allclose(law.sigmas, expected[:, 1], atol=1e-12)
    np.testing.assert_allclose(law.rates[1:], expected[1:, 0], atol=1e-12)
    assert law.one == (kind == "conf")


@pytest.mark.parametrize("kind", ["cap", "rescale"])
def test_the_law_of_the_revealed_count_is_that_of_ancestral(kind):
    """Which is why sigma enters the rate: the count is binomial with alpha, whatever eta."""
    times = uniform_times(5)
    mine = schedules.remdm(8, times, "cosine", kind, 0.7)
    np.testing.assert_allclose(
        mine.law().expected_revealed(8), schedules.ancestral(8, times, "cosine").expected_revealed(), atol=1e-12
    )


def test_sigma_by_hand():
    """At times 1, 0.75, 0.5, 0.25 sigma_max is 1, 1, 0.5 and 0; before the first step nothing is there to be masked."""
    law = schedules.remdm(8, uniform_times(4), eta=0.8).law()
    assert law.sigmas.tolist() == [0.8, 0.8, 0.5, 0.0] and law.rates[-1] == 1.0
    law = schedules.remdm(8, uniform_times(4), kind="rescale", eta=0.8).law()
    assert law.sigmas.tolist() == [0.8, 0.8, 0.4, 0.0]


def test_a_loop_stands_still_between_its_times():
    """Alpha is 0.4 from 0.6 on, where each call masks as many as it reveals; then the rest is run through."""
    schedule = schedules.remdm(64, uniform_times(10), kind="loop", eta=0.25, on=0.6, off=0.2)
    law = schedule.law()
    assert np.flatnonzero(law.sigmas).tolist() == [4, 5, 6, 7]
    np.testing.assert_allclose(law.rates[4:8], 0.25 * 0.4 / 0.6)
    revealed = law.expected_revealed(64)
    np.testing.assert_allclose(revealed[4:9], 0.4 * 64, atol=1e-9)
    np.testing.assert_allclose(revealed[[0, 9, 10]], [0.0, 0.7 * 64, 64.0], atol=1e-9)


def test_eta_0_is_ancestral_bit_for_bit():
    for masking in ("linear", "cosine", "polynomial"):
        plain = schedules.ancestral(9, uniform_times(6, 1.0, 0.1), masking).law().rates
        for kind in ("cap", "rescale", "conf"):
            mine = schedules.remdm(9, uniform_times(6, 1.0, 0.1), masking, kind, 0.0).law()
            np.testing.assert_array_equal(mine.rates, plain)
            assert not mine.sigmas.any()


def test_names_tell_what_differs():
    def build(*args, **options):
        return schedules.remdm(8, uniform_times(4), *args, **options).name

    names = [build(), build("cosine"), build(kind="rescale"), build(eta=0.2), build(kind="loop"), build(kind="conf")]
    names += [build(kind="loop", on=0.7), schedules.remdm(8, uniform_times(4, 0.9)).name]
    base = schedules.uniform(8, 4)
    names += [schedules.with_corrector(base, *numbers).name for numbers in ((1, 1), (2, 1), (1, 2), (1, 1, [0]))]
    names += [schedules.fixed_pairs([2, 2, 1], [0, 1, 0]).name, schedules.fixed_pairs([2, 1, 2], [0, 1, 0]).name]
    assert len(set(names)) == len(names)
    assert names[0] == "remdm_cap:0.1:linear" and schedules.with_corrector(base, 1, 1, 3).name == "uniform+gibbs:1x1"


def test_the_remasker_belongs_to_conf_and_stays():
    conf = schedules.remdm(8, uniform_times(4), kind="conf")
    assert conf.remasker == planners.confidence_weighted()
    assert schedules.with_corrector(conf, 1, 1).remasker == planners.confidence_weighted()
    assert schedules.remdm(8, uniform_times(4)).remasker is None
    rebuilt = jax.tree.unflatten(*reversed(jax.tree.flatten(conf)))
    assert rebuilt.remasker == conf.remasker and rebuilt.remasks and rebuilt.law().one


def test_rounds_stand_after_their_steps():
    made = schedules.with_corrector(schedules.fixed([3, 2, 3]), 2, 4, [0, 2]).law()
    assert made.sizes.tolist() == [[3, 0, 3, 0, 3, 2, 3, 0, 4, 0, 4]]
    assert made.remask.tolist() == [[0, 3, 0, 3, 0, 0, 0, 4, 0, 4, 0]]
    none = schedules.with_corrector(schedules.fixed([3, 2, 3]), 0, 1).law()
    assert none.sizes.tolist() == [[3, 2, 3]] and not none.remask.any()
    assert schedules.with_corrector(schedules.fixed([3, 5]), 3, 1).nfe_law().tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: schedules.remdm(8, uniform_times(4), eta=1.5), "eta=1.5 is not a probability"),
        (lambda: schedules.remdm(8, uniform_times(4), eta=float("nan")), "eta=nan is not a probability"),
        (lambda: schedules.remdm(8, uniform_times(4), kind="loop", on=0.1, off=0.2), "use 0 <= off < on"),
        (lambda: schedules.remdm(8, [0.5, 0.9]), "must decrease"),
        (lambda: schedules.with_corrector(schedules.uniform(8, 2), -1, 1), "rounds=-1, size=1"),
        (lambda: schedules.with_corrector(schedules.uniform(8, 2), 1, 0), "rounds=1, size=0"),
        (lambda: schedules.with_corrector(schedules.uniform(8, 2), 1, 1, 2), "use numbers from 0 to 1"),
        (lambda: schedules.with_corrector(schedules.uniform(8, 2), 2**24, 1), "steps; use at most"),
        (lambda: schedules.fixed_pairs([2, 1], [0]), "2 sizes and 1 numbers to mask"),
        (lambda: schedules.fixed_pairs([2.5, 1], [0, 0]), "sizes have shape"),
        (lambda: schedules.fixed_pairs([2, 1], [1, 0]), "step 0 of list 0 masks 1 positions, but 0 were revealed"),
        (lambda: schedules.fixed_pairs([2, 3], [0, 1]), "reveals 3 positions, but 2 are masked"),
    ],
    ids=range(12),
)
def test_bad_arguments_are_refused(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def test_an_unknown_kind_is_refused():
    unknown: object = "cup"
    with pytest.raises((ValueError, TypeError), match="cup"):
        schedules.remdm(8, uniform_times(4), kind=unknown)  # pyright: ignore[reportArgumentType]
