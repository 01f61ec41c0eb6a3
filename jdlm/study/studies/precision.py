"""What does the arithmetic of a draw do to the tokens that it draws?

The same distribution drawn in several ways, each with the exact distribution of what comes out: all values of the
generator are enumerated (`jdlm.measure.token_draws`), so tokens that no sample would show are counted too. How far a
draw is off is said as a temperature: that at which ``p^(1/T) / Z`` has the same mean of ``log p``. Here the predictor
of a row is the way of drawing. Three distributions: a ladder of probabilities down to 1e-12, a token against a crowd of
equally rare ones, and tokens drawn together with the choice to stay masked.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jdlm import measure
from jdlm.measure import token_draws
from jdlm.measure.token_draws import Groups
from jdlm.predictor import Predictor
from jdlm.sampling import sample
from jdlm.study.cells import Origin
from jdlm.study.figures import precision as figures
from jdlm.study.rows import Row
from jdlm.study.studies import precision_words
from jdlm.study.studies.study import Report, Study, kept

__all__ = ["STUDY"]

LEVELS = 13  # of the ladder: 1, 1/10, ..., 1e-12, divided by their sum
CROWDS = (10_000, 100_000, 1_000_000, 8_000_000)  # tokens that share one half of the probability
STEPS = (1_000, 10_000, 100_000, 1_000_000)  # of which one reveals the token, on average
WORDS = 10  # tokens of probabilities 1/2, 1/4, ..., drawn in that step
SAMPLES, CROWD_SAMPLES = 2**20, 64
LANE = 64  # tokens of a lane of jdlm's sampler


def ladder() -> Groups:
    """Tokens whose probabilities fall by a factor of 10 each."""
    weights = 10.0 ** -np.arange(LEVELS)
    return Groups(weights / weights.sum(), np.ones(LEVELS, np.int64))


def crowd(tokens: int) -> Groups:
    """One token of probability 1/2, and a crowd that shares the other half; the crowd's lower and higher ids apart."""
    return Groups(np.array([0.5, 0.5 / tokens, 0.5 / tokens]), np.array([1, tokens // 2, tokens - tokens // 2]))


def together(steps: int) -> Groups:
    """To stay masked, or one of the tokens, as a single draw: staying takes all but one of so many steps."""
    words = 0.5 ** np.arange(1, WORDS + 1)
    revealed = words / words.sum() / steps
    return Groups(np.append(1.0 - 1.0 / steps, revealed), np.ones(WORDS + 1, np.int64))


class Way(NamedTuple):
    """A way of drawing.

    Attributes:
      law: probability of each group, exact or as exact as `jdlm.measure.token_draws` says.
      draw: ``(key, logits, n)`` gives n tokens.
    """

    law: Callable[[Groups], np.ndarray]
    draw: Callable[[Array, np.ndarray, int], np.ndarray]


def _gumbel(mode: str, dtype: Any) -> Callable[[Array, np.ndarray, int], np.ndarray]:
    @jax.jit
    def one(key: Array, logits: Array) -> Array:
        if mode == "high" and dtype == jnp.bfloat16:  # as JAX had it up to 0.11.0
            high, low = jax.random.uniform(key, (2, *logits.shape), dtype)
            return jnp.argmax(token_draws.gumbel_high(high, low) + logits)
        return jax.random.categorical(key, logits, mode=mode)

    @jax.jit
    def many(keys: Array, logits: Array) -> Array:
        return jax.vmap(one, in_axes=(0, None))(keys, logits)

    def draw(key: Array, logits: np.ndarray, n: int) -> np.ndarray:
        keys, converted = jax.random.split(key, n), jnp.asarray(logits).astype(dtype)
        if converted.size < 1000:
            return np.asarray(many(keys, converted))
        return np.array([one(key, converted) for key in keys])  # one after the other, which bounds memory

    return draw


def _inverse(dtype: str) -> Way:
    def law(groups: Groups) -> np.ndarray:
        starts = np.cumsum(groups.sizes) - groups.sizes
        return np.add.reduceat(token_draws.inverse_cdf_law(groups, dtype), starts)

    def draw(key: Array, logits: np.ndarray, n: int) -> np.ndarray:
        with jax.enable_x64(dtype == "float64"):
            uniforms = jax.random.uniform(key, (n,), dtype)
            return np.asarray(token_draws.inverse_cdf_tokens(jnp.asarray(logits, dtype), uniforms))

    return Way(law, draw)


def _constant(logits: Array, tokens: Array, positions: Array | None) -> Array:
    return jnp.broadcast_to(logits, (len(tokens) if positions is None else len(positions), len(logits)))


def _by_jdlm(dtype: Any) -> Way:
    """The library's own sampler: every lane reveals all of its tokens in one step."""

    def law(groups: Groups) -> np.ndarray:
        seen = np.exp(np.log(groups.probabilities).astype(np.float32).astype(dtype).astype(np.float64))
        return token_draws.gumbel_law_high(Groups(seen / (seen @ groups.sizes), groups.sizes))

    def draw(key: Array, logits: np.ndarray, n: int) -> np.ndarray:
        length = LANE if n > LANE * LANE else 1
        predictor = Predictor(jnp.asarray(logits).astype(dtype), _constant, length, len(logits))
        sizes = np.full((n // length, 1), length, np.int32)
        return np.asarray(sample(key, predictor, sizes, batch_size=1 if length == 1 else None)).ravel()

    return Way(law, draw)


WAYS: dict[str, Way] = {
    "gumbel_low_float32": Way(
        lambda groups: token_draws.gumbel_law(groups, "low", jnp.float32), _gumbel("low", jnp.float32)
    ),
    "gumbel_high_float32": Way(token_draws.gumbel_law_high, _gumbel("high", jnp.float32)),
    "inverse_cdf_float32": _inverse("float32"),
    "inverse_cdf_float64": _inverse("float64"),
    "gumbel_low_bfloat16": Way(
        lambda groups: token_draws.gumbel_law(groups, "low", jnp.bfloat16), _gumbel("low", jnp.bfloat16)
    ),
    "gumbel_high_bfloat16": Way(
        lambda groups: token_draws.gumbel_law(groups, "high", jnp.bfloat16), _gumbel("high", jnp.bfloat16)
    ),
    "jdlm_bfloat16_logits": _by_jdlm(jnp.bfloat16),
    "jdlm": _by_jdlm(jnp.float32),
}
QUICK = ("inverse_cdf_float64", "gumbel_low_bfloat16", "gumbel_high_bfloat16", "jdlm")
OF_CROWDS = ("gumbel_low_float32", "gumbel_high_float32", "inverse_cdf_float32", "inverse_cdf_float64", "jdlm")
SAMPLED_CROWD = ("gumbel_low_float32", "jdlm")
OF_STEPS = ("gumbel_low_float32", "gumbel_high_float32", "inverse_cdf_float32", "inverse_cdf_float64")


def rows(seed: int, quick: bool, report: Report) -> Iterator[Row]:
    """All rows; the quick ones are the exact ones of four ways on the ladder."""
    parts: list[tuple[str, Iterator[Row]]] = [("ladder", _shape("ladder", seed, LEVELS))]
    parts += [(f"ladder, {way}", _ladder(seed, way, not quick)) for way in (QUICK if quick else WAYS)]
    if not quick:
        parts.append(("crowd", _shape("crowd", seed, 1 + CROWDS[-1])))
        parts += [(f"crowd of {size:,}, {way}", _crowd(seed, way, size)) for way in OF_CROWDS for size in CROWDS]
        parts.append(("drawn together", _shape("drawn_together", seed, 1 + WORDS)))
        parts += [(f"{steps:,} steps, {way}", _together(seed, way, steps)) for way in OF_STEPS for steps in STEPS]
    for done, (what, made) in enumerate(parts):
        report(done, len(parts), what)
        yield from kept(report, what, lambda made=made: made)
    report(len(parts), len(parts), "done")


def _shape(name: str, seed: int, vocab: int) -> Iterator[Row]:
    origin = Origin(name, seed)
    yield origin.row("length", 1.0, "exact")
    yield origin.row("vocab_size", float(vocab), "exact")


def _ladder(seed: int, way: str, sampled: bool) -> Iterator[Row]:
    """What becomes of each probability."""
    groups, origin = ladder(), Origin("ladder", seed, predictor=way)
    law = WAYS[way].law(groups)
    for level, (drawn, wanted) in enumerate(zip(law, groups.probabilities, strict=True)):
        yield origin.row("token_probability", drawn, "exact", index=level)
        yield origin.row("token_ratio", drawn / wanted, "exact", index=level)
    yield origin.row("tv", 0.5 * np.abs(law - groups.probabilities).sum(), "exact")
    yield origin.row("effective_temperature", _temperature(groups, law), "exact")
    if sampled:
        yield from _sampled(origin, WAYS[way], groups, law, SAMPLES, None)


def _temperature(groups: Groups, law: np.ndarray) -> float:
    return token_draws.effective_temperature(groups, float(law @ np.log(groups.probabilities)))


def _sampled(origin: Origin, way: Way, groups: Groups, law: np.ndarray, n: int, index: int | None) -> Iterator[Row]:
    """The temperature of tokens that are really drawn, and how far it is from that of the exact distribution."""
    tokens = way.draw(origin.key("tokens"), groups.logits(), n)
    group = np.searchsorted(np.cumsum(groups.sizes), tokens, side="right")
    mean = measure.mean(np.log(groups.probabilities)[group])
    found = token_draws.estimated_temperature(groups, mean)
    apart = (found.value - _temperature(groups, law)) / found.standard_error
    yield origin.row("effective_temperature", found, "monte_carlo", index=index)
    yield origin.row("temperature_deviation", measure.Estimate(apart, 1.0, n), "monte_carlo", index=index)


def _crowd(seed: int, way: str, size: int) -> Iterator[Row]:
    """A token against many: their share, and whether lower ids are drawn as often as higher ones."""
    groups, origin = crowd(size), Origin("crowd", seed, predictor=way)
    law = WAYS[way].law(groups)
    yield origin.row("crowd_share", law[1] + law[2], "exact", index=size)
    if way == "gumbel_low_float32":  # the other laws leave out what equal scores do
        ratio = law[1] / law[2] * groups.sizes[2] / groups.sizes[1]
        yield origin.row("lower_over_higher_ids", ratio, "exact", index=size)
    yield origin.row("effective_temperature", _temperature(groups, law), "exact", index=size)
    if way.startswith("inverse"):
        tokens = token_draws.inverse_cdf_law(groups, way.removeprefix("inverse_cdf_"))
        wanted = np.repeat(groups.probabilities, groups.sizes)
        yield origin.row("tv", 0.5 * np.abs(tokens - wanted).sum(), "exact", index=size)
    if way in SAMPLED_CROWD and size == CROWDS[-1]:
        yield from _sampled(origin, WAYS[way], groups, law, CROWD_SAMPLES, size)


def _together(seed: int, way: str, steps: int) -> Iterator[Row]:
    """The token that is drawn where staying masked is not: its distribution as a temperature."""
    groups, origin = together(steps), Origin("drawn_together", seed, predictor=way)
    law = WAYS[way].law(groups)
    tokens = Groups(groups.probabilities[1:] * steps, groups.sizes[1:])
    revealed = float(law[1:].sum())
    yield origin.row("revealed_ratio", revealed * steps, "exact", index=steps)
    yield origin.row("effective_temperature", _temperature(tokens, law[1:] / revealed), "exact", index=steps)


# Processors differ in the last bit of a float32 logarithm, which decides where single values of the noise fall.
STUDY = Study("precision", rows, figures.FIGURES, precision_words.conclude, relative=1e-3)
