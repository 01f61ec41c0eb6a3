"""Speculative sampling in any order: exactly the distribution of one token per step, in few rounds.

A draft of all masked positions, drawn independently, is checked position by position against the conditionals after
each of its prefixes. Rejection sampling makes every position exact, so there is no factorization error; how many
positions pass in a round adapts to the dependence of the tokens, with no parameter.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Int32, Key
from numpy.typing import ArrayLike

from jdlm import devices
from jdlm.errors import InputError, check_type
from jdlm.planners import Planner, fixed_priority, has_fixed_order, random
from jdlm.predictor import Predictor, fault_message, logits_dtype
from jdlm.sampling import _cached_rounds as cached_rounds
from jdlm.sampling import _rounds as rounds
from jdlm.sampling.filter import Draw
from jdlm.sampling.request import MOST_LANES, Request, lanes_of
from jdlm.sampling.sampler import MOST_SLOTS, default_slots, slots_of
from jdlm.targets import validation

__all__ = ["SpeculativeInfo", "speculative"]

_RANDOM = random()
_PLAIN = Draw()
_WIDTH, _CPU_WIDTH = 32, 8  # positions that one pass of a predictor with a cache drafts or checks
_CHECKS = 8  # prefixes per lane and predictor call where nothing else is asked for; more would mostly be refused


class SpeculativeInfo(NamedTuple):
    """What happened in each lane.

    Attributes:
      rounds: int32 ``[lanes]`` batches of predictor calls that had to follow each other: the first, which drafts, and
        one for each round of checks. At most the number of positions to fill.
      calls: int32 ``[lanes]`` sequences given to the predictor.
      accepted: float64 ``[lanes]`` draft tokens accepted per round of checks, 0 where there was none.

    A predictor with a cache (`jdlm.predictor.Predictor.is_ordered`) drafts anew in each round, given all that is
    accepted: a round is then a draft and its check, one pass of the lane each (more where a draft is long), all of
    which are ``calls``.
    """

    rounds: Int[Array, " lanes"]
    calls: Int[Array, " lanes"]
    accepted: Float[np.ndarray, " lanes"]


def speculative(
    key: Key[Array, ""],
    predictor: Predictor,
    lanes: Any,
    *,
    planner: Planner = _RANDOM,
    draw: Draw = _PLAIN,
    window: int | None = None,
    given: ArrayLike | None = None,
    indices: ArrayLike | None = None,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
) -> tuple[Int32[Array, "lanes length"], SpeculativeInfo]:
    """Sequences with exactly the distribution of one token per step in the planner's order, in few rounds.

    All masked positions are drafted independently from the conditionals ``q_i`` at the current state. Then the
    conditionals ``p_i`` after each prefix of the draft are asked for, and the draft ``x_i`` is accepted with
    probability ``min(1, p_i(x_i) / q_i(x_i))``, one position after the other. The first refused position is drawn from
    ``(p_i - q_i)+``, normalized, and the rest is drafted again from the conditionals at the refused prefix. This holds
    for any predictor. A position is refused with probability ``TV(p_i, q_i)``.

    When it pays: a round is one batch of calls, so where a batch takes the time of a single call (a GPU with few
    lanes), time goes by ``rounds``. Where time goes by the number of sequences (a CPU, or a device that is full), it
    goes by ``calls``, which are at least as many as the positions to fill: then it costs no less than one token per
    step, and a schedule of few steps is cheaper. After a refusal no further prefixes of the lane are asked for than
    those of the same batch. With a predictor that keeps what it has computed (a causal network) a check of the whole
    draft is one pass of two rows a position, and it pays anywhere; a window of 8 to 16 wastes the fewest rows on a CPU.

    A sample depends on the key, its index, its given tokens and the window alone; the window never changes the
    distribution, nor the order in which positions are filled.

    Args:
      key: typed threefry key.
      predictor: the mask predictor.
      lanes: int, number of sequences.
      planner: of fixed order: random, left to right or bisection.
      draw: temperature and filters, of drafts and checks alike.
      window: int, positions that a round checks at most; all of them if None.
      given: int ``[length]`` or ``[lanes, length]`` tokens known from the start, the mask id where one is wanted.
      indices: int ``[lanes]`` global sample numbers below 2^32; 0..lanes-1 by default.
      batch_size: lanes advanced together on each device; chosen from the shapes if None. Fewer lanes have more prefixes
        checked in one batch.
      mesh: devices that share the lanes, see `jdlm.devices.mesh`.

    Returns:
      int32 ``[lanes, length]`` and a `SpeculativeInfo`.

    Raises:
      ValueError: a planner that looks at logits, a window below 1, tokens or indices of a wrong shape or range, a key
        that is not threefry's, or logits that are no distribution.

    References: the rule of acceptance is that of speculative decoding; for any-order models see arXiv 2504.20456, for
    rounds in the worst case arXiv 2511.07869.
    """
    check_type("predictor", predictor, Predictor, "use jdlm.predictor.oracle, a network or Predictor.wrap")
    if not has_fixed_order(planner):
        raise InputError(
            f"planner {planner.name} chooses positions by their logits; speculative sampling needs an order that is "
            "known from the start: use random, left_to_right or bisection"
        )
    if draw.final is not None:
        raise InputError(
            f"draw has final={draw.final}, for the last step of a schedule, and drafts have none; leave it out"
        )
    lanes = validation.integer("lanes", lanes, 0, MOST_LANES)
    length, vocab_size = predictor.length, predictor.vocab_size
    window = length if window is None else min(validation.integer("window", window), length)
    nothing = np.zeros((lanes, 1), np.int32)
    work = lanes_of(Request(key, planner, nothing, given, None, indices, allow_leftover=True), predictor)
    together = slots_of(predictor) if predictor.is_ordered else max(1, default_slots(length, vocab_size) // _CHECKS)
    slots = together if batch_size is None else validation.integer("batch_size", batch_size, 1, MOST_SLOTS)
    checks = min(window, max(_CHECKS, default_slots(length, vocab_size) // slots))
    if predictor.is_ordered:
        # Whatever the window, so that one program serves all.
        checks = min(length, _CPU_WIDTH if devices.on_cpu() else _WIDTH)
    kind = rounds.Kind(draw, slots, checks, logits_dtype(predictor))
    engine = cached_rounds.run if predictor.is_ordered else rounds.run
    table = fixed_priority(planner, length)[None]
    parts = devices.size(mesh)
    capacity = max(1, -(-lanes // parts))
    hands = [np.arange(part, lanes, parts) for part in range(parts)]
    rows = [np.pad(hand, (0, capacity - len(hand)), constant_values=0) for hand in hands]
    dealt = jax.tree.map(lambda array: np.concatenate([array[row] for row in rows]), work) if lanes else None
    if dealt is None:
        none = np.zeros(0, np.int32)
        return jnp.zeros((0, length), jnp.int32), SpeculativeInfo(jnp.asarray(none), jnp.asarray(none), none * 1.0)
    count = np.array([len(hand) for hand in hands], np.int32)
    predictor, table = devices.replicate(mesh, (predictor, table))
    dealt, count = devices.spread(mesh, (dealt, count))
    done = devices.fetch(engine(predictor, table, np.int32(window), dealt, count, kind=kind, mesh=mesh))
    places = np.argsort(np.concatenate(hands), kind="stable")
    source = np.concatenate([part * capacity + np.arange(len(hand)) for part, hand in enumerate(hands)])[places]
    done = rounds.Work(*(array[source] for array in done))
    if done.fault.any():
        lane = int(np.argmax(done.fault > 0))
        raise InputError(fault_message(int(done.fault[lane]), f"in lane {lane}"))
    # The first token of a plain predictor's lane needs no check, and no round of checks.
    unchecked = 0 if predictor.is_ordered else 1
    checked = np.maximum(done.to_fill - unchecked, 0) - done.refused
    accepted = checked / np.maximum(done.rounds - unchecked, 1)
    return jnp.asarray(done.tokens), SpeculativeInfo(jnp.asarray(done.rounds), jnp.asarray(done.calls), accepted)
