"""Settings of a network and its training: what is refused, and what is accepted at the ends of each range."""

import math

import pytest

from jdlm.config.settings import NetworkConfig, TrainingConfig, check_seed


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"steps": 0}, "steps=0 .* use steps=1 or more"),
        ({"warmup_steps": 1000}, "warmup_steps=1000 .* use at most 999"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0 is not a positive number"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0 .* use 0"),
        ({"ema_decay": 1.0}, "ema_decay=1.0 is outside"),
        ({"evaluation_draws": 1}, "evaluation_draws=1 .* use evaluation_draws=2 or more"),
        ({"seed": -1}, "seed=-1 is outside"),
        ({"seed": 2**32}, "seed=4294967296 is outside"),
        ({"chunk_steps": True}, "chunk_steps=True is not a whole number"),
        ({"batch_size": 0}, "batch_size=0 .* use batch_size=1 or more"),
        ({"warmup_steps": -1}, "warmup_steps=-1 .* use warmup_steps=0 or more"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 is not a positive number"),
        ({"learning_rate": math.inf}, "learning_rate=inf is not a positive number"),
        ({"clip_norm": 0.0}, "clip_norm=0.0 is not a positive number"),
        ({"weight_decay": math.inf}, "weight_decay=inf is negative or not finite"),
        ({"ema_decay": -0.1}, "ema_decay=-0.1 is outside"),
    ],
)
def test_bad_settings_are_refused(field, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**field)


def test_the_last_settings_of_each_range_are_accepted():
    TrainingConfig(steps=1, batch_size=1, chunk_steps=1, warmup_steps=0, evaluation_draws=2, weight_decay=0.0)
    TrainingConfig(steps=2, warmup_steps=1, ema_decay=0.0, seed=2**32 - 1)
    NetworkConfig(width=1, depth=1, heads=1, mlp_ratio=1)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: NetworkConfig(width=10, heads=4), r"width=10 .* heads=4; use width=12"),
        (lambda: NetworkConfig(depth=0), r"depth=0 .* use depth=1"),
        (lambda: NetworkConfig(heads=True), "heads=True is not a whole number"),
        (lambda: NetworkConfig(mlp_ratio=0), "mlp_ratio=0 .* use mlp_ratio=1"),
    ],
)
def test_bad_networks_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_what_tells_networks_apart_is_all_but_how_attention_is_computed():
    record = NetworkConfig(width=8, attention="library").record()
    assert record == NetworkConfig(width=8).record() and "attention" not in record
    names = {"width": 16, "depth": 3, "heads": 2, "mlp_ratio": 1, "dtype": "bfloat16"}
    assert set(record) == set(names)  # that of a bidirectional network is what it was before there was a kind
    names["kind"] = "causal"
    for name, value in names.items():
        assert NetworkConfig(**{"width": 8} | {name: value}).record() != record, name


def test_seeds_fit_32_bits():
    check_seed(0)
    check_seed(2**32 - 1)
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=rf"^seed={seed} is outside 0\.\.2\*\*32-1; use a number such as 0$"):
            check_seed(seed)
