import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm.config.settings import NetworkConfig
from jdlm.predictor import chunk_size, map_lanes
from jdlm.training import network
from tests.reference import network as reference

LENGTH, VOCAB = 6, 3
CONFIG = NetworkConfig(width=16, depth=2, heads=4)


def perturbed(params, scale=0.3):
    """Parameters with noise everywhere, since the head starts at zero."""
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.default_rng(0)
    return jax.tree.unflatten(
        tree, [leaf + np.float32(scale) * rng.normal(size=leaf.shape).astype("f") for leaf in leaves]
    )


@pytest.fixture(scope="module")
def params():
    return perturbed(network.build(CONFIG, LENGTH, VOCAB).init(jax.random.key(0)))


@pytest.fixture(scope="module")
def tokens():
    return jax.random.randint(jax.random.key(1), (20, LENGTH), 0, VOCAB + 1)


@pytest.fixture(scope="module")
def logits(params, tokens):
    """Those of all lanes, from one compiled program."""
    return np.asarray(jax.jit(map_lanes)(network.predictor(CONFIG, params, LENGTH, VOCAB), tokens))


def test_equals_the_float64_twin(params, tokens, logits):
    exact = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    expected = [reference.logits(exact, np.asarray(lane), CONFIG.heads) for lane in tokens]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_single_sequences_equal_the_batch(params, tokens, logits):
    single = jax.jit(network.build(CONFIG, LENGTH, VOCAB).apply)
    for lane, expected in zip(tokens[:3], logits, strict=False):
        np.testing.assert_allclose(single(params, lane), expected, rtol=1e-5, atol=1e-6)


def test_lanes_do_not_see_each_other(params, tokens, logits):
    order = np.random.default_rng(0).permutation(len(tokens))
    predictor = network.predictor(CONFIG, params, LENGTH, VOCAB)
    np.testing.assert_array_equal(jax.jit(map_lanes)(predictor, tokens[order]), logits[order])


def test_positions_equal_the_full_call(params, tokens, logits):
    predictor = network.predictor(CONFIG, params, LENGTH, VOCAB)
    positions = jnp.stack([jnp.array([5, 0, 3]), jnp.array([2, 2, 1])])
    found = jax.jit(map_lanes)(predictor, tokens[:2], positions)
    assert found.shape == (2, 3, VOCAB)
    expected = np.take_along_axis(logits[:2], np.asarray(positions)[..., None], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_chunks_equal_all_lanes_at_once(params, tokens, logits):
    predictor = network.predictor(CONFIG, params, LENGTH, VOCAB)
    positions = jnp.stack([jnp.roll(jnp.arange(LENGTH), lane)[:2] for lane in range(len(tokens))])
    asked = np.take_along_axis(logits, np.asarray(positions)[..., None], axis=1)
    # At most 7 of 20: three parts of 7, the last of which is one short.
    for given, expected in ((None, logits), (positions, asked)):
        found = jax.jit(map_lanes, static_argnums=3)(predictor, tokens, given, 7)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_vmap_of_single_sequences_equals_the_batch(params, tokens, logits):
    """For callers that know nothing of lanes; the gradient goes through the same rules."""
    predictor = network.predictor(CONFIG, params, LENGTH, VOCAB)
    np.testing.assert_allclose(jax.jit(jax.vmap(predictor))(tokens), logits, rtol=1e-5, atol=1e-6)


def derivatives(config, params, tokens, positions=None):
    weight = jnp.asarray(np.random.default_rng(1).normal(size=(len(tokens), LENGTH, VOCAB)), jnp.float32)

    @jax.jit
    @jax.value_and_grad
    def total(params):
        out = map_lanes(network.predictor(config, params, LENGTH, VOCAB), tokens, positions)
        return (weight[:, : out.shape[1]] * jnp.sin(out)).sum()

    return total(params)


def assert_close(found, expected, tolerance):
    scale = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize(("dtype", "asked"), [("float32", None), ("bfloat16", [5, 0, 3])])
def test_choices_of_attention_agree(params, tokens, dtype, asked):
    """Values and gradients; the library's attention and its gradient share no code with this project's."""
    positions = None if asked is None else jnp.broadcast_to(jnp.array(asked), (len(tokens), 3))
    configs = [NetworkConfig(16, 1, 4, dtype=dtype, attention=choice) for choice in ("recompute", "library")]
    params = params | {"blocks": {0: params["blocks"][0]}}
    (value, gradient), expected = (derivatives(config, params, tokens, positions) for config in configs)
    # float32: rounding; bfloat16: 2**-9 for each of about ten products, there and back.
    tolerance = {"float32": 2e-5, "bfloat16": 0.05}[dtype]
    np.testing.assert_allclose(value, expected[0], rtol=tolerance, atol=10 * tolerance)
    assert_close(gradient, expected[1], tolerance)


def test_gradient_equals_differences_of_the_float64_twin(params, tokens):
    """Along random directions, so that every parameter takes part."""
    exact = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    weight = np.random.default_rng(1).normal(size=(3, LENGTH, VOCAB))

    def total(leaves):
        return sum(
            (w * np.sin(reference.logits(leaves, np.asarray(lane), CONFIG.heads))).sum()
            for w, lane in zip(weight.astype("f"), tokens[:3], strict=True)
        )

    _, gradient = derivatives(CONFIG, params, tokens[:3])
    rng = np.random.default_rng(2)
    for _ in range(3):
        step = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape) * 1e-5, exact)
        ahead, behind = (total(jax.tree.map(lambda x, d, s=s: x + s * d, exact, step)) for s in (1, -1))
        along = sum((g * d).sum() for g, d in zip(*map(jax.tree.leaves, (gradient, step)), strict=True))
        size = np.sqrt(sum((np.asarray(g, np.float64) ** 2).sum() for g in jax.tree.leaves(gradient))) * 1e-5
        assert abs((ahead - behind) / 2 - along) < 1e-4 * size


