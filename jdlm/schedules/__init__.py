"""Laws of how many tokens each step reveals: one builder a schedule, one shape for all (:class:`Schedule`)."""

from jdlm.schedules.equalizer import tc_equalizer
from jdlm.schedules.fixed_sizes import cosine, first_hitting, fixed, geometric, uniform
from jdlm.schedules.minimax import minimax
from jdlm.schedules.schedule import Atoms, Certificate, Chain, Schedule

__all__ = [
    "Atoms",
    "Certificate",
    "Chain",
    "Schedule",
    "cosine",
    "first_hitting",
    "fixed",
    "geometric",
    "minimax",
    "tc_equalizer",
    "uniform",
]
