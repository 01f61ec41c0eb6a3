"""Measurements, each number with its sample size and standard error; scripts import this package as `jdlm.evaluate`.

The names below measure predictors (`learned_curve`, `order_gap`), paths of samplers (`path`; `bound` for many paths to
a sequence) and sampled sequences (`sequences`). The modules: `exact` enumerates small spaces (`state_space` is its
engine, `speculative_law` the law of speculative sampling), `token_draws` the arithmetic of a draw, `marginals` compares
the distributions of single tokens and pairs, `audit` tests any sampler (`alarms` has the tests, `report` the text).
"""

from jdlm.measure.bound import nll_bound, output_kl_bound
from jdlm.measure.estimate import Estimate, mean
from jdlm.measure.learned_curve import CurveEstimate, MeasuredCurve, cross_entropy_curve, learning_error
from jdlm.measure.order_gap import exact_order_gap, order_gap
from jdlm.measure.path import check_complete, monte_carlo_path_kl, path_kl_estimate, path_request, reverse_path_kl
from jdlm.measure.sequences import distinct_share, draw_tokens, log_prob, outside_support_share

__all__ = [
    "CurveEstimate",
    "Estimate",
    "MeasuredCurve",
    "alarms",
    "audit",
    "check_complete",
    "cross_entropy_curve",
    "distinct_share",
    "draw_tokens",
    "exact",
    "exact_order_gap",
    "learning_error",
    "log_prob",
    "marginals",
    "mean",
    "monte_carlo_path_kl",
    "nll_bound",
    "order_gap",
    "output_kl_bound",
    "outside_support_share",
    "path_kl_estimate",
    "path_request",
    "reverse_path_kl",
    "state_space",
    "token_draws",
]
