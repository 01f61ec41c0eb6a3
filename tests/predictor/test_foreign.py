"""Predictors outside of JAX: the same numbers as the same weights in JAX, and modules that are not ready for it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdlm import audit, keys, measure, predictor, sampling, schedules, targets
from jdlm.predictor import Predictor, from_numpy, from_torch

LENGTH, VOCAB = 6, 3
TARGET = targets.sticky_markov(LENGTH, VOCAB, 0.7)


def table(tokens, xp, weights):
    """Logits of a small nonlinear function of all tokens, in numpy or JAX."""
    embedded = weights[0][tokens]  # [..., length, width]
    context = xp.tanh(embedded.sum(-2, keepdims=True) + embedded + weights[1])
    return context @ weights[2]


def weights_of(seed):
    generator = np.random.default_rng(seed)
    shapes = (VOCAB + 1, 8), (LENGTH, 8), (8, VOCAB)
    return [generator.normal(size=shape).astype(np.float32) for shape in shapes]


WEIGHTS = weights_of(0)


def on_host(tokens):
    return table(tokens, np, WEIGHTS)


@pytest.fixture(scope="module")
def pair():
    """The same function, called on the host and traced by JAX."""
    in_jax = [jnp.asarray(each) for each in WEIGHTS]
    traced = Predictor.wrap(lambda tokens: table(tokens, jnp, in_jax), LENGTH, VOCAB)
    return from_numpy(on_host, LENGTH, VOCAB), traced


def test_curves_samples_and_paths_are_those_of_the_same_function_in_jax(pair):
    host, traced = pair
    curves = [measure.cross_entropy_curve(keys.key(0), each, TARGET, 32).cross_entropy.values for each in pair]
    np.testing.assert_allclose(*curves, rtol=1e-5)
    sizes = sampling.draw_sizes(keys.key(1), schedules.uniform(LENGTH, 3), 200)
    tokens = [np.asarray(sampling.sample(keys.key(2), each, sizes)) for each in pair]
    np.testing.assert_array_equal(*tokens)
    fast = [np.asarray(sampling.speculative(keys.key(3), each, 64)[0]) for each in pair]
    np.testing.assert_array_equal(*fast)
    lane = jnp.array([0, 3, 1, 3, 3, 2], jnp.int32)
    np.testing.assert_allclose(host(lane), traced(lane), rtol=1e-5)
    np.testing.assert_allclose(host(lane, jnp.array([4, 1])), traced(lane)[jnp.array([4, 1])], rtol=1e-5)
    many = np.random.default_rng(0).integers(0, VOCAB + 1, (2, 5, LENGTH)).astype(np.int32)
    twice = jax.vmap(jax.vmap(host))(jnp.asarray(many))
    np.testing.assert_allclose(twice, jax.vmap(jax.vmap(traced))(jnp.asarray(many)), rtol=1e-5)


def test_the_exact_law_of_a_sampler_that_calls_the_host_is_that_of_its_tokens(pair):
    """Audited with 4,000 sequences; false alarm 1e-4."""
    from jdlm import exact

    host, traced = pair
    schedule = schedules.uniform(LENGTH, 2)
    law = exact.output_law(traced, schedule)

    def sample(key):
        sizes = sampling.draw_sizes(key, schedule, 1000)
        return sampling.sample(jax.random.fold_in(key, 1), host, sizes)

    assert audit.audit(keys.key(4), sample, law, n=4000).passes()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda tokens: np.zeros((len(tokens), LENGTH, VOCAB + 1)),
            r"returns shape \(2, 6, 4\); return logits of shape",
        ),
        (lambda tokens: np.full((len(tokens), LENGTH, VOCAB), np.nan), "returns NaN for masked tokens"),
        (lambda tokens: np.zeros((len(tokens), LENGTH, VOCAB), complex), "logits of dtype complex128; return floats"),
    ],
)
def test_functions_that_are_no_predictors_are_one_line(function, message):
    with pytest.raises(ValueError, match=message):
        from_numpy(function, LENGTH, VOCAB)


def test_logits_that_change_are_refused():
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"other logits when it is called again; turn dropout off \(module.eval\(\)\)"):
        from_numpy(lambda tokens: generator.normal(size=(len(tokens), LENGTH, VOCAB)), LENGTH, VOCAB)


def test_digests_tell_parameters_and_functions_apart(pair):
    host, _ = pair
    assert predictor.digest(host) == predictor.digest(from_numpy(on_host, LENGTH, VOCAB))
    assert predictor.digest(host) != predictor.digest(from_numpy(lambda t: on_host(t), LENGTH, VOCAB))
    oracles = [predictor.oracle(targets.sticky_markov(LENGTH, VOCAB, stay)) for stay in (0.7, 0.7, 0.8)]
    one, same, other = map(predictor.digest, oracles)
    assert one == same != other and len(one) == 64


# ---- PyTorch


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def module_of(torch, weights, mask_id=VOCAB, extra=0, dtype=None):
    """The function above as a module whose mask has any id and whose vocabulary is larger."""

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            size = max(mask_id, VOCAB) + 1
            embedding = torch.zeros(size, 8)
            embedding[: VOCAB + (mask_id < VOCAB)] = torch.tensor(weights[0])[: VOCAB + (mask_id < VOCAB)]
            embedding[mask_id] = torch.tensor(weights[0][VOCAB])
            self.embedding = torch.nn.Parameter(embedding)
            self.place = torch.nn.Parameter(torch.tensor(weights[1]))
            self.out = torch.nn.Parameter(torch.cat([torch.tensor(weights[2]), torch.ones(8, extra) * 9], dim=1))
            self.dropout = torch.nn.Dropout(0.5)

        def forward(self, ids):
            assert ids.dtype == torch.int64 and ids.max() < len(self.embedding)
            embedded = self.dropout(self.embedding[ids])
            context = torch.tanh(embedded.sum(-2, keepdim=True) + embedded + self.place)
            logits = context @ self.out
            return logits if dtype is None else logits.to(dtype)

    return Module()


@pytest.mark.parametrize(("mask_id", "extra"), [(VOCAB, 0), (7, 0), (7, 5)], ids=["last", "far", "more logits"])
def test_a_module_has_the_curve_of_its_weights_in_jax(torch, pair, mask_id, extra):
    module = module_of(torch, WEIGHTS, mask_id, extra).eval()
    mine = from_torch(module, LENGTH, VOCAB, mask_id=mask_id)
    curves = [
        measure.cross_entropy_curve(keys.key(0), each, TARGET, 32).cross_entropy.values for each in (mine, pair[1])
    ]
    np.testing.assert_allclose(*curves, atol=1e-4)
    assert predictor.digest(mine) == predictor.digest(dataclasses.replace(mine))
    with torch.no_grad():
        module.place += 1e-3
    assert predictor.digest(mine) != predictor.digest(from_torch(module_of(torch, WEIGHTS).eval(), LENGTH, VOCAB))


def test_ids_that_no_sequence_has_get_no_probability(torch):
    """A mask and a special token among the ids of the data, as BERT has them."""
    module = module_of(torch, WEIGHTS, mask_id=1).eval()
    mine = from_torch(module, LENGTH, VOCAB, mask_id=1, special=[2])
    logits = np.asarray(mine(jnp.full(LENGTH, VOCAB, jnp.int32)))
    assert np.isneginf(logits[:, 1:]).all() and np.isfinite(logits[:, 0]).all()
    tokens = np.asarray(sampling.sample(keys.key(0), mine, np.full((20, 1), LENGTH, np.int32)))
    assert (tokens == 0).all()
    with pytest.raises(ValueError, match=r"special=\[0, 2\] leaves no token"):
        from_torch(module, LENGTH, VOCAB, mask_id=1, special=[0, 2])


def test_low_precision_becomes_float32_at_the_border(torch):
    mine = from_torch(module_of(torch, WEIGHTS, dtype=torch.bfloat16).eval(), LENGTH, VOCAB)
    assert mine(jnp.full(LENGTH, VOCAB, jnp.int32)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda torch: module_of(torch, WEIGHTS), r"in training mode, where logits are random; call module.eval\(\)"),
        (lambda torch: lambda ids: ids.float(), r"returns shape \(2, 6\); return logits of shape \(2, 6, 3\)"),
        (lambda torch: lambda ids: torch.zeros(*ids.shape, 2), r"returns shape \(2, 6, 2\)"),
        (lambda torch: lambda ids: "logits", "returns a str; return logits, or an object with .logits"),
    ],
    ids=["training", "no logits", "too few", "a text"],
)
def test_modules_that_are_not_ready_are_one_line(torch, make, message):
    with pytest.raises(ValueError, match=message):
        from_torch(make(torch), LENGTH, VOCAB)


def test_wrap_says_what_a_module_needs(torch):
    with pytest.raises(ValueError, match=r"cannot be traced by JAX; use jdlm.predictor.from_torch"):
        Predictor.wrap(module_of(torch, WEIGHTS), LENGTH, VOCAB)


def bert_in_jax(model, ids):
    """Logits of a BertForMaskedLM by its weights, written from the paper (arXiv 1810.04805) in JAX."""
    weights = {name: jnp.asarray(value.detach().numpy()) for name, value in model.state_dict().items()}
    heads = model.config.num_attention_heads

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) / jnp.sqrt(variance + 1e-12) * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def gelu(x):
        return x * jax.scipy.special.erfc(-x / np.sqrt(2)) / 2

    under = "bert.embeddings"
    x = weights[f"{under}.word_embeddings.weight"][ids] + weights[f"{under}.token_type_embeddings.weight"][0]
    x = norm(x + weights[f"{under}.position_embeddings.weight"][: len(ids)], f"{under}.LayerNorm")
    for layer in range(model.config.num_hidden_layers):
        under = f"bert.encoder.layer.{layer}"
        split = [
            linear(x, f"{under}.attention.self.{name}").reshape(len(ids), heads, -1)
            for name in ("query", "key", "value")
        ]
        scores = jnp.einsum("ihd,jhd->hij", *split[:2]) / np.sqrt(split[0].shape[-1])
        mixed = jnp.einsum("hij,jhd->ihd", jax.nn.softmax(scores, -1), split[2]).reshape(len(ids), -1)
        x = norm(x + linear(mixed, f"{under}.attention.output.dense"), f"{under}.attention.output.LayerNorm")
        hidden = linear(gelu(linear(x, f"{under}.intermediate.dense")), f"{under}.output.dense")
        x = norm(x + hidden, f"{under}.output.LayerNorm")
    x = norm(gelu(linear(x, "cls.predictions.transform.dense")), "cls.predictions.transform.LayerNorm")
    return linear(x, "cls.predictions.decoder")


def test_a_bert_has_the_curve_of_its_weights_in_jax(torch):
    """A small one of random weights, with padding and mask among its ids as transformers puts them."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=VOCAB + 2, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=LENGTH, pad_token_id=VOCAB + 1, initializer_range=0.5,
    )  # fmt: skip
    model = transformers.BertForMaskedLM(config).eval()
    mine = from_torch(model, LENGTH, VOCAB)
    with jax.numpy_rank_promotion("allow"):
        traced = Predictor.wrap(lambda tokens: bert_in_jax(model, tokens)[:, :VOCAB], LENGTH, VOCAB)
        pair = (mine, traced)
        curves = [measure.cross_entropy_curve(keys.key(0), each, TARGET, 32).cross_entropy.values for each in pair]
    np.testing.assert_allclose(*curves, atol=1e-4)
    assert np.ptp(curves[0]) > 1e-3, "random weights say different things at different counts"
