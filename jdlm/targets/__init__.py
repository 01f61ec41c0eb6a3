"""Targets, distributions over sequences for a model to learn: builders, and the interface that they share."""

from jdlm.targets import graphs
from jdlm.targets.blocks import blocks
from jdlm.targets.copies import copy, replace_random
from jdlm.targets.data import data
from jdlm.targets.hidden_markov import hidden_markov
from jdlm.targets.linear_code import linear_code
from jdlm.targets.markov import markov, sticky_markov
from jdlm.targets.mds import parity, reed_solomon, repetition
from jdlm.targets.mixture import mixture
from jdlm.targets.permutation import permutation
from jdlm.targets.product import product
from jdlm.targets.shuffle import shuffle
from jdlm.targets.table import table
from jdlm.targets.target import Target, Unavailable
from jdlm.targets.text import text
from jdlm.targets.walk import walk

__all__ = [
    "Target",
    "Unavailable",
    "blocks",
    "copy",
    "data",
    "graphs",
    "hidden_markov",
    "linear_code",
    "markov",
    "mixture",
    "parity",
    "permutation",
    "product",
    "reed_solomon",
    "repetition",
    "replace_random",
    "shuffle",
    "sticky_markov",
    "table",
    "text",
    "walk",
]
