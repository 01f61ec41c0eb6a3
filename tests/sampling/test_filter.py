"""Filters of the draw against a slow twin in float64, at vocabularies of 3 to 50,257; the law that is drawn from.

Each chi-square test alarms falsely with probability 1e-6; the seeds are fixed.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jdlm import schedules, targets
from jdlm.measure import exact
from jdlm.predictor import Predictor, oracle
from jdlm.sampling import sample, sample_with_info
from jdlm.sampling.filter import Draw
from tests.reference import draws as reference
from tests.reference import laws

SIZES = (4096, 16_384, 50_257)


def flat(vocab) -> np.ndarray:
    """A flat random law: uniform on the simplex, so that the largest probability is about log(vocab) / vocab."""
    return np.log(np.random.default_rng(vocab).exponential(size=vocab)).astype(np.float32)


def peaked(vocab) -> np.ndarray:
    return np.random.default_rng(vocab).normal(size=vocab).astype(np.float32) * 3


def kept(draw, logits, dtype=jnp.float32) -> set[int]:
    return set(np.flatnonzero(np.isfinite(draw(jnp.asarray(logits, dtype)))).tolist())


@pytest.mark.parametrize("vocab", SIZES)
@pytest.mark.parametrize("law", [flat, peaked])
def test_top_k_keeps_the_k_largest(vocab, law):
    logits = law(vocab)
    for top_k in (1, 50, vocab - 1):
        found = kept(Draw(top_k=top_k), logits)
        assert len(found) == top_k
        assert found == reference.kept(logits, top_k=top_k)
    assert kept(Draw(top_k=vocab), logits) == kept(Draw(top_k=vocab + 1), logits) == set(range(vocab))


@pytest.mark.parametrize("vocab", SIZES)
@pytest.mark.parametrize("law", [flat, peaked])
def test_nucleus_keeps_the_fewest_that_reach_it(vocab, law):
    logits = law(vocab)
    probabilities = reference.law(logits.astype(np.float64), range(vocab))
    descending = np.sort(probabilities)[::-1]
    for nucleus in (0.01, 0.5, 0.9, 0.999):
        found = kept(Draw(nucleus=nucleus), logits)
        wanted = reference.kept(logits, nucleus=nucleus)
        assert law is peaked or found == wanted
        # Tokens may be lighter than the rounding errors of a sum in float32, which are bounded as the docstring says.
        assert probabilities[list(found ^ wanted)].sum() <= np.log2(vocab) * 1.2e-7
        # By the definition, up to the error that the docstring states: they reach it, and one less does not.
        mass = probabilities[list(found)].sum()
        assert mass >= nucleus - 2**-18 - np.log2(vocab) * 1.2e-7
        assert descending[: len(found) - 1].sum() < nucleus
    assert kept(Draw(nucleus=1.0), logits) == set(range(vocab))


def test_nucleus_of_a_batch_compares_no_pairs_of_tokens():
    """All pairs of 8 lanes of 8 tokens at V = 8192 would be 17 GB for each of two arrays."""
    logits = np.stack([np.roll(flat(8192), 7 * i) for i in range(64)]).reshape(8, 8, 8192)
    found = np.isfinite(jax.jit(Draw(nucleus=0.5))(jnp.asarray(logits)))
    assert set(np.flatnonzero(found[7, 3]).tolist()) == reference.kept(logits[7, 3], nucleus=0.5)
    assert set(np.flatnonzero(found[0, 0]).tolist()) == reference.kept(logits[0, 0], nucleus=0.5)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize(
    ("law", "options", "wanted"),
    [
        ((0.5, 0.25, 0.25), {"nucleus": 0.5}, {0}),
        ((0.25, 0.5, 0.25), {"nucleus": 0.5}, {1}),
        ((0.25, 0.5, 0.25), {"nucleus": 0.75}, {0, 1}),
        ((0.25, 0.5, 0.25), {"nucleus": 0.75 + 1e-5}, {0, 1, 2}),
        ((0.25, 0.5, 0.25), {"nucleus": 1e-9}, {1}),
        ((0.25, 0.25, 0.25, 0.25), {"nucleus": 0.5}, {0, 1}),
        ((0.1,) * 10, {"nucleus": 0.3}, {0, 1, 2}),
        ((1 / 7,) * 7, {"nucleus": 3 / 7}, {0, 1, 2}),
        ((0.6, 0.39995, 4e-5, 1e-5), {"nucleus": 1.0}, {0, 1, 2, 3}),
        ((0.6, 0.39995, 4e-5, 1e-5), {"nucleus": 0.99997}, {0, 1, 2}),
        ((0.2, 0.4, 0.2, 0.2), {"top_k": 2}, {0, 1}),
        ((0.2, 0.2, 0.2, 0.4), {"top_k": 3}, {0, 1, 3}),
        ((0.2, 0.2, 0.2, 0.4), {"top_k": 1}, {3}),
        ((0.2, 0.20001, 0.2, 0.39999), {"top_k": 2}, {1, 3}),
        ((0.5, 0.5, 0.0, 0.0), {"top_k": 3}, {0, 1}),
        # Top-k before nucleus: of 4/7 and 3/7 the first reaches 0.5; nucleus before top-k would leave both.
        ((0.4, 0.3, 0.2, 0.1), {"top_k": 2, "nucleus": 0.5}, {0}),
        # Temperature before both: squares are 16 : 9 : 4 : 1.
        ((0.4, 0.3, 0.2, 0.1), {"temperature": 0.5, "nucleus": 0.5}, {0}),
        ((0.4, 0.3, 0.2, 0.1), {"temperature": 2.0, "nucleus": 0.5}, {0, 1}),
        ((0.4, 0.3, 0.2, 0.1), {"nucleus": 0.5}, {0, 1}),
    ],
)
def test_small_laws(dtype, law, options, wanted):
    with jax.enable_x64(dtype == jnp.float64), np.errstate(divide="ignore"):
        logits = np.log(law)
        assert reference.kept(logits, **options) == wanted
        assert kept(Draw(**options), logits, dtype) == wanted
        # Ties that rounding has broken are ties, and a constant changes nothing.
        noise = 1e-7 * np.random.default_rng(0).normal(size=len(law))
        assert kept(Draw(**options), logits + noise, dtype) == wanted
        assert kept(Draw(**options), logits + 3.0, dtype) == wanted


def test_filters_in_float32_are_those_in_float64_on_a_law_with_symmetries():
    """The sampler's oracle is float32, that of the exact laboratory float64."""
    weights = np.random.default_rng(2).gamma(0.5, size=[3] * 4)
    swap = np.array([0, 2, 1])
    weights = weights + weights[np.ix_(swap, swap, swap, swap)]  # tokens 1 and 2 tie where neither is revealed
    target = targets.table(weights / weights.sum())
    states = laws.sequences(4, 4)
    draws = [Draw(top_k=1), Draw(top_k=2), Draw(nucleus=0.3), Draw(nucleus=0.8), Draw(temperature=0.5, top_k=2)]

    def filtered(target, states):
        rows = jax.vmap(target.conditionals)(states)
        return [jnp.isneginf(draw(rows)) for draw in draws]

    single = jax.device_get(jax.jit(filtered)(target, states))
    with jax.enable_x64(True):
        double = jax.device_get(jax.jit(filtered)(target, states))
    for one, other in zip(single, double, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one[states == 3].any() and not one[states == 3].all(axis=1).any()


def test_defaults_and_filters_that_keep_all_leave_the_logits_alone():
    logits = peaked(64)
    for draw in (Draw(), Draw(top_k=64), Draw(nucleus=1.0), Draw(temperature=1.0, top_k=99, nucleus=1)):
        np.testing.assert_array_equal(draw(jnp.asarray(logits)), logits)


@pytest.mark.parametrize("temperature", [2.0**-126, 1e-37, 1e-30, 0.01, 1e30, 2.0**126])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e30, 3e38])
def test_no_temperature_overflows(temperature, scale):
    logits = np.array([-1.0, 1.0, 0.5, -np.inf], np.float32) * np.float32(scale)
    out = np.asarray(Draw(temperature=temperature)(jnp.asarray(logits)))
    found = np.asarray(jax.nn.softmax(out), np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        shifted = (logits.astype(np.float64) - logits.max().astype(np.float64)) / temperature
    wanted = np.exp(shifted) / np.exp(shifted).sum()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_cold_draw_is_the_most_likely_token():
    target = targets.product([[0.2, 0.5, 0.3]] * 3)
    tokens, info = sample_with_info(
        jax.random.key(0), oracle(target), np.ones((20, 3), int), draw=Draw(temperature=1e-37), batch_size=8
    )
    assert (np.asarray(tokens) == 1).all() and (np.asarray(info.path_log_prob) == 0).all()


@pytest.mark.parametrize("offset", [0, 2**23, -(2**23)])
def test_large_logits_do_not_swallow_the_noise(offset):
    """Logits are defined up to a constant; at 2^23 the noise would be rounded to integers."""
    predictor = Predictor.wrap(_shifted(offset), 4, 3)
    tokens = np.asarray(sample(jax.random.key(1), predictor, np.full((5000, 1), 4), batch_size=64))
    expected = tokens.size * np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum()
    assert stats.chisquare(np.bincount(tokens.ravel(), minlength=3), expected).pvalue > 1e-6


def _shifted(offset):
    return lambda tokens: jnp.broadcast_to(jnp.float32(offset) + jnp.array([0.0, 1.0, 2.0]), (4, 3))


@pytest.mark.parametrize(
    "draw", [Draw(top_k=2), Draw(nucleus=0.6), Draw(temperature=0.6, top_k=3, nucleus=0.7)], ids=["k", "nucleus", "all"]
)
def test_the_law_of_a_filtered_draw(draw):
    """The exact law and samples of independent tokens, each against the twin's rows; two tokens tie."""
    rows = np.array([[0.1, 0.3, 0.3, 0.3], [0.4, 0.05, 0.15, 0.4], [0.7, 0.1, 0.1, 0.1]])
    target = targets.product(rows)
    settings = dict(temperature=draw.temperature, top_k=draw.top_k, nucleus=draw.nucleus)
    sets = [reference.kept(np.log(row), **settings) for row in rows]
    pairs = zip(rows, sets, strict=True)
    wanted = laws.product([reference.law(np.log(row) / draw.temperature, tokens) for row, tokens in pairs])
    found = exact.output_law(oracle(target), schedules.uniform(3, 2), draw=draw).law
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    tokens = np.asarray(sample(jax.random.key(2), oracle(target), np.tile([2, 1], (5000, 1)), draw=draw, batch_size=64))
    counts = np.bincount(np.ravel_multi_index(tuple(tokens.T), wanted.shape), minlength=wanted.size)
    flat_law = wanted.ravel()
    assert counts[flat_law == 0].sum() == 0
    positive = flat_law > 0
    assert positive.sum() < 2 or stats.chisquare(counts[positive], 5000 * flat_law[positive]).pvalue > 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0 is not positive; for the most likely token use top_k=1"),
        ({"temperature": -1}, "temperature=-1.0 is not positive"),
        ({"temperature": float("nan")}, "temperature=nan is not positive"),
        (
            {"temperature": 1e-38},
            "temperature=1e-38 is beyond what float32 can divide by; for the most likely token use",
        ),
        ({"temperature": 1e39}, r"temperature=1e\+39 is beyond what float32 can divide by; use a smaller one"),
        ({"temperature": float("inf")}, "temperature=inf is beyond what float32"),
        ({"temperature": "0.5"}, "temperature='0.5' is not a number"),
        ({"temperature": True}, "temperature=True is not a number"),
        ({"temperature": None}, "temperature=None is not a number"),
        ({"top_k": 0}, "top_k=0 is too small; use at least 1"),
        ({"top_k": -3}, "top_k=-3 is too small"),
        ({"top_k": 2.5}, "top_k=2.5 is not an integer"),
        ({"top_k": 2.0}, "top_k=2.0 is not an integer"),
        ({"top_k": True}, "top_k=True is not an integer"),
        ({"top_k": "2"}, "top_k='2' is not an integer"),
        ({"nucleus": 0.0}, "nucleus=0.0 is not a probability above 0"),
        ({"nucleus": 1.0000001}, "nucleus=1.0000001 is not a probability"),
        ({"nucleus": float("nan")}, "nucleus=nan is not a probability"),
        ({"nucleus": "0.9"}, "nucleus='0.9' is not a number"),
        ({"nucleus": False}, "nucleus=False is not a number"),
    ],
)
def test_bad_settings_are_refused_when_built(options, message):
    with pytest.raises(ValueError, match=message) as error:
        Draw(**options)
    assert "\n" not in str(error.value)


def test_numbers_of_numpy_are_numbers():
    draw = Draw(temperature=np.float32(0.5), top_k=np.int64(2), nucleus=np.float64(0.75))
    assert draw == Draw(0.5, 2, 0.75) and hash(draw) == hash(Draw(0.5, 2, 0.75))
    assert type(draw.top_k) is int and type(draw.temperature) is float
