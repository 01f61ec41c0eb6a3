"""``sample.py tokens``: prints sequences drawn from a run's network or from the oracle."""

import re
from pathlib import Path

from jdlm import runs
from jdlm.cli import cache, options
from jdlm.cli.resource import load_predictor, resolve
from jdlm.config import (
    ONE_TOKEN_A_STEP,
    SELF_SIZED_PLANNERS,
    TextConfig,
    build_planner,
    build_schedule,
    check_num_steps,
)

_DESCRIPTION = (
    "Prints sequences, one a line, drawn by the trained network of a run, or by the oracle of a preset: token ids, or "
    'characters where the target is a text. Known tokens are kept with --given "0 _ _ 2" (text: --given "a m__k"), '
    "where each _ is drawn. RUN is by default the newest run."
)


def main(arguments: list[str]) -> int:
    """Parses the options, samples, prints or saves."""
    word, rest = options.split(arguments)
    given = options.parse(options.TokensOptions(), rest, "sample.py tokens", _DESCRIPTION)
    resource = resolve(word, given.runs_folder)
    length, is_text = resource.config.target.length, isinstance(resource.config.target, TextConfig)
    if len(given.mask) != 1:
        raise ValueError(f"--mask {given.mask!r} is not one character; use one that does not occur among the tokens")
    if given.given is None:
        masks = length
    else:
        words = list(given.given) if is_text else re.findall(r"[^\s,]+", given.given)
        masks = words.count(given.mask)
    if given.output is not None and not given.output.parent.is_dir():
        raise ValueError(f"the folder of --output {given.output} does not exist; make it first")
    if given.given is not None and not is_text:
        parse_given(given.given, length, given.mask)  # before anything slow
    word, num_steps = _schedule(given, masks)

    cache.compiled_programs()
    import jax
    import numpy as np

    from jdlm import sampling

    target = resource.config.target.build()
    known = np.full(length, target.vocab_size)
    if given.given is not None:
        known = np.array(
            _encode(target, given.given, given.mask)
            if is_text
            else [
                target.vocab_size if token is None else token for token in parse_given(given.given, length, given.mask)
            ]
        )
    key_sizes, key_tokens = jax.random.split(jax.random.key(given.seed, impl="threefry2x32"))
    sizes = None
    if word is not None:
        sizes = np.zeros((given.count, 1), np.int32)
        if masks:
            schedule = build_schedule(word, masks, num_steps, curve=target.entropy_curve, cache=cache.schedules())
            sizes = sampling.draw_sizes(key_sizes, schedule, given.count)
    tokens = sampling.sample(
        key_tokens,
        load_predictor(resource, target, oracle=given.oracle),
        sizes,
        planner=build_planner(given.planner),
        given=known,
        indices=np.arange(given.count),
        batch_size=given.batch_size,
    )
    _write(given.output, [_line(target, row) for row in np.asarray(tokens)])
    return 0


def _encode(target, text: str, mask: str):
    """Tokens of the characters of a text that is partly known."""
    tokens = target.encode(text, mask)
    if len(tokens) != target.length:
        raise ValueError(f"--given holds {len(tokens)} bytes, the sequence has {target.length}; fill up with {mask!r}")
    return tokens


def _line(target, row) -> str:
    if hasattr(target, "decode"):
        return target.decode(row).replace("\\", "\\\\").replace("\n", "\\n")
    return " ".join(map(str, row.tolist()))


def _write(output: Path | None, lines: list[str]) -> None:
    text = "".join(line + "\n" for line in lines)
    if output is None:
        print(text, end="")
    else:
        runs.replace(output, text)


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
            raise ValueError(f"--given holds {word!r}; write token ids and {mask} for each token to be drawn")
    if len(words) != length:
        raise ValueError(f"--given holds {len(words)} tokens, the sequence has {length}; give {length}, {mask} to draw")
    return [None if word == mask else int(word) for word in words]


def _schedule(given: options.TokensOptions, masks: int) -> tuple[str | None, int]:
    """The word of the schedule (None for a planner that counts by itself) and its number of steps.

    Raises:
      ValueError: options that do not go together.
    """
    if given.planner.partition(":")[0] in SELF_SIZED_PLANNERS:
        if given.schedule is not None or given.num_steps is not None:
            raise ValueError(f"--planner {given.planner} sizes its own steps; leave out --schedule and --num-steps")
        return None, 0
    word, num_steps = given.schedule or "first_hitting", given.num_steps
    if word in ONE_TOKEN_A_STEP:
        if num_steps not in (None, masks):
            raise ValueError(
                f"--num-steps {num_steps} does not apply to {word}, which takes one step a token; "
                "choose another --schedule, such as minimax_both"
            )
        return word, masks
    if num_steps is None:
        raise ValueError(f"--schedule {word} needs --num-steps; use at most {masks}")
    if masks:
        check_num_steps(num_steps, masks, "--num-steps")
    return word, num_steps
