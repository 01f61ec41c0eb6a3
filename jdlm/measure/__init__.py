"""Measurements: of predictors (curves), of samplers (path KL, marginals, exact laws) and of other people's samplers.

`evaluate` estimates with standard errors, `exact` enumerates on small spaces (`state_space` is its engine), `marginals`
compares laws of single tokens and of pairs, `audit` puts any sampler under test.
"""

__all__ = ["audit", "evaluate", "exact", "marginals", "state_space"]
