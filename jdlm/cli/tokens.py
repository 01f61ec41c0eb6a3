"""``sample.py tokens``: prints sequences drawn from a run's network or from the oracle."""

import dataclasses
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm.cli import cache, cores, escape, interrupt, memory, options, output
from jdlm.cli.resource import load_predictor, resolve
from jdlm.config import (
    ONE_TOKEN_A_STEP,
    SELF_SIZED_PLANNERS,
    TargetConfig,
    build_planner,
    build_schedule,
    check_num_steps,
)
from jdlm.config.settings import check_count, check_seed
from jdlm.config.words import SAMPLERS
from jdlm.errors import InputError

if TYPE_CHECKING:
    from jdlm.targets import Target

Known = list[Any]
"""Known tokens as they are written, None where one is to be drawn."""


@dataclass(frozen=True, kw_only=True)
class Options(options.DrawOptions, options.FolderOptions):
    r"""Prints sequences, one per line, drawn by the network of a run, or by the oracle of a preset.

    A line holds token ids, or what they stand for: a text, letters of a FASTA, integers of a table. Known tokens are
    kept with --given "0 _ _ 2", or for texts and letters --given "a m__k", where each _ is drawn. In these, printed and
    given, \n, \r and \t are line feed, carriage return and tab, \\ is a backslash, \_ an underscore that is not a mask,
    \xNN the byte of that hexadecimal number.
    """

    run: options.RunOrPreset = None
    count: int = 8
    """Number of sequences."""
    schedule: str | None = None
    """Word of the schedule, by default first_hitting, one token per step; speculative has its law in few rounds."""
    planner: str = "random"
    """Word of the planner, which chooses the positions of each step; threshold:TAU and its like need no schedule."""
    num_steps: int | None = None
    """Number of steps, for every schedule but first_hitting."""
    given: str | None = None
    """Tokens that are known, as a line is printed (ids or integers also between commas); _ for each to be drawn."""
    mask: str = "_"
    """What stands for a token to be drawn in --given, one character; escaped where a printed text holds it."""
    oracle: bool = False
    """Sample with the target's exact conditionals instead of the trained network."""
    seed: int = 0
    """Seed of all random numbers."""
    batch_size: int | None = None
    """Sequences handled at once; None chooses a size from the shapes."""
    output: Path | None = None
    """File for the tokens, one sequence per line; - or nothing prints them."""

    def __post_init__(self):
        check_count("count", self.count)
        if self.batch_size is not None:
            check_count("batch_size", self.batch_size)
        check_seed(self.seed)


def main(arguments: list[str]) -> int:
    """Parses the options, samples, prints or saves."""
    given = options.parse(Options(), attached(arguments), "tokens")
    given.check()
    interrupt.remains("not all tokens were written")
    resource = resolve(given.run, given.runs_folder)
    known = known_of(given.given, given.mask, resource.config.target)
    masks = known.count(None)
    output.check(given.output, "--output")
    what = f"--count {given.count} of length {len(known)}; use a smaller one, in several calls with other seeds"
    memory.check(memory.of_tokens(given.count, len(known)), what)
    word, num_steps = _schedule(given, masks)

    cache.compiled_programs()
    cores.start()
    import jax
    import numpy as np

    from jdlm import keys, sampling

    target = resource.config.target.build()
    start = np.array(ids_of(target, known, given.mask))
    key_sizes, key_tokens = jax.random.split(keys.key(given.seed))
    sizes = None
    if word is not None:
        sizes = np.zeros((given.count, 1), np.int32)
        if masks and word not in SAMPLERS:
            schedule = build_schedule(word, masks, num_steps, curve=target.entropy_curve, cache=cache.schedules())
            sizes = sampling.draw_sizes(key_sizes, schedule, given.count)
    predictor, planner = load_predictor(resource, target, oracle=given.oracle), build_planner(given.planner)
    more = {"given": start, "indices": np.arange(given.count), "batch_size": given.batch_size, "draw": given.draw()}
    if word in SAMPLERS:
        tokens, _ = sampling.speculative(key_tokens, predictor, given.count, planner=planner, **more)
    else:
        tokens = sampling.sample(key_tokens, predictor, sizes, planner=planner, **more)
    encoding = output.encoding(given.output)
    lines = [line(target, row, given.mask, encoding) for row in np.asarray(tokens).tolist()]
    output.write(given.output, "".join(line + "\n" for line in lines))
    return 0


def attached(arguments: list[str]) -> list[str]:
    """``arguments`` with ``--given -CGT`` as ``--given=-CGT``, which tyro does not take for an option.

    A line that begins with a hyphen can so be given back as it was printed. What is an option stays one.
    """
    names = {"--help", *("--" + field.name.replace("_", "-") for field in dataclasses.fields(Options))}
    for place, (argument, value) in enumerate(itertools.pairwise(arguments)):
        if argument == "--given" and value.partition("=")[0].replace("_", "-") not in names:
            return [*arguments[:place], f"--given={value}", *arguments[place + 2 :]]
    return arguments


