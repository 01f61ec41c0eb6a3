"""Parts of a sweep: kept as they are made, looked up by all that determines them, set apart if they fail."""

import pytest

from jdlm import planners, schedules, targets
from jdlm.predictor import oracle
from jdlm.study import batches, parts
from jdlm.study import sweep as sweeps
from jdlm.study.kept import Kept
from jdlm.study.making import Maker, once
from jdlm.study.rows import Row
from jdlm.training import network as networks
from tests.spread import NETWORK

LENGTH = 4
OPTIONS = {"target_name": "law", "n": 40, "curve_n": 4, "seed": 1, "batch_size": 8}


def row(value):
    return Row("0" * 12, "toy", "", "", "", None, None, "x", None, value, None, None, "exact", None)


# ---- the maker


def test_a_part_is_made_once_and_looked_up_after(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return [row(0.5)]

    seen = []
    for _ in range(2):
        maker = Maker({"n": 1}, Kept(tmp_path), on_row=seen.append)
        maker.part("it", ["settings"], make)
        assert maker.made == [row(0.5)]
    assert len(calls) == 1 and seen == [[row(0.5)]] * 2
    for context, settings in (({"n": 2}, ["settings"]), ({"n": 1}, ["others"])):
        Maker(context, Kept(tmp_path)).part("it", settings, make)
    assert len(calls) == 3


def test_a_failure_costs_its_own_part(tmp_path):
    def fails():
        raise ZeroDivisionError("no")

    told = []
    maker = Maker(None, Kept(tmp_path), on_error=lambda what, error: told.append((what, str(error))))
    maker.part("first", 1, fails)
    maker.part("second", 2, lambda: [row(0.5)])
    assert told == [("first", "no")] and maker.made == [row(0.5)] and maker.failures[0][0] == "first"
    maker.part("first again", 1, lambda: [row(0.25)])  # nothing was kept of it
    assert maker.made == [row(0.5), row(0.25)]
    with pytest.raises(ZeroDivisionError):
        Maker().part("first", 1, fails)


def test_once_calls_once_and_raises_each_time():
    calls = []

    def value():
        calls.append(1)
        return len(calls)

    first = once(value)
    assert [first(), first()] == [1, 1]

    def fails():
        calls.append(1)
        raise KeyError("x")

    second = once(fails)
    for _ in range(2):
        with pytest.raises(KeyError):
            second()
    assert len(calls) == 2


# ---- sweeps that go on


def target():
    return targets.sticky_markov(LENGTH, 2, 0.8)


def predictors():
    return {"oracle": oracle(target()), "network": network()}


def network():
    import jax

    from jdlm import keys

    model = networks.build(NETWORK, LENGTH, 2)
    params = jax.tree.map(lambda leaf: leaf + 0.3, model.init(keys.key(0)))
    return networks.predictor(NETWORK, params, LENGTH, 2)


PLAN = [schedules.uniform(LENGTH, 2), schedules.minimax(LENGTH, 2, "tc"), schedules.first_hitting(LENGTH)]
WHO = [planners.random(), planners.confidence()]


def sweep(**options):
    return sweeps.sweep(target(), predictors(), PLAN, planners=WHO, speculative=True, **OPTIONS | options)


class Killed(BaseException):
    """Stands for a signal."""


class Dying(Kept):
    """Keeps some parts and dies."""

    def __init__(self, folder, count):
        super().__init__(folder)
        self.left = count

    def put(self, name, table):
        if not self.left:
            raise Killed
        self.left -= 1
        super().put(name, table)


def test_a_sweep_that_dies_after_any_part_goes_on_bit_for_bit(tmp_path, monkeypatch):
    """In the same order, without sampling again what is kept whole; one queue holds two of the six cells here."""
    monkeypatch.setattr(sweeps, "queue_lanes", lambda *_: 4 * OPTIONS["n"])
    whole = sweep()
    sampled = []
    sample_all = batches.sample_all
    monkeypatch.setattr(batches, "sample_all", lambda *given, **more: sampled.append(1) or sample_all(*given, **more))
    total = 0
    while True:
        try:
            sweep(keep=Dying(tmp_path, 3))
            break
        except Killed:
            total += 3
            assert len(list(tmp_path.iterdir())) == total
    assert total >= 15
    kept, before = Kept(tmp_path), len(sampled)
    assert sweep(keep=kept) == whole and kept.taken == len(list(tmp_path.iterdir()))
    assert len(sampled) == before  # all of it was kept
    assert 6 <= before <= 6 + total // 3  # a queue that was cut in two is sampled again


def test_what_determines_the_numbers_is_in_the_name(tmp_path):
    sweep(keep=Kept(tmp_path))
    count = len(list(tmp_path.iterdir()))
    for options in ({"n": 41}, {"curve_n": 5}, {"seed": 2}, {"batch_size": 9}, {"context": "other"}):
        kept = Kept(tmp_path)
        sweep(keep=kept, **options)
        assert kept.taken == 0, options
    kept = Kept(tmp_path)
    sweep(keep=kept, identities={"network": "another checkpoint"})
    assert 0 < kept.taken < count
    other = Kept(tmp_path)  # of the name and the number of steps of another
    plan = [schedules.fixed([3, 1], name="uniform"), *PLAN[1:]]
    sweeps.sweep(target(), predictors(), plan, planners=WHO, speculative=True, keep=other, **OPTIONS)
    assert other.taken == 4  # the floor, the curve, and speculative sampling of two


def test_a_cell_that_fails_is_told_at_once_and_the_others_go_on(tmp_path, monkeypatch):
    whole, told, rows_of = sweep(), [], parts.sampled

    def fails(origin, *rest):
        if origin.planner.name == "confidence" and origin.schedule.num_steps == 2:
            raise FloatingPointError("no luck")
        return rows_of(origin, *rest)

    monkeypatch.setattr(parts, "sampled", fails)
    found = sweep(keep=Kept(tmp_path), on_error=lambda what, error: told.append(what))
    assert told == [
        f"{schedule} with 2 steps, planner confidence, {name}"
        for name in ("oracle", "network")
        for schedule in ("uniform", "minimax_tc")
    ]
    missing = [r for r in whole if r not in found]
    assert {(r.planner, r.num_steps, r.method) for r in missing} == {("confidence", 2, "monte_carlo")}
    assert [r for r in whole if r in found] == found
    with pytest.raises(FloatingPointError):
        sweep()
    monkeypatch.undo()
    kept = Kept(tmp_path)
    assert sweep(keep=kept) == whole and kept.taken == len(list(tmp_path.iterdir())) - 4  # tried again


def test_rows_do_not_depend_on_the_number_of_queues(monkeypatch):
    """For a predictor whose logits do not depend on what is computed beside them."""
    only = {"oracle": oracle(target())}
    whole = sweeps.sweep(target(), only, PLAN, planners=WHO, **OPTIONS)
    monkeypatch.setattr(sweeps, "queue_lanes", lambda *_: 1)
    for one, other in zip(whole, sweeps.sweep(target(), only, PLAN, planners=WHO, **OPTIONS), strict=True):
        assert (one.cell, one.metric) == (other.cell, other.metric)
        assert one.value == pytest.approx(other.value, rel=1e-6, abs=1e-6)
