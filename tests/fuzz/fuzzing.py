"""What the fuzz tests share: values of every kind, how a call may end, and how often each did.

A call ends with a result, which a test then checks, or with a ValueError or TypeError of one line that names the
remedy. The profile `quick` is part of the suite; ``JDLM_FUZZ=long`` tries far more (see ``.ci/slow``).
"""

import collections
import dataclasses
import math
import os

import hypothesis
import numpy as np
from hypothesis import strategies as st

LONG = os.environ.get("JDLM_FUZZ") == "long"
COUNTS: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
HUGE = (2**31 - 1, 2**31, 2**32, 2**63, 2**64, 10**20, 10**400)


def examples(quick, long):
    """Settings of a test with so many inputs in each profile; the same inputs in each run of the quick one."""
    return hypothesis.settings(
        max_examples=long if LONG else quick,
        derandomize=not LONG,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


integers = st.one_of(
    st.integers(-3, 9), st.sampled_from(HUGE), st.sampled_from([-n for n in HUGE]), st.booleans(), st.just(np.int64(3))
)
floats = st.one_of(
    st.floats(-2, 2), st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308, 1e-308, 0.0, -0.0, 1e-17])
)
texts = st.one_of(
    st.sampled_from(["", "random", "linear", "tc", "dtc", "both", "cap", "\n", "x" * 300]), st.text(max_size=5)
)
scalars = st.one_of(st.none(), integers, floats, texts, st.builds(object), st.complex_numbers(max_magnitude=2))
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
dtypes = st.sampled_from([np.float64, np.float32, np.int32, np.int64, np.uint8, np.bool_, np.complex64, object, "U3"])


@st.composite
def arrays(draw):
    """Arrays of any small shape and type, of numbers in and out of range."""
    shape, dtype = draw(shapes), np.dtype(draw(dtypes))
    count = int(np.prod(shape))
    if dtype.kind in "iub":
        values = draw(
            st.lists(st.integers(0, 1) if dtype.kind == "b" else st.integers(0, 5), min_size=count, max_size=count)
        )
    elif dtype.kind in "fc":
        values = draw(st.lists(floats, min_size=count, max_size=count))
    else:
        values = draw(st.lists(st.sampled_from(["a", "1"]), min_size=count, max_size=count))
    with np.errstate(all="ignore"):
        return np.array(values, dtype).reshape(shape)


lists = st.recursive(st.one_of(integers, floats, st.none()), lambda inner: st.lists(inner, max_size=4), max_leaves=10)
anything = st.one_of(scalars, arrays(), lists, st.dictionaries(texts, integers, max_size=2))


@st.composite
def mostly(draw, usual, other):
    """The usual values, and in one of five cases any other."""
    return draw(other) if draw(st.integers(0, 4)) == 0 else draw(usual)


def attempt(area, call):
    """What a call returns; None if it refused its input as it should.

    Raises:
      AssertionError: it ended in another way, or with a message that helps nobody.
    """
    COUNTS[area]["tried"] += 1
    try:
        result = call()
    except (ValueError, TypeError) as error:
        refusal(area, error)
        return None
    COUNTS[area]["accepted"] += 1
    return result


def refusal(area, error):
    """Check that a message is one that a user can act on; those of the checker of annotations are not ours."""
    COUNTS[area]["refused"] += 1
    if type(error).__module__.startswith(("jaxtyping", "beartype")):
        return
    text = str(error)
    assert text and "\n" not in text and len(text) < 600, (type(error), text)


def verified(area):
    """Count a result that was compared with something independent."""
    COUNTS[area]["verified"] += 1


def flat(value):
    """The numbers in a value, for messages."""
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
