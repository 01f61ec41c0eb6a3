"""Schedules, distributions of reveal sizes: one builder each, one interface for all (:class:`Schedule`).

This is the list of the folder: the public names, and the words of presets with their help. It imports no file before
one of its names is used, so that ``--help`` needs no JAX. `docs/extending.md` says how to add a schedule.
"""

from typing import TYPE_CHECKING

from jdlm import lazy
from jdlm.words import Word

if TYPE_CHECKING:
    from jdlm.schedules.atoms import Atoms
    from jdlm.schedules.chain import Chain
    from jdlm.schedules.equalizer import tc_equalizer
    from jdlm.schedules.fixed_sizes import cosine, first_hitting, fixed, geometric, uniform
    from jdlm.schedules.minimax.minimax import minimax
    from jdlm.schedules.optimized import best_fixed, optimal
    from jdlm.schedules.per_block import per_block
    from jdlm.schedules.random_cuts import random_cuts, random_phase_equal
    from jdlm.schedules.random_phase import random_phase
    from jdlm.schedules.remasking.builders import Kind, fixed_pairs, remdm, with_corrector
    from jdlm.schedules.remasking.coins import Coins
    from jdlm.schedules.remasking.law import RemaskingLaw
    from jdlm.schedules.remasking.pairs import Pairs
    from jdlm.schedules.schedule import Certificate, Schedule
    from jdlm.schedules.thinning import adaptive_times, ancestral, euler, exponential_times, tau_leaping, uniform_times
    from jdlm.schedules.thinning_law import Thinning

__all__ = [
    "WORDS",
    "Atoms",
    "Certificate",
    "Chain",
    "Coins",
    "Kind",
    "Pairs",
    "RemaskingLaw",
    "Schedule",
    "Thinning",
    "adaptive_times",
    "ancestral",
    "best_fixed",
    "cosine",
    "euler",
    "exponential_times",
    "first_hitting",
    "fixed",
    "fixed_pairs",
    "geometric",
    "minimax",
    "optimal",
    "per_block",
    "random_cuts",
    "random_phase",
    "random_phase_equal",
    "remdm",
    "tau_leaping",
    "tc_equalizer",
    "uniform",
    "uniform_times",
    "with_corrector",
]


def _best_fixed(weight: str, of: str) -> Word:
    return Word(builder="optimized.best_fixed", arguments=(weight,), help=f"the list with the best guarantee {of}")


def _random_phase(weight: str, how: str) -> Word:
    return Word(builder="random_phase.random_phase", arguments=(weight,), help=f"{how} sizes, one random phase")


def _minimax(weight: str, of: str) -> Word:
    return Word(
        builder="minimax.minimax.minimax",
        arguments=(weight,),
        takes=("cache", "progress"),
        help=f"random lists with the best guarantee {of}",
    )


def _thinning(method: str, how: str) -> Word:
    return Word(
        builder=f"thinning.{method}",
        call="from_word",
        arguments=(method,),
        parameter="masking",
        example="linear",
        choices=("linear", "cosine", "polynomial", "exponential"),
        more_steps=True,
        help=f"each token on its own, {how}",
    )


WORDS = {
    "uniform": Word(builder="fixed_sizes.uniform", help="equal sizes"),
    "cosine": Word(builder="fixed_sizes.cosine", help="the growing sizes of MaskGIT"),
    "geometric": Word(
        builder="fixed_sizes.geometric",
        parameter="ratio",
        example="0.5",
        help="each size is RATIO times the one before",
    ),
    "best_fixed_tc": _best_fixed("tc", "in TC"),
    "best_fixed_dtc": _best_fixed("dtc", "in DTC"),
    "best_fixed_both": _best_fixed("both", "in both"),
    "random_phase_tc": _random_phase("tc", "shrinking"),
    "random_phase_dtc": _random_phase("dtc", "growing"),
    "random_phase_equal": Word(builder="random_cuts.random_phase_equal", help="equal sizes, one random phase"),
    "random_cuts": Word(builder="random_cuts.random_cuts", help="random sizes that visit every count equally often"),
    "tc_equalizer": Word(builder="equalizer.tc_equalizer", help="random sizes that cost the same share of every TC"),
    "minimax_tc": _minimax("tc", "in TC"),
    "minimax_dtc": _minimax("dtc", "in DTC"),
    "minimax_both": _minimax("both", "in both"),
    "ancestral": _thinning("ancestral", "by the exact posterior"),
    "euler": _thinning("euler", "by Euler steps"),
    "tau_leaping": _thinning("tau_leaping", "by tau-leaping"),
    "optimal": Word(
        builder="optimized.optimal",
        call="from_word",
        takes=("curve",),
        help="the best list for the known curve",
    ),
    "first_hitting": Word(builder="fixed_sizes.first_hitting", one_token_per_step=True, help="one token per step"),
}
"""Word of a preset -> what it stands for."""

lazy.attach(
    __name__,
    [
        *(word.builder for word in WORDS.values()),
        "atoms.Atoms",
        "chain.Chain",
        "fixed_sizes.fixed",
        "per_block.per_block",
        "remasking.builders.Kind",
        "remasking.builders.fixed_pairs",
        "remasking.builders.remdm",
        "remasking.builders.with_corrector",
        "remasking.coins.Coins",
        "remasking.law.RemaskingLaw",
        "remasking.pairs.Pairs",
        "schedule.Certificate",
        "schedule.Schedule",
        "thinning.adaptive_times",
        "thinning.exponential_times",
        "thinning.uniform_times",
        "thinning_law.Thinning",
    ],
)
