"""``sample.py recommend --model module:function --data FILE``: a predictor and data of one's own, exported."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import jdlm
from jdlm import cli

MODELS = """
import numpy as np
from jdlm import predictor

def table(target):
    def logits(tokens):
        known = np.where(tokens == target.vocab_size, 0, tokens)
        near = np.roll(known, 1, axis=1)[..., None] == np.arange(target.vocab_size)
        return np.where(near, 1.0, 0.0)
    return predictor.from_numpy(logits, target.length, target.vocab_size)

def failing(target):
    raise KeyError("no\\nluck")

def other(target):
    return [target]

def long(target):
    return predictor.from_numpy(lambda t: np.zeros((*t.shape, target.vocab_size)), target.length + 1, target.vocab_size)

def bert(target):
    import torch
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(vocab_size=target.vocab_size + 1, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=32, max_position_embeddings=target.length, pad_token_id=None)
    return BertForMaskedLM(config).eval()
"""


@pytest.fixture
def at_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mymodels.py").write_text(MODELS)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("mymodels", None)
    generator = np.random.default_rng(0)
    np.save("rows.npy", generator.integers(0, 4, (60, 8)))
    return tmp_path


def recommend(*words):
    return cli.guarded(cli.run_sample, ["recommend", *words, "--samples", "8"])


@pytest.mark.parametrize("model", ["mymodels:table", "mymodels.py:table"])
def test_a_predictor_of_ones_own_is_advised_on_to_the_file(at_models, capsys, model):
    assert recommend("--model", model, "--data", "rows.npy", "--num-steps", "3", "--export", "sizes.json") == 0
    out, error = capsys.readouterr()
    assert f"note: running {model}, code of your own choice" in error and "recommended: optimal with" in out
    entry = json.loads(Path("sizes.json").read_text())
    assert sum(entry["tokens_per_step"]) == entry["length"] == 8
    assert entry["model"] == model and len(entry["predictor_sha256"]) == 64
    assert entry["jdlm_version"] == jdlm.__version__ and entry["target"] == "rows"
    assert recommend("--model", model, "--data", "rows.npy", "--num-steps", "2", "--schedule", "minimax_both",
                     "--export", "both.json") == 0  # fmt: skip
    entry = json.loads(Path("both.json").read_text())
    assert entry["schedule"] == "minimax_both" and len(entry["atoms"]) > 1
    assert recommend("--model", model, "--data", "rows.npy", "--length", "4", "--num-steps", "2") == 2
    assert "has 8 tokens, not length=4" in capsys.readouterr().err


def test_a_model_can_be_advised_on_with_the_data_of_a_preset(at_models, capsys):
    assert recommend("tiny", "--model", "mymodels:table", "--num-steps", "2") == 0
    assert "the exact entropy curve of the target plus the learning error of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "mymodels:failing"], "--model mymodels:failing failed with KeyError: 'no"),
        (["--model", "mymodels:other"], "returns a list; return a jdlm.predictor.Predictor or a PyTorch module"),
        (["--model", "mymodels:none"], "mymodels has no function 'none'; name one that takes a target"),
        (["--model", "nosuchmodule:f"], "nosuchmodule cannot be imported (ModuleNotFoundError: No module named"),
        (["--model", "nosuch.py:f"], "nosuch.py cannot be imported (FileNotFoundError: "),
        (["--model", "mymodels"], "--model mymodels is no package.module:function and no file.py:function"),
        (["--model", "mymodels:long"], "the predictor has (length, vocab_size)=(9, 4), the target (8, 4)"),
        (["--model", "mymodels:table", "--oracle"], "--oracle and --model are two predictors; leave out one of them"),
        ([], "--data is for a predictor of your own; name one with --model"),
    ],
)
def test_models_that_are_none_are_one_line(at_models, capsys, words, message):
    assert recommend(*words, "--data", "rows.npy", "--num-steps", "2") == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and message in lines[0], lines


def test_a_bert_is_advised_on_to_the_file(at_models, capsys):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("transformers", reason="transformers is not installed")
    assert recommend("--model", "mymodels:bert", "--data", "rows.npy", "--kl", "20", "--export", "sizes.json") == 0
    entry = json.loads(Path("sizes.json").read_text())
    assert entry["cost_limit_nats"] < 20 and sum(entry["tokens_per_step"]) == 8


def test_the_example_in_pytorch_is_a_model_for_the_command(at_models, capsys):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    example = Path(__file__).parents[2] / "examples" / "own_torch_model.py"
    words = ["--model", f"{example}:model", "--data", "rows.npy", "--schedule", "minimax_both", "--num-steps", "2"]
    assert recommend(*words, "--export", "sizes.json") == 0, capsys.readouterr().err
    made = json.loads(Path("sizes.json").read_text())
    assert made["length"] == 8 and made["schedule"] == "minimax_both" and made["model"].endswith(":model")
    assert len(made["predictor_sha256"]) == 64 and made["jdlm_version"] == jdlm.__version__