def known_of(line: str | None, mask: str, config: TargetConfig) -> "Known":
    """Known tokens as they are written (ids, bytes of a text, or symbols); None where a token is to be drawn.

    Args:
      line: as `tokens` prints one; None where nothing is known.
      mask: what stands for a token to be drawn.
      config: of the target.

    Raises:
      ValueError: a mask that cannot stand for a token to be drawn, or known tokens that are not one sequence.
    """
    length, written = config.length, config.written
    if written in ("bytes", "characters"):
        escape.check_mask(mask)
    elif len(mask) != 1 or mask.isdecimal() or mask.isspace() or mask == ",":
        raise InputError(f"--mask {mask!r} is not one character that cannot be part of a list of ids; use _")
    if line is None:
        return [None] * length
    if written == "ids":
        return parse_given(line, length, mask)
    if written == "words":
        known: Known = [None if word == mask else word for word in re.findall(r"[^\s,]+", line)]
    else:
        known = list(escape.parse(line, mask))
        known = escape.characters(known) if written == "characters" else known
    if len(known) != length:
        unit = "tokens" if written == "words" else written
        raise InputError(f"--given holds {len(known)} {unit}, the sequence has {length}; fill up with {mask!r}")
    return known


def alphabet_of(target: "Target") -> tuple[list[str], str]:
    """How each token is written, and what is written between two of them."""
    from jdlm.targets.sequences import Sequences

    if isinstance(target, Sequences):
        return list(target.symbols), target.separator
    alphabet = getattr(target, "alphabet", None)
    if alphabet is None:
        return [str(token) for token in range(target.vocab_size)], " "
    return [chr(byte) if byte < 128 else f"\\x{byte:02x}" for byte in alphabet], ""


def ids_of(target: "Target", known: "Known", mask: str) -> list[int]:
    """Ids of the known tokens, and the mask id for each that is not known.

    Raises:
      ValueError: a byte or a symbol that the file does not contain, or an id of no token.
    """
    from jdlm.targets.sequences import Sequences

    if isinstance(target, Sequences):
        try:
            return target.tokens(known)
        except InputError as error:
            raise InputError(f"--given holds what the file does not: {error}") from None
    size = target.vocab_size
    alphabet = getattr(target, "alphabet", None)
    tokens = []
    for token in known:
        if token is None:
            tokens.append(size)
        elif alphabet is None:
            if token >= size:
                what = "the mask's own id" if token == size else "too large an id"
                raise InputError(f"--given holds {token}, {what}; use 0 to {size - 1}, and {mask} for what is drawn")
            tokens.append(token)
        elif token not in alphabet:
            raise InputError(
                f"--given holds a byte that the text does not: '{escape.line(bytes([token]), mask)}' does not occur in "
                f"the text; use its characters, and {mask} for what is drawn"
            )
        else:
            tokens.append(alphabet.index(token))
    return tokens


def line(target: "Target", tokens: list[int], mask: str = "_", encoding: str = "utf-8") -> str:
    """A sequence in its own alphabet, as :class:`Options` describes it."""
    from jdlm.targets.sequences import Sequences

    if isinstance(target, Sequences):
        words = [target.symbols[token] for token in tokens]
        return " ".join(words) if target.separator else escape.line("".join(words).encode(), mask, encoding)
    alphabet = getattr(target, "alphabet", None)
    if alphabet is None:
        return " ".join(map(str, tokens))
    return escape.line(bytes(alphabet[token] for token in tokens), mask, encoding)


def parse_given(text: str, length: int, mask: str = "_") -> list[int | None]:
    """Known tokens from a text such as ``"0 _ _ 2"`` or ``"0,_,_,2"``; None where a token is to be drawn.

    Raises:
      ValueError: a word that is neither a number nor ``mask``, or a wrong number of them.

    >>> parse_given("0, _ 2", 3)
    [0, None, 2]
    """
    words = re.findall(r"[^\s,]+", text)
    for word in words:
        if word != mask and not word.isdecimal():
            raise InputError(f"--given holds {word!r}; write token ids and {mask} for each token to be drawn")
    if len(words) != length:
        raise InputError(f"--given holds {len(words)} tokens, the sequence has {length}; give {length}, {mask} to draw")
    return [None if word == mask else int(word) for word in words]


def _schedule(given: Options, masks: int) -> tuple[str | None, int]:
    """The word of the schedule (None for a planner that counts by itself) and its number of steps.

    Raises:
      ValueError: options that do not go together.
    """
    if given.planner.partition(":")[0] in SELF_SIZED_PLANNERS:
        if given.schedule is not None or given.num_steps is not None:
            raise InputError(f"--planner {given.planner} sizes its own steps; leave out --schedule and --num-steps")
        return None, 0
    word, num_steps = given.schedule or "first_hitting", given.num_steps
    if word in SAMPLERS:
        if num_steps is not None:
            raise InputError(f"--num-steps {num_steps} does not apply to {word}, whose rounds adapt; leave it out")
        return word, 0
    if word in ONE_TOKEN_A_STEP:
        if num_steps not in (None, masks):
            raise InputError(
                f"--num-steps {num_steps} does not apply to {word}, which takes one step per token; "
                "choose another --schedule, such as minimax_both"
            )
        return word, masks
    if num_steps is None:
        raise InputError(f"--schedule {word} needs --num-steps; use at most {masks}")
    if masks:
        check_num_steps(num_steps, masks, "--num-steps", word)
    return word, num_steps
