"""Attention against float64 numpy, its gradient against JAX's own of the plain formula."""

import jax
import jax.numpy as jnp
import numpy as np

from jdlm.training.attention import attend, attend_to_first

rng = np.random.default_rng(0)
LANES, M, N, HEADS, D = 2, 3, 7, 2, 4


def draw(*shape, scale=1.0):
    return rng.normal(size=shape) * scale


def given(dtype=jnp.float32, scale=1.0):
    """Queries of fewer positions than keys and values, as where few logits are wanted."""
    arrays = draw(LANES, M, HEADS, D, scale=scale), draw(LANES, N, HEADS, D), draw(LANES, N, HEADS, D)
    return tuple(jnp.asarray(array, dtype) for array in arrays)


def twin(query, key, value):
    """Softmax(q k / sqrt(d)) v, written out for each lane and head in float64."""
    query, key, value = (np.asarray(array, np.float64) for array in (query, key, value))
    out = np.zeros(query.shape)
    for lane in range(query.shape[0]):
        for head in range(query.shape[2]):
            scores = query[lane, :, head] @ key[lane, :, head].T / np.sqrt(query.shape[3])
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            out[lane, :, head] = weights / weights.sum(axis=1, keepdims=True) @ value[lane, :, head]
    return out


def plain(query, key, value):
    """The same for JAX to differentiate."""
    scores = jnp.einsum("lmhd,lnhd->lhmn", query, key) / np.sqrt(query.shape[-1])
    return jnp.einsum("lhmn,lnhd->lmhd", jax.nn.softmax(scores), value)


def test_equals_the_float64_twin():
    arrays = given()
    found = jax.jit(attend)(*arrays)
    assert found.dtype == jnp.float32 and found.shape == (LANES, M, HEADS, D)
    np.testing.assert_allclose(found, twin(*arrays), rtol=1e-5, atol=1e-6)


def test_gradients_of_all_three_equal_those_of_the_plain_formula():
    arrays, weight = given(), jnp.asarray(draw(LANES, M, HEADS, D), jnp.float32)

    def total(function):
        return jax.jit(jax.grad(lambda *a: (weight * jnp.sin(function(*a))).sum(), argnums=(0, 1, 2)))(*arrays)

    for name, one, other in zip(("query", "key", "value"), total(attend), total(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-6, err_msg=name)
    # What all keys have in common changes no weight.
    np.testing.assert_allclose(np.asarray(total(attend)[1]).sum(axis=1), 0.0, atol=1e-5)


def test_scores_of_hundreds_neither_overflow_nor_lose_their_gradient():
    arrays = given(scale=300.0)
    np.testing.assert_allclose(jax.jit(attend)(*arrays), twin(*arrays), rtol=1e-4, atol=1e-4)
    gradient = np.asarray(jax.jit(jax.grad(lambda *a: attend(*a).sum(), argnums=2))(*arrays))
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient.sum(), LANES * M * HEADS * D, rtol=1e-5)  # the weights of each row sum to 1


def test_bfloat16_comes_back_as_bfloat16_from_sums_in_float32():
    """Products are rounded to 8 bits, sums are not: 256 equal keys have a mean that is right to those 8 bits."""
    query, key = jnp.ones((1, 1, 1, 4), jnp.bfloat16), jnp.ones((1, 256, 1, 4), jnp.bfloat16)
    value = jnp.asarray(1.0 + rng.random((1, 256, 1, 4)), jnp.bfloat16)
    found = jax.jit(attend)(query, key, value)
    assert found.dtype == jnp.bfloat16
    mean = np.asarray(value, np.float64).mean(axis=1)
    np.testing.assert_allclose(np.asarray(found, np.float64)[:, 0], mean, rtol=2**-8)


def plain_first(query, key, value, own_key, own_value, seen):
    """Each row over the first keys, as many as it sees, and itself, as one softmax."""
    scores = jnp.einsum("lhmd,lhdn->lhmn", query, key) / np.sqrt(query.shape[-1])
    hidden = jnp.arange(key.shape[3])[None, None, None] >= seen[:, None, :, None]
    own = (query * own_key).sum(-1, keepdims=True) / np.sqrt(query.shape[-1])
    weights = jax.nn.softmax(jnp.concatenate([jnp.where(hidden, -jnp.inf, scores), own], axis=-1))
    return jnp.einsum("lhmn,lhnd->lhmd", weights[..., :-1], value) + weights[..., -1:] * own_value


def given_first():
    shapes = [(LANES, HEADS, M, D), (LANES, HEADS, D, N), (LANES, HEADS, N, D), (LANES, HEADS, M, D)]
    arrays = [jnp.asarray(draw(*shape), jnp.float32) for shape in [*shapes, shapes[-1]]]
    return arrays, jnp.array([[0, 2, N], [1, 1, 5]], jnp.int32)


def test_attention_over_the_first_keys_equals_the_plain_formula():
    arrays, seen = given_first()
    np.testing.assert_allclose(attend_to_first(*arrays, seen), plain_first(*arrays, seen), rtol=1e-5, atol=1e-6)
    changed = [arrays[0], arrays[1].at[..., 5:].set(1e4), arrays[2].at[:, :, 5:].set(-7.0), *arrays[3:]]
    some = jnp.minimum(seen, 5)
    np.testing.assert_array_equal(attend_to_first(*changed, some), attend_to_first(*arrays, some))


def test_gradients_over_the_first_keys_equal_those_of_the_plain_formula():
    arrays, seen = given_first()
    target = jnp.asarray(draw(LANES, HEADS, M, D), jnp.float32)

    def loss(attend, *arrays):
        return (attend(*arrays, seen) * target).sum()

    found, wanted = (jax.grad(loss, argnums=(1, 2, 3, 4, 5))(f, *arrays) for f in (attend_to_first, plain_first))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
