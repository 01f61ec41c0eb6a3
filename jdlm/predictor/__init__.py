"""Mask predictors: the oracle, a network or any function, behind one call that a sampler cannot tell apart."""

from jdlm.predictor.foreign import digest, from_numpy, from_torch
from jdlm.predictor.known import check_pair, is_of_target, is_oracle_of, oracle, perturbed
from jdlm.predictor.predictor import (
    CACHE_BYTES,
    Apply,
    Cache,
    CacheRules,
    Predictor,
    chunk_size,
    fault_message,
    faults,
    logits_dtype,
    map_lanes,
    split,
)

__all__ = [
    "CACHE_BYTES",
    "Apply",
    "Cache",
    "CacheRules",
    "Predictor",
    "check_pair",
    "chunk_size",
    "digest",
    "fault_message",
    "faults",
    "from_numpy",
    "from_torch",
    "is_of_target",
    "is_oracle_of",
    "logits_dtype",
    "map_lanes",
    "oracle",
    "perturbed",
    "split",
]
