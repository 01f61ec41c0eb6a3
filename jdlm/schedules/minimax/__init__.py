"""The random sizes with the smallest worst case over all targets, and the linear program behind them.

`minimax` is the builder, `column_generation` solves the program, `solved` keeps what is shipped or cached.
"""

from jdlm.schedules.minimax.minimax import minimax

__all__ = ["minimax"]