def test_lanes_in_a_chunk_follow_from_the_shapes(monkeypatch):
    assert [chunk_size(bytes_per_lane, 1000) for bytes_per_lane in (1, 100, 500, 501, 2000)] == [512, 8, 2, 1, 1]
    wide = NetworkConfig(width=128, depth=4, heads=4)
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    for count, whole, gradient in ((1, 8, 4), (2, 4, 2)):
        monkeypatch.setattr(jax, "local_device_count", lambda count=count: count)
        assert network.chunk_size(wide, 256) == whole and network.chunk_size(wide, 256, gradient=True) == gradient
        assert network.chunk_size(NetworkConfig(), 32) >= 64
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert network.chunk_size(wide, 256) is None


def test_every_position_sees_every_other(params):
    base = jnp.full(LENGTH, VOCAB)
    changed = jnp.stack([base.at[i].set(token) for i, token in itertools.product(range(LENGTH), range(VOCAB))])
    predictor = network.predictor(CONFIG, params, LENGTH, VOCAB)
    lanes = jnp.concatenate([changed, base[None], base[None]])
    out = np.asarray(jax.jit(map_lanes)(predictor, lanes))
    assert (np.abs(out[:-2] - out[-1]).max(axis=2) > 1e-4).all()


def test_large_scores_do_not_overflow(params, tokens):
    large = jax.tree.map(lambda leaf: 30 * leaf, params)
    found = jax.jit(map_lanes)(network.predictor(CONFIG, large, LENGTH, VOCAB), tokens)
    assert np.isfinite(found).all()


def test_bfloat16_is_close_to_float32(params, tokens, logits):
    config = NetworkConfig(width=16, depth=2, heads=4, dtype="bfloat16")
    found = jax.jit(map_lanes)(network.predictor(config, params, LENGTH, VOCAB), tokens)
    assert found.dtype == jnp.float32
    difference = np.abs(np.asarray(found) - logits)
    # bfloat16 keeps 8 bits, a relative error of 2**-9 in each of about ten products.
    assert 0 < difference.max() < 0.05 * np.abs(logits).max()


