"""Exact laws of draws in floating point: against all combinations, second derivations, and what JAX really draws.

Each chi-square test alarms falsely with probability 1e-6; the seeds are fixed.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jdlm.measure import token_draws
from jdlm.measure.estimate import Estimate
from jdlm.measure.token_draws import Groups
from jdlm.study.studies.precision import WAYS
from tests.reference import token_draws as twin

BFLOAT16, FLOAT32 = jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.float32)


def groups(probabilities, sizes=None):
    probabilities = np.array(probabilities, np.float64)
    return Groups(probabilities, np.array(sizes or [1] * len(probabilities)))


def p_value(tokens, law):
    observed = np.bincount(tokens, minlength=len(law))
    assert observed[law == 0].sum() == 0
    expected = law[law > 0] * len(tokens)
    return stats.chi2.sf(((observed[law > 0] - expected) ** 2 / expected).sum(), (law > 0).sum() - 1)


def test_law_of_groups_against_all_combinations():
    """Three tokens, two of them in one group, with every value of bfloat16 noise."""
    noise = np.asarray(token_draws._noise("low", BFLOAT16))
    every = [np.asarray(noise + np.log(p).astype(noise.dtype), float)[::2] for p in (0.75, 0.125, 0.125)]
    wanted = twin.argmax_law([scores.tolist() for scores in every])
    found = token_draws._law(np.sort(noise[::2]), groups([0.75, 0.125], [1, 2]), BFLOAT16)
    np.testing.assert_allclose(found, [wanted[0], wanted[1] + wanted[2]], atol=1e-12)
    found = token_draws._law(np.sort(noise[::2]), groups([0.125, 0.75], [2, 1]), BFLOAT16)
    wanted = twin.argmax_law([scores.tolist() for scores in (every[1], every[2], every[0])])
    np.testing.assert_allclose(found, [wanted[0] + wanted[1], wanted[2]], atol=1e-12)
    found = token_draws._law(np.sort(noise[::2]), groups([0.75, 0.125, 0.125]), BFLOAT16)
    wanted = twin.argmax_law([scores.tolist() for scores in every])
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert found[1] > 1.01 * found[2]  # equal scores go to the lower id


@pytest.mark.parametrize("mode", ["low", "high"])
def test_bfloat16_is_what_jax_draws(mode):
    """The noise has no other values, and the law is far from the probabilities and near the samples."""
    if mode == "high" and jax.__version_info__ > (0, 11, 0):
        pytest.skip("this version of JAX adds half a step to the mode high")
    noise = np.asarray(token_draws._noise(mode, BFLOAT16), float)
    drawn = np.asarray(jax.random.gumbel(jax.random.key(0), (2**17,), jnp.bfloat16, mode=mode), float)
    assert set(drawn) == set(noise)
    some = groups([0.9, 0.09, 0.009999, 1e-6])
    law = token_draws.gumbel_law(some, mode, BFLOAT16)
    logits = jnp.asarray(some.logits()).astype(BFLOAT16)
    tokens = np.asarray(jax.random.categorical(jax.random.key(1), logits, shape=(2**18,), mode=mode))
    assert p_value(tokens, law) > 1e-6 > p_value(tokens, some.probabilities)


def test_bfloat16_high_is_drawn_as_its_law_says_whatever_the_version():
    some = groups([0.9, 0.09, 0.009999, 1e-6])
    way = WAYS["gumbel_high_bfloat16"]
    tokens = way.draw(jax.random.key(1), some.logits(), 2**18)
    law = token_draws.gumbel_law(some, "high", BFLOAT16)
    assert p_value(tokens, law) > 1e-6 > p_value(tokens, some.probabilities)
    if jax.__version_info__ <= (0, 11, 0):
        keys = jax.random.split(jax.random.key(2), 64)
        logits = jnp.asarray(some.logits()).astype(BFLOAT16)
        same = [int(jax.random.categorical(key, logits, mode="high")) for key in keys]
        assert way.draw(jax.random.key(2), some.logits(), 64).tolist() == same


def test_float32_low():
    """The noise has no other values; rare tokens by a second derivation, in which the others are continuous.

    They are not: one uniform in 2^23 is 0, whose score is lower than all others, which a rare token notices by 1e-4.
    """
    noise = token_draws._noise("low", FLOAT32)
    assert np.isin(np.asarray(jax.random.gumbel(jax.random.key(0), (2**16,), mode="low")), noise).all()
    law = token_draws.gumbel_law(groups([1 - 3e-8 - 1e-10, 3e-8, 1e-10]), "low", FLOAT32)
    assert law[1] == pytest.approx(twin.rare_token(3e-8, 2.0**-23, (1, 2**10)), rel=2e-4, abs=0)
    assert law[2] == 0 and law.sum() == 1


@pytest.mark.parametrize("p", [1e-10, 1e-12, 1e-14])
def test_float32_high(p):
    law = token_draws.gumbel_law_high(groups([1 - p, p]))
    assert law[1] == pytest.approx(twin.rare_token(p, 2.0**-46, (0, 2**20)), rel=2e-5, abs=0)
    assert law[0] == pytest.approx(1)


def test_float32_high_by_groups():
    """Common tokens are as they should be; a token of a group is as one alone of its probability."""
    law = token_draws.gumbel_law_high(groups([0.7, 1e-12, 0.05], [1, 3, 6]))
    alone = token_draws.gumbel_law_high(groups([1 - 1e-12, 1e-12]))
    np.testing.assert_allclose(law, [0.7, 3 * alone[1], 0.3], rtol=1e-5)


def test_inverse_cdf():
    some = groups([0.3, 0.0001, 0.1], [1, 3, 6])
    probabilities = np.repeat(some.probabilities, some.sizes)
    law = token_draws.inverse_cdf_law(some, jnp.float32)
    uniforms = jnp.arange(2**12, dtype=jnp.float32) / 2**12
    tokens = token_draws.inverse_cdf_tokens(jnp.asarray(some.logits()), uniforms)
    coarse = np.bincount(np.asarray(tokens), minlength=10) / 2**12
    np.testing.assert_allclose(coarse, twin.inverse_cdf(probabilities / probabilities.sum(), 12), atol=2**-12)
    np.testing.assert_allclose(law, probabilities / probabilities.sum(), atol=2 * 2.0**-23)
    assert law.sum() == 1 and (law * 2**23 == np.round(law * 2**23)).all()
    fine = token_draws.inverse_cdf_law(groups([1 - 1e-12, 1e-12]), jnp.float64)
    assert fine[1] == pytest.approx(1e-12, abs=2 * 2.0**-52) and fine.sum() == 1
    assert fine[1] * 2.0**52 == round(fine[1] * 2.0**52)


@pytest.mark.parametrize("temperature", [0.3, 0.97, 1.0, 2.5])
def test_effective_temperature(temperature):
    some = groups([0.5, 0.05, 0.004], [1, 8, 25])
    weights = np.repeat(some.probabilities, some.sizes) ** (1 / temperature)
    mean = weights @ np.log(np.repeat(some.probabilities, some.sizes)) / weights.sum()
    assert token_draws.effective_temperature(some, mean) == pytest.approx(temperature, rel=1e-9)
    found = token_draws.estimated_temperature(some, Estimate(mean, 1e-6, 100))
    low, high = (token_draws.effective_temperature(some, mean + shift) for shift in (1e-6, -1e-6))
    assert found.value == pytest.approx(temperature) and found.n == 100
    assert found.standard_error == pytest.approx((high - low) / 2, rel=1e-4)


def test_bad_requests_are_refused():
    some = groups([0.5, 0.25], [1, 2])
    with pytest.raises(ValueError, match="mode='high' in float32 has too many values to enumerate; use gumbel_law_hi"):
        token_draws.gumbel_law(some, "high", jnp.float32)
    with pytest.raises(ValueError, match=r"mean_log_prob=-3.0 is not between -1.15.* and -0.69"):
        token_draws.effective_temperature(some, -3.0)
