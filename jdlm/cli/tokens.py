"""``sample.py tokens``: prints sequences drawn from a run's network or from the oracle."""

import re

from jdlm import runs
from jdlm.cli import cache, options
from jdlm.cli.resource import load_network, resolve
from jdlm.config import ONE_TOKEN_A_STEP, SELF_SIZED_PLANNERS, build_planner, build_schedule, check_num_steps

_DESCRIPTION = (
    "Prints sequences, one a line, as token ids: drawn by the trained network of a run, or by the oracle of a preset. "
    'Known tokens are kept with --given "0 _ _ 2", where each _ is drawn. RUN is by default the newest run.'
)


def main(arguments: list[str]) -> int:
    """Parses the options, samples, prints or saves."""
    word, rest = options.split(arguments)
    given = options.parse(options.TokensOptions(), rest, "sample.py tokens", _DESCRIPTION)
    resource = resolve(word, given.runs_folder)
    length = resource.config.target.length
    known = None if given.given is None else parse_given(given.given, length)
    masks = length if known is None else known.count(None)
    word, num_steps = _schedule(given, masks)
    if given.output is not None and not given.output.parent.is_dir():
        raise ValueError(f"the folder of --output {given.output} does not exist; make it first")

    cache.compiled_programs()
    import jax
    import numpy as np

    from jdlm import sampling
    from jdlm.predictor import oracle

    target = resource.config.target.build()
    network = None if given.oracle else load_network(resource, target)
    predictor = oracle(target) if network is None else network
    if masks:
        key_sizes, key_tokens = jax.random.split(jax.random.key(given.seed))
        sizes = None
        if word is not None:
            schedule = build_schedule(word, masks, num_steps, cache=cache.schedules())
            sizes = sampling.draw_sizes(key_sizes, schedule, given.count)
        tokens = sampling.sample(
            key_tokens,
            predictor,
            sizes,
            planner=build_planner(given.planner),
            given=None if known is None else np.array([target.vocab_size if t is None else t for t in known]),
            indices=np.arange(given.count),
            batch_size=given.batch_size,
        )
    else:
        tokens = np.array([known] * given.count)
    text = "".join(" ".join(map(str, row)) + "\n" for row in np.asarray(tokens).tolist())
    if given.output is None:
        print(text, end="")
    else:
        runs.replace(given.output, text)
    return 0


def parse_given(text: str, length: int) -> list[int | None]:
    """Known tokens from a text such as ``"0 _ _ 2"`` or ``"0,_,_,2"``; None where a token is to be drawn.

    Raises:
      ValueError: a word that is neither a number nor ``_``, or a wrong number of them.

    >>> parse_given("0, _ 2", 3)
    [0, None, 2]
    """
    words = re.findall(r"[^\s,]+", text)
    for word in words:
        if word != "_" and not word.isdecimal():
            raise ValueError(f"--given holds {word!r}; write token ids and _ for each token to be drawn")
    if len(words) != length:
        raise ValueError(f"--given holds {len(words)} tokens, the sequence has {length}; give {length}, _ for a mask")
    return [None if word == "_" else int(word) for word in words]


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