@pytest.mark.parametrize(("platform", "precision"), [("cpu", "float32"), ("gpu", "bfloat16")])
def test_precision_and_attention_follow_from_the_platform(params, tokens, monkeypatch, platform, precision):
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    assert network.precision(CONFIG) == precision
    assert network.precision(NetworkConfig(dtype="float32")) == "float32"
    build = network.build.__wrapped__  # not cached: the platform does not change in a process
    program = str(jax.make_jaxpr(build(CONFIG, LENGTH, VOCAB).apply)(params, tokens))
    assert ("bf16" in program) == (precision == "bfloat16")
    assert ("_attend" in program) == (platform == "cpu")


def test_stays_float32_under_x64(params, tokens):
    with jax.enable_x64(True):
        shape = jax.eval_shape(network.build(CONFIG, LENGTH, VOCAB).apply, params, tokens[0])
    assert shape.dtype == jnp.float32


def test_starts_uniform_with_float32_parameters():
    built = network.build(CONFIG, LENGTH, VOCAB)
    fresh = built.init(jax.random.key(3))
    assert {leaf.dtype for leaf in jax.tree.leaves(fresh)} == {jnp.dtype("float32")}
    assert not np.asarray(fresh["head"]["kernel"]).any()
    kernel = np.asarray(fresh["blocks"][0]["mlp_in"]["kernel"])
    # 16 x 64 normal numbers of variance 1/16: five standard errors of the mean square are 22 percent.
    assert np.mean(kernel**2) == pytest.approx(1 / 16, rel=0.22)
    # Normal numbers of the variance that the layer's kind asks for, by the mean square: the relative error of one is
    # sqrt(2 / n), and 5 of them are allowed. What adds to the stream is smaller at a depth of 2, by 0.5 / 2.
    block = fresh["blocks"][1]
    for leaf, variance in (
        (fresh["tokens"], 0.02**2), (fresh["positions"], 0.02**2),
        (block["query"]["kernel"], 1 / 16), (block["key"]["kernel"], 1 / 16), (block["value"]["kernel"], 1 / 16),
        (block["attention_out"]["kernel"], 0.25 / 16), (block["mlp_out"]["kernel"], 0.25 / 64),
    ):  # fmt: skip
        values = np.asarray(leaf, np.float64)
        assert np.mean(values**2) == pytest.approx(variance, rel=5 * np.sqrt(2 / values.size))
        assert abs(values.mean()) < 5 * np.sqrt(variance / values.size)
    for norm in (fresh["norm"], block["norm_attention"], block["norm_mlp"]):
        assert (np.asarray(norm["scale"]) == 1).all() and not np.asarray(norm["bias"]).any()
    assert not np.asarray(block["mlp_in"]["bias"]).any() and not np.asarray(fresh["head"]["bias"]).any()
    kernels = [np.asarray(block[name]["kernel"]).ravel() for name in ("query", "key", "value")]
    # No number is drawn for two of them: 256 correlations of 0 have a standard deviation of 1 / 16.
    assert all(abs(np.corrcoef(kernels[i], kernels[j])[0, 1]) < 5 / 16 for i in range(3) for j in range(i))
    per_block = 4 * (16 * 16 + 16) + (16 * 64 + 64) + (64 * 16 + 16) + 4 * 16
    assert network.num_parameters(fresh) == 4 * 16 + 6 * 16 + 2 * per_block + 2 * 16 + (16 * 3 + 3)


def test_equal_arguments_give_the_same_functions():
    assert network.build(NetworkConfig(), 8, 4) is network.build(NetworkConfig(), 8, 4)
    assert network.build(NetworkConfig(), 8, 4).apply is not network.build(NetworkConfig(), 9, 4).apply


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: network.build(NetworkConfig(), 0, 4), r"length=0 .* length of the target"),
    ],
)
def test_bad_settings_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
