"""Sweeps: whose random numbers are whose, what a name decides (nothing but the label), and what is refused."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import evaluate, planners, predictor, schedules, targets
from jdlm.measure import marginals, path
from jdlm.predictor import is_oracle_of, oracle
from jdlm.sampling import Draw, Info, Results
from jdlm.study import batches, cells, parts
from jdlm.study import sweep as sweeps

LENGTH, VOCAB = 3, 2
KERNELS = np.stack([np.triu(np.ones((LENGTH + 1, LENGTH + 1))), np.zeros((LENGTH + 1, LENGTH + 1))])
KERNELS[0] /= KERNELS[0].sum(axis=1, keepdims=True)
KERNELS[1, :, LENGTH] = 1.0


@functools.cache
def target():
    weights = np.random.default_rng(2).gamma(1.0, size=[VOCAB] * LENGTH)
    return targets.table(weights / weights.sum())


def look_up(logits, tokens, positions):
    row = logits[tuple(tokens)]
    return row if positions is None else row[positions]


@functools.cache
def wrong():
    """Learning error 0.3 nats or so, the same for each revealed pattern."""
    logits = np.random.default_rng(0).normal(size=[VOCAB + 1] * LENGTH + [LENGTH, VOCAB])
    return predictor.Predictor(jnp.asarray(logits, jnp.float32), look_up, LENGTH, VOCAB)


@functools.cache
def chain():
    return schedules.Schedule("chain", LENGTH, 2, schedules.Chain(KERNELS))


PLAN = (schedules.uniform(LENGTH, 2), chain())
WHO = (planners.random(), planners.left_to_right())


def sweep(predictors=None, plan=PLAN, who=WHO, seed=1, target_name="law", law=None, **options):
    law = target() if law is None else law
    predictors = {"oracle": oracle(law), "wrong": wrong()} if predictors is None else predictors
    options = {"n": 64, "curve_n": 8, "batch_size": 64} | options
    return sweeps.sweep(law, predictors, plan, planners=who, seed=seed, target_name=target_name, **options)


@functools.cache
def found():
    return sweep()


def nameless(row):
    """All of a row but its two measured numbers."""
    return dataclasses.replace(row, value=0.0, standard_error=None)


def name_of(row):
    return (row.cell, row.predictor, row.planner, row.schedule, row.num_steps, row.metric, row.method, row.index)


def keys_of_a_sweep(monkeypatch, **options):
    """Words of every key that a sweep draws from, as often as it is used; the sampler itself is left out."""
    used = []

    def note(*keys):
        used.extend(tuple(jax.random.key_data(key).tolist()) for key in keys)

    def watch(module, name, key):
        whole = getattr(module, name)

        def watched(*arguments, **named):
            note(key(*arguments))
            return whole(*arguments, **named)

        monkeypatch.setattr(module, name, watched)

    def sample_all(predictor, requests, **options):
        note(*(request.key for request in requests))
        zeros = np.zeros(2, np.int32)
        return Results(
            [(np.zeros((2, LENGTH), np.int32), Info(zeros, zeros, zeros, zeros)) for _ in requests], None, ()
        )

    for module in (batches, path):
        watch(module, "draw_sizes", lambda key, *_: key)
    watch(evaluate, "path_request", lambda key, *_: key)  # split, so that nothing else may draw from it
    for module in (evaluate, path):
        watch(module, "draw_tokens", lambda key, *_: key)
    watch(evaluate, "cross_entropy_curve", lambda key, *_: key)
    watch(marginals, "of_target", lambda key, *_: key)
    monkeypatch.setattr(batches, "sample_all", sample_all)
    monkeypatch.setattr(sweeps, "EXACT_LIMIT", 0)
    sweep(**options)
    monkeypatch.undo()
    return used


def test_no_two_uses_share_a_key(monkeypatch):
    """Sizes, orders with tokens, forced tokens and their own sizes and orders of each cell; curves; two of the target.

    Also not with another seed, or another target's name.
    """
    watched = functools.partial(keys_of_a_sweep, monkeypatch, n=2, curve_n=2)
    options = {"predictors": {"one": wrong(), "two": wrong()}, "who": (*WHO, planners.threshold(0.7))}
    used = watched(**options)
    sized, counting = len(PLAN) * 2, 1
    # Its curve; sampled and forced paths, forced tokens, what these are split from; two draws of sizes, if any.
    each = 1 + 4 * (sized + counting) + 2 * sized
    assert len(used) == 2 + 2 * each
    others = watched(**options, seed=2) + watched(**options, target_name="it")
    assert len(set(used + others)) == len(used + others) == 3 * len(used)
    new = watched(**options, identities={"two": "another checkpoint"})
    assert len(set(new) & set(used)) == 2 + each


def test_two_schedules_of_the_same_sizes_are_sampled_apart():
    """As are two predictors that are the same."""
    samples = {}
    plan = (schedules.uniform(LENGTH, 1), dataclasses.replace(schedules.uniform(LENGTH, 1), name="other"))
    both = {"one": wrong(), "two": wrong()}
    sweep(both, plan, WHO[:1], on_samples=lambda name, results: samples.update({name: results.parts}))
    drawn = [tokens.tolist() for parts in samples.values() for tokens, _ in parts[:2]]
    assert all(drawn[i] != drawn[j] for i in range(4) for j in range(i))


def test_adding_anything_changes_no_other_number():
    whole = {name_of(row): row for row in found()}
    assert len(whole) == len(found())  # no two rows are the same number
    for fewer in ({"plan": PLAN[1:]}, {"who": WHO[1:]}, {"predictors": {"wrong": wrong()}}):
        part = sweep(**fewer)
        assert 20 < len(part) < len(whole)
        for row in part:
            other = whole[name_of(row)]
            assert nameless(row) == nameless(other)
            assert row.value == pytest.approx(other.value, rel=1e-6, abs=1e-6)


def test_rows_come_in_the_order_of_the_arguments_and_again_the_same():
    parts = []
    again = sweep(on_row=parts.append)
    assert again == [row for part in parts for row in part] == found()

    def seen(field, metric):
        values = [getattr(row, field) for row in again if row.metric == metric]
        return list(dict.fromkeys(values))

    assert seen("schedule", "exposure") == seen("schedule", "measured_nfe") == ["uniform", "chain"]
    assert seen("predictor", "measured_nfe") == ["oracle", "wrong"]
    assert seen("planner", "measured_nfe") == ["random", "left_to_right"]
    assert [row.index for row in again if row.metric == "entropy_curve_nats"] == [0, 1, 2]
    swapped = sweep({"wrong": wrong(), "oracle": oracle(target())}, PLAN[::-1], WHO[::-1])
    assert sorted(map(name_of, swapped), key=repr) == sorted(map(name_of, again), key=repr)
    assert list(dict.fromkeys(row.predictor for row in swapped)) == ["", "wrong", "oracle"]


def test_a_seed_names_monte_carlo_numbers_and_no_others():
    first, second = ({name_of(row)[1:]: row for row in rows} for rows in (found(), sweep(seed=2)))
    assert first.keys() == second.keys()
    constant = {"outside_support_share", "distinct_share", "measured_nfe", "drawn_size"}  # they may agree by chance
    for name, row in first.items():
        other = second[name]
        assert row.cell != other.cell
        if row.n is None:
            assert row.seed is other.seed is None and row.value == other.value
        else:
            assert (row.seed, other.seed) == (1, 2)
            sure = row.metric == "learning_error_curve_nats" and row.standard_error < 1e-7  # one pattern alone
            assert row.value != other.value or row.metric in constant or sure, row


def test_a_cell_is_that_of_its_settings():
    """Rows of one cell share it, and no others do; also where only the law or the checkpoint is another one."""
    cells = {}
    for row in found():
        settings = (row.predictor, row.planner, row.schedule, row.num_steps)
        assert cells.setdefault(settings, row.cell) == row.cell
    assert len(set(cells.values())) == len(cells) == 1 + 2 + 1 + 2 * 4
    again = set(cells.values())
    other = targets.table(np.full([VOCAB] * LENGTH, VOCAB**-LENGTH))
    assert not again & {row.cell for row in sweep(law=other)}
    equal = targets.table(np.array(target().probabilities).reshape([VOCAB] * LENGTH))
    assert again == {row.cell for row in sweep(law=equal)}
    new = {row.cell for row in sweep(identities={"wrong": "another checkpoint"})}
    assert len(again & new) == len(cells) - 5


def test_rows_that_need_a_schedule_or_a_planner_say_so():
    empty = cells.Origin("law", 0)
    with pytest.raises(ValueError, match=r"^the cell of target 'law' has no schedule; give one$"):
        list(parts.of_schedule(empty, None))
    with pytest.raises(ValueError, match=r"^the cell of target 'law' has no planner; give one$"):
        list(parts.exact_laws(empty, oracle(target()), target(), PLAN, Draw()))
    with pytest.raises(ValueError, match=r"^neither the entropy curve nor a measured curve is known"):
        list(parts.identities(dataclasses.replace(empty, schedule=chain()), None, None))


def test_targets_of_one_name_are_told_apart_also_inside_of_others():
    parity, permutation = targets.parity(3), targets.permutation(3)
    code = targets.linear_code([[1, 1, 1]], 2)  # sequences as long, of as many tokens as those of the parity code
    inner = [parity, permutation, code, targets.repetition(3, 2), targets.blocks(parity, 3)]
    digests = [cells.digest(target) for target in [*inner, *(targets.blocks(target, 2) for target in inner)]]
    assert len(set(digests)) == len(digests)
    assert digests[5] == cells.digest(targets.blocks(targets.parity(3), 2))
    whole = [{row.cell for row in sweep({}, [], law=targets.blocks(law, 2))} for law in (parity, permutation)]
    assert not whole[0] & whole[1]


def test_what_a_predictor_is_decides_and_not_its_name():
    """A network that is called the oracle has its learning error measured, and the oracle is known by any name."""

    def learning(predictors, law=None):
        made = sweep(predictors, PLAN[:1], WHO[:1], law=law)
        return {row.predictor: row for row in made if (row.metric, row.method) == ("learning_kl_nats", "identity")}

    row = learning({"oracle": wrong()})["oracle"]
    assert row.n == 8 and row.value > 3 * row.standard_error > 0
    named = learning({"network": oracle(target()), "another": wrong(), "$third$": wrong()})
    assert (named["network"].value, named["network"].n) == (0.0, None)
    assert named["another"].value > 0.1 and named["$third$"].value > 0.1
    skew = targets.product(np.full((LENGTH, VOCAB), 0.5))
    row = learning({"oracle": oracle(skew)})["oracle"]  # of another law
    assert row.n == 8 and row.value > 3 * row.standard_error > 0


def test_the_oracle_of_a_target_is_known_by_its_value():
    chain = targets.sticky_markov(LENGTH, VOCAB, 0.7)
    assert is_oracle_of(oracle(chain), chain)
    assert is_oracle_of(oracle(targets.sticky_markov(LENGTH, VOCAB, 0.7)), chain)
    assert not is_oracle_of(oracle(targets.sticky_markov(LENGTH, VOCAB, 0.71)), chain)
    assert not is_oracle_of(oracle(targets.sticky_markov(LENGTH + 1, VOCAB, 0.7)), chain)
    assert not is_oracle_of(oracle(target()), chain)
    assert not is_oracle_of(wrong(), target())
    assert not is_oracle_of(predictor.Predictor(target(), look_up, LENGTH, VOCAB), target())


def test_one_token_has_no_pairs():
    single = targets.product(np.array([[0.25, 0.75]]))
    made = sweep({"oracle": oracle(single)}, [schedules.uniform(1, 1)], WHO[:1], law=single)
    metrics = {row.metric: row.value for row in made}
    assert not np.isnan(list(metrics.values())).any()
    assert {"single_marginal_tv", "single_marginal_tv_floor"} <= set(metrics)
    assert not {"pair_marginal_tv", "pair_marginal_tv_floor"} & set(metrics)
    assert metrics["factorization_kl_nats"] == metrics["total_correlation_nats"] == metrics["worst_case_tc"] == 0.0
    assert metrics["nelbo_nats"] == pytest.approx(-0.25 * np.log(0.25) - 0.75 * np.log(0.75))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"plan": (*PLAN, PLAN[0])},
            r"2 schedules are called 'uniform' with num_steps=2, .* share .*; name them apart",
        ),
        ({"who": (planners.threshold(0.5), planners.threshold(0.5))}, r"2 planners are called 'threshold\(0.5\)', so"),
        ({"plan": [schedules.uniform(4, 2)]}, r"schedule uniform has length 4, the target 3; build it for length=3"),
        ({"predictors": {"it": oracle(targets.product(np.full((4, 2), 0.5)))}}, r"vocab_size\)=\(4, 2\), the target"),
        (
            {"identities": {"network": "0"}},
            r"identities has 'network', not a predictor; .* \['oracle', 'wrong'\]",
        ),
        ({"n": 1}, r"n=1, curve_n=8; use at least 2"),
        ({"curve_n": 1}, r"n=64, curve_n=1; use at least 2"),
        (
            {"plan": [schedules.Schedule("idle", LENGTH, 1, schedules.Chain(np.eye(LENGTH + 1)[None]))]},
            "idle leaves a mask with probability 1; build it with final_reveal=True",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_measured(options, message):
    made = []
    with pytest.raises(ValueError, match=message) as caught:
        sweep(**options, on_row=made.append)
    assert not made and "\n" not in str(caught.value)


def test_the_same_schedule_with_other_numbers_of_steps_is_no_other_of_the_name():
    made = sweep({}, [schedules.uniform(LENGTH, 2), schedules.uniform(LENGTH, 3)], WHO[:1])
    assert {row.num_steps for row in made if row.metric == "exposure"} == {2, 3}


@pytest.mark.parametrize(("limit", "exact"), [(64, True), (63, False)])
def test_exact_laws_are_made_up_to_the_limit(monkeypatch, limit, exact):
    """Of 3 tokens from 2 values, which make (2 + 2)^3 = 64 pairs of a state and a set."""
    monkeypatch.setattr(sweeps, "EXACT_LIMIT", limit)
    made = sweep({"wrong": wrong()}, PLAN[:1], WHO[:1])
    assert ("output_tv" in {row.metric for row in made}) == exact


def test_progress_ends_once_all_calls_are_made():
    said = []
    sweep(progress=lambda done, total, what: said.append((done, total, what)))
    done, totals, _ = zip(*said, strict=True)
    # Curve of the wrong one: 8 sequences at 3 counts. Each cell, sampled and forced: 64 sequences of 2 or 11/6 calls.
    calls = 8 * 3 + 2 * 2 * 2 * (64 * 2 + round(64 * (1 / 4 + 1 / 4 + 2 * 1 / 4 + 2 * 1 / 4)))
    assert set(totals) == {calls} and done[-1] == calls and sorted(done) == list(done) and done[0] == 0


@pytest.mark.parametrize("shape", [(2, 500), (1, 20000)], ids=str)
def test_a_space_of_few_states_and_a_large_table_has_no_exact_laws(shape):
    target = targets.product(np.full(shape, 1 / shape[1]))
    settings = {"target_name": "flat", "n": 4, "curve_n": 2, "seed": 0}
    rows = sweeps.sweep(target, {"oracle": predictor.oracle(target)}, [schedules.uniform(shape[0], 1)], **settings)
    assert {row.metric for row in rows} >= {"path_kl_nats", "distinct_share"}
    assert "output_kl_nats" not in {row.metric for row in rows}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**32}, "seed=4294967296 is outside"),
        ({"curve_n": True}, "curve_n=True"),
    ],
)
def test_seeds_and_numbers_of_samples_are_checked_first(settings, message):
    target = targets.repetition(2, 2)
    settings = {"target_name": "two", "n": 4, "curve_n": 2, "seed": 0} | settings
    with pytest.raises(ValueError, match=message):
        sweeps.sweep(target, {"oracle": predictor.oracle(target)}, [schedules.uniform(2, 1)], **settings)
