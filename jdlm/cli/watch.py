"""``sample.py watch``: the same target sampled under several schedules side by side, step by step."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm import files
from jdlm.cli import cache, cores, interrupt, options, output, tokens
from jdlm.cli.resource import Resource, load_predictor, resolve
from jdlm.config import ONE_TOKEN_A_STEP, SELF_SIZED_PLANNERS, build_planner, build_schedule, check_num_steps, words
from jdlm.config.settings import check_count, check_seed
from jdlm.errors import InputError

if TYPE_CHECKING:
    from jdlm.sampling import Trace
    from jdlm.targets import Target

__all__ = ["Options", "main", "scene_of"]

_ENDINGS = (".html", ".gif", ".png")
_MOST_DRAWS = 64
_PLAIN = options.DrawOptions()


@dataclass(frozen=True, kw_only=True)
class Options(options.DrawOptions, options.FolderOptions):
    """Shows how a run, or the oracle of a preset, unmasks a sequence under several schedules side by side.

    Writes one file: a page to play, pause and step through (watch.html), or with --out a .gif or a .png for slides.
    The steps are those of the sampler itself.
    """

    run: options.RunOrPreset = None
    schedules: str = "uniform,cosine,minimax_both,first_hitting"
    """Words of the schedules, between commas."""
    num_steps: int | None = None
    """Number of steps, for every schedule but those of one token a step; by default a quarter of the length."""
    planner: str = "random"
    """Word of the planner, which chooses the positions of each step; threshold:TAU and its like need no schedule."""
    given: str | None = None
    """Tokens that are known, as `tokens` prints a line; _ for each to be drawn."""
    draws: int = 8
    """Number of draws of the random sizes and of the tokens that the page can show."""
    oracle: bool = False
    """Sample with the target's exact conditionals instead of the trained network."""
    seed: int = 0
    """Seed of all random numbers."""
    out: Path | None = None
    """File to write: .html, .gif or .png; by default watch.html in the run, or here for a preset."""

    def __post_init__(self):
        check_seed(self.seed)
        check_count("draws", self.draws)
        if self.draws > _MOST_DRAWS:
            raise InputError(f"draws={self.draws} is more than a page should hold; use at most {_MOST_DRAWS}")
        if self.num_steps is not None:
            check_count("num_steps", self.num_steps)


def main(arguments: list[str]) -> int:
    """Samples and writes the page or the pictures."""
    given = options.parse(Options(), tokens.attached(arguments), "watch")
    given.check()
    resource = resolve(given.run, given.runs_folder)
    if given.out is not None and given.out.suffix.lower() not in _ENDINGS:
        raise InputError(f"--out {given.out} ends in {given.out.suffix!r}; use one of {', '.join(_ENDINGS)}")
    path = given.out or (resource.folder or Path()) / "watch.html"
    output.check(path, "--out")
    names = [word.strip() for word in given.schedules.split(",") if word.strip()]
    known = tokens.known_of(given.given, "_", resource.config.target)
    scene = scene_of(
        resource, names, given.num_steps, draws=given.draws, planner=given.planner, known=known, seed=given.seed,
        oracle=given.oracle, filters=given,
    )  # fmt: skip
    interrupt.remains(f"{path} is not written")
    if path.suffix.lower() == ".html":
        from jdlm.study import pages

        words = given.draw().words
        note = f"sampled by the {_who(resource, given.oracle)}, seed {given.seed}" + (f", {words}" if words else "")
        files.write(path, pages.watch(scene, note))
        print(f"wrote {path}; open it in a browser")
        return 0
    from jdlm.study.pages import pictures

    files.write(path, pictures.animation(scene) if path.suffix.lower() == ".gif" else pictures.still(scene))
    print(f"wrote {path}")
    return 0


def _who(resource: Resource, oracle: bool) -> str:
    trained = resource.folder is not None and resource.config.network is not None
    return "oracle" if oracle or not trained else "network"


