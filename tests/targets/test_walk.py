"""Random walks: what the registry does not check."""

import pytest

from jdlm import targets


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: targets.walk(3, [0, 1]), "adjacency has shape [2]; give a square matrix"),
        (lambda: targets.walk(3, [[0, 2], [2, 0]]), "adjacency[0, 1] = 2; use 1 for an edge and 0 elsew"),
        (lambda: targets.walk(3, [[0, 1], [0, 1]]), "adjacency[0, 1] = 1; an edge leads both ways"),
        (lambda: targets.walk(3, [[1, 0], [0, 0]]), "vertex 1 of adjacency has no neighbour; join it"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError) as error:
        build()
    text = str(error.value)
    assert message in text and "\n" not in text
