"""The sampler: any predictor, planner and reveal sizes, lanes side by side in one compiled program.

Public: the functions below, `jdlm.sampling.request` (what `sample_all` is asked for) and `jdlm.sampling.filter` (how a
token is drawn). The engine is behind an underscore: `_queue` cuts requests into queues, `_loop` is the compiled loop,
`_step` what one step of one lane does, `_rounds` the compiled loop of `speculative`.
"""

from jdlm.sampling.filter import Draw, filtered
from jdlm.sampling.request import Request, Steps
from jdlm.sampling.sampler import (
    DEFAULT_WIDTH,
    Info,
    Results,
    default_slots,
    path_log_prob,
    sample,
    sample_all,
    sample_with_info,
)
from jdlm.sampling.sizes import draw_sizes, draw_steps
from jdlm.sampling.speculation import SpeculativeInfo, speculative
from jdlm.sampling.trace import Trace

__all__ = [
    "DEFAULT_WIDTH",
    "Draw",
    "Info",
    "Request",
    "Results",
    "SpeculativeInfo",
    "Steps",
    "Trace",
    "default_slots",
    "draw_sizes",
    "draw_steps",
    "filtered",
    "path_log_prob",
    "sample",
    "sample_all",
    "sample_with_info",
    "speculative",
]
