"""Schedules, distributions of reveal sizes: one builder each, one interface for all (:class:`Schedule`)."""

from jdlm.schedules.atoms import Atoms
from jdlm.schedules.chain import Chain
from jdlm.schedules.equalizer import tc_equalizer
from jdlm.schedules.fixed_sizes import cosine, first_hitting, fixed, geometric, uniform
from jdlm.schedules.minimax.minimax import minimax
from jdlm.schedules.optimized import best_fixed, optimal
from jdlm.schedules.random_cuts import random_cuts, random_phase_equal
from jdlm.schedules.random_phase import random_phase
from jdlm.schedules.schedule import Certificate, Schedule
from jdlm.schedules.thinning import adaptive_times, ancestral, euler, exponential_times, tau_leaping, uniform_times
from jdlm.schedules.thinning_law import Thinning

__all__ = [
    "Atoms",
    "Certificate",
    "Chain",
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
    "geometric",
    "minimax",
    "optimal",
    "random_cuts",
    "random_phase",
    "random_phase_equal",
    "tau_leaping",
    "tc_equalizer",
    "uniform",
    "uniform_times",
]
