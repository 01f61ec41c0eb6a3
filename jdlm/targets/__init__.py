"""Laws over sequences that a model learns, known exactly: builders, and the interface that they all share."""

from jdlm.targets.mds import parity, reed_solomon, repetition
from jdlm.targets.mixture import mixture
from jdlm.targets.product import product
from jdlm.targets.table import table
from jdlm.targets.target import Target, Unavailable

__all__ = ["Target", "Unavailable", "mixture", "parity", "product", "reed_solomon", "repetition", "table"]
