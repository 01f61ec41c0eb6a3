"""The study of trained networks, on one target and with networks that have hardly learned."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import exact, schedules, targets
from jdlm.predictor import oracle
from jdlm.study.figures import trained as figures
from jdlm.study.studies import trained, trained_words
from jdlm.training import network, train
from tests.reference import samplers as reference

SEED = 3


@pytest.fixture(scope="module")
def made():
    patch = pytest.MonkeyPatch()
    patch.setattr(trained, "SEEDS", 2)
    patch.setattr(trained, "TRAINING", dataclasses.replace(trained.TRAINING, steps=60, chunk_steps=60))
    patch.setattr(trained, "TARGETS", {"chain": targets.sticky_markov(4, 2, 0.8)})
    patch.setattr(trained, "SAMPLES", 2000)
    try:
        yield list(trained.STUDY.measure(SEED, True, lambda done, total, what: None)), list(_networks())
    finally:
        patch.undo()


def _networks():
    for number in range(2):
        config = dataclasses.replace(trained.TRAINING, seed=SEED * 2 + number)
        state = train(trained.NETWORK, targets.sticky_markov(4, 2, 0.8), config)
        yield network.predictor(trained.NETWORK, state.ema, 4, 2)


def find(rows, metric, **wanted):
    return [row for row in rows if row.metric == metric and all(getattr(row, k) == v for k, v in wanted.items())]


def test_the_kl_of_the_output_is_that_of_each_network_and_its_error_is_over_them(made):
    """Against the twin of the exact law, on conditionals that are looked up from the same networks."""
    rows, networks = made
    law = exact.target_law(targets.sticky_markov(4, 2, 0.8))
    values, best = [], []
    for predictor in networks:
        for schedule, into in ((schedules.cosine(4, 2), values), (schedules.uniform(4, 2), best)):
            into.append(exact.kl(law, reference_law(predictor, schedule)))
    (row,) = find(rows, "output_kl_nats", predictor="network", schedule="cosine", num_steps=2)
    assert row.value == pytest.approx(np.mean(values), abs=1e-5) and row.n == 2
    assert row.standard_error == pytest.approx(abs(values[0] - values[1]) / 2, abs=1e-5)
    oracles = {r.schedule: r.value for r in find(rows, "output_kl_nats", predictor="oracle", num_steps=2)}
    if min(oracles, key=oracles.get) == "uniform":
        (row,) = find(rows, "output_kl_above_best_nats", predictor="network", schedule="cosine", num_steps=2)
        assert row.value == pytest.approx(np.mean(np.subtract(values, best)), abs=1e-5)


def reference_law(predictor, schedule):
    """One list of sizes in random order, by enumeration of the twin."""

    def conditionals(state):
        logits = np.asarray(predictor(jnp.asarray(state, jnp.int32)), np.float64)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    sizes = np.asarray(schedule.law().sizes)[0].tolist()
    return reference.output_law(conditionals, 4, 2, [(1.0, sizes)])


def test_parts_add_up_and_the_best_of_the_oracle_is_the_zero_of_the_differences(made):
    rows, _ = made
    curve = targets.sticky_markov(4, 2, 0.8).entropy_curve()
    for path in find(rows, "path_kl_nats", predictor="network"):
        where = {"schedule": path.schedule, "num_steps": path.num_steps}
        (learning,) = find(rows, "learning_kl_nats", **where)
        (cost,) = find(rows, "factorization_kl_nats", **where)
        assert path.value == pytest.approx(cost.value + learning.value, abs=1e-12) and learning.value > 0.0
        exposure = [row.value for row in find(rows, "exposure", **where)]
        assert cost.value == pytest.approx(np.dot(exposure, curve) - curve.sum(), abs=1e-9)
        (output,) = find(rows, "output_kl_nats", predictor="network", **where)
        assert 0.0 < output.value <= path.value + 1e-9
    for num_steps in trained.NUM_STEPS:
        above = find(rows, "output_kl_above_best_nats", predictor="oracle", num_steps=num_steps)
        assert min(row.value for row in above) == 0.0 and len(above) == 7
        of_network = find(rows, "output_kl_above_best_nats", predictor="network", num_steps=num_steps)
        assert len(of_network) == 6 and all(row.standard_error >= 0.0 for row in of_network)


def test_tokens_really_sampled_agree_with_the_exact_law(made):
    """One standard normal number: beyond 4.5 once in 150,000."""
    rows, _ = made
    (row,) = find(rows, "sampled_deviation")
    assert abs(row.value) < 4.5 and row.n == 2000


def test_one_step_per_token_costs_the_oracle_nothing():
    target = targets.sticky_markov(4, 2, 0.8)
    both = exact.path_kl(target, oracle(target), schedules.uniform(4, 4))
    assert abs(both.output) < 1e-12


def test_words_and_figure_come_from_the_rows(made):
    rows, _ = made
    lines = trained_words.conclude(rows)
    assert 5 <= len(lines) <= 10 and all("nan" not in line for line in lines)
    changed = [
        dataclasses.replace(row, value=-1.0, standard_error=0.01)
        if row.metric == "output_kl_above_best_nats" and row.predictor == "network"
        else row
        for row in rows
    ]
    told = trained_words.conclude(changed)
    assert "in 0 of 2 cases" in told[1] and told[2].startswith("The largest exception: on chain-4")
    figure = figures.split(rows)
    assert len(figure.axes) == 2 and "n = 2" in figure.get_suptitle().replace("\n", " ")
    assert figures.split([]) is None