def scene_of(
    resource: Resource,
    names: list[str],
    num_steps: int | None,
    *,
    draws: int,
    planner: str = "random",
    known: "tokens.Known | None" = None,
    seed: int = 0,
    oracle: bool = False,
    filters: options.DrawOptions = _PLAIN,
) -> dict[str, Any]:
    """Samples of a run or preset to be watched, see `jdlm.study.pages.scene`.

    Args:
      resource: the run or preset.
      names: words of schedules.
      num_steps: of those that have one; a quarter of the length if None.
      draws: lanes of each schedule.
      planner: word of the planner; one that counts by itself takes the place of the schedules.
      known: known tokens, None for each that is drawn.
      seed: of all random numbers, the same for each schedule.
      oracle: sample with exact conditionals.
      filters: how tokens are drawn.

    Raises:
      ValueError: an unknown word, too many steps, a target that is too long, or no predictor.
    """
    config = resource.config.target
    line: tokens.Known = [None] * config.length if known is None else known
    masks = line.count(None)
    _check(config.length, names, num_steps, masks, planner)
    cache.compiled_programs()
    cores.start()
    import numpy as np

    from jdlm.study import pages

    target = config.build()
    start = np.array(tokens.ids_of(target, line, "_"))
    predictor = load_predictor(resource, target, oracle=oracle)
    own = planner.partition(":")[0] in SELF_SIZED_PLANNERS
    steps = num_steps or max(1, masks // 4)
    traces, draw = {}, filters.draw()
    for name in [planner] if own else names:
        word = None if own else name
        traces[_title(name, own, steps, masks)] = _traced(
            target, predictor, draw, word, steps, start, draws, planner, seed
        )
    symbols, separator = tokens.alphabet_of(target)
    title = f"{resource.name}: {config.length} positions"
    return pages.scene(traces, symbols, title=title, separator=separator, planner=planner)


def _check(length: int, names: list[str], num_steps: int | None, masks: int, planner: str) -> None:
    """Raise an InputError for what cannot be shown, before JAX is started."""
    from jdlm.study.pages.scene import LONGEST

    if length > LONGEST:
        raise InputError(f"length={length} is more than a page can show; at most {LONGEST} positions are watched")
    if not masks:
        raise InputError("--given leaves nothing to draw; put _ for some tokens")
    build_planner(planner)
    if not names:
        raise InputError("--schedules is empty; name some, as in uniform,minimax_both")
    for name in names:
        words.parse(name, words.SCHEDULES, "schedule")
        if num_steps is not None and name not in ONE_TOKEN_A_STEP:
            check_num_steps(num_steps, masks, "--num-steps", name)


def _title(name: str, own: bool, steps: int, masks: int) -> str:
    if own:
        return f"{name}, step sizes of its own"
    count = masks if name in ONE_TOKEN_A_STEP else steps
    return f"{name}, {count} step{'s' * (count != 1)}"


def _traced(target: "Target", predictor, draw, word, steps, start, draws, planner, seed) -> "Trace":
    """The trace of some lanes under one schedule."""
    masks = int((start == target.vocab_size).sum())
    import jax
    import numpy as np

    from jdlm import keys, sampling

    key_sizes, key_tokens = jax.random.split(keys.key(seed))
    sizes = None
    if word is not None:
        schedule = build_schedule(word, masks, steps, curve=target.entropy_curve, cache=cache.schedules())
        sizes = sampling.draw_sizes(key_sizes, schedule, draws) if not schedule.remasks else sampling.draw_steps(
            key_sizes, schedule, draws)  # fmt: skip
    _, info = sampling.sample_with_info(
        key_tokens, predictor, sizes, planner=build_planner(planner), draw=draw, given=start, indices=np.arange(draws),
        trace=True,
    )  # fmt: skip
    assert info.trace is not None
    return info.trace
