"""``train.py --data FILE``: a preset for a file of the user's own, chosen from what is in it."""

import re
from pathlib import Path
from typing import Any

from jdlm import files
from jdlm.config import Config, SweepConfig, presets
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.errors import InputError
from jdlm.targets import CharactersConfig, FastaConfig, TargetConfig, TextConfig, TokensConfig

__all__ = ["preset", "say", "write"]

_FASTA = (".fa", ".fasta", ".fna", ".faa", ".ffn", ".frn", ".fas")
_TABLES = (".npy", ".npz", ".csv", ".tsv")
_DEVICES = ("/dev/", "/proc/")
_LONGEST = 128  # tokens of sequences that are taken whole
_WINDOW = 64
_MANY = 1024  # different characters, from which on bytes are taken


def preset(path: str, encoding: str | None = None) -> Config:
    """A preset for a file, whose path is kept as it was given; ``encoding`` is that of a text, UTF-8 by default.

    Raises:
      ValueError: it cannot be read, or holds no sequences that one could train on.
    """
    from jdlm.targets import reading

    content = reading.read(path)
    if not content:
        raise InputError(f"--data {path} is empty; give a file with sequences")
    ending = Path(path).suffix.lower()
    if ending in _TABLES:
        config = _table(path, content)
    elif ending in _FASTA or content.lstrip()[:1] == b">":
        config = _fasta(path, content)
    else:
        config = _text(path, content, encoding or reading.ENCODING)
    target = config.build()  # an error of the file comes before anything is written
    length = target.length
    training = TrainingConfig(
        steps=6000 if config.written in ("bytes", "characters") else 3000,
        batch_size=16,
        learning_rate=2e-3,
        warmup_steps=100,
        chunk_steps=250,
    )
    sweep = SweepConfig(
        schedules=("uniform", "cosine", "best_fixed_both", "minimax_both", "first_hitting"),
        num_steps=tuple(sorted({max(1, length // 8), max(1, length // 4), max(1, length // 2)})),
        samples=256,
        curve_samples=128,
    )
    network = NetworkConfig(width=64 if target.vocab_size <= 256 else 128)
    return Config(_name(path), config, network, training, sweep)


def say(config: Config, path: str) -> None:
    """Print what was chosen for a file, and write the preset of it, but for a pipe, which is gone afterwards."""
    target = config.target.build()
    fit = {"pad": ", shorter ones padded", "windows": ", all windows"}.get(getattr(config.target, "fit", ""), "")
    assert config.training is not None
    print(f"{path}: kind {config.target.kind}, sequences of {target.length} {_unit(config.target)}{fit}", end="; ")
    print(f"{target.vocab_size} different ones; {config.training.steps} steps of training")
    if not path.startswith(_DEVICES):
        written = write(config)
        print(f"wrote {written}, its preset; python train.py {written} trains it again")


def _unit(config: TargetConfig) -> str:
    return {"bytes": "bytes", "words": "tokens"}.get(config.written, "characters")


def write(config: Config) -> Path:
    """Writes the preset into the current folder, under its name or with a number; one that is the same is taken."""
    text = presets.dump(config)
    for number in range(1, 10**6):
        path = Path(f"{config.name}{f'-{number}' if number > 1 else ''}.toml")
        if not path.exists():
            files.write(path, text)
            return path
        if path.is_file() and path.read_bytes() == text.encode():
            return path
    raise InputError(f"{config.name}.toml and a million others exist; remove some")


def _name(path: str) -> str:
    """A name for run and preset, made of the file's."""
    stem = Path(path).name.partition(".")[0]
    name = re.sub(r"[^\w-]+", "-", stem).strip("-_")[:60]
    return "piped" if path.startswith(_DEVICES) else name or "data"


def _table(path: str, content: bytes) -> TokensConfig:
    from jdlm.targets.tokens import numbers

    rows, _ = numbers(path, content)
    return TokensConfig(path=path, **_fit([len(row) for row in rows]))


def _fasta(path: str, content: bytes) -> FastaConfig:
    from jdlm.targets.fasta import records

    found, _ = records(path, content)
    return FastaConfig(path=path, **_fit([len(text) for text, _ in found]))


def _fit(sizes: list[int]) -> dict[str, Any]:
    """Length of the target, and how sequences of these sizes fit it."""
    if not sizes:
        raise InputError("--data holds no sequence; give a file with at least three")
    longest = max(sizes)
    if len(sizes) > 2 and longest <= _LONGEST:
        return {"length": longest, "fit": "exact" if min(sizes) == longest else "pad"}
    if len(sizes) > 2:  # nine of ten sequences have a window
        return {"length": min(_WINDOW, sorted(sizes)[len(sizes) // 10]), "fit": "windows"}
    return {"length": max(1, min(_WINDOW, longest // 10)), "fit": "windows"}


def _text(path: str, content: bytes, encoding: str) -> TextConfig | CharactersConfig:
    from jdlm.targets import reading

    if encoding == "bytes":
        return TextConfig(max(1, min(_WINDOW, len(content) // 10)), path, encoding=encoding)
    text = reading.decoded(path, content, encoding)
    length = max(1, min(_WINDOW, len(text) // 10))
    plain = text.isascii() or len(set(text)) > _MANY
    return (TextConfig if plain else CharactersConfig)(length, path, encoding=encoding)
