"""The fewest steps that are enough: searches for a number of steps at which a distance has come down to a goal."""

from collections.abc import Callable, Sequence

__all__ = ["fewest", "steps_until"]


def steps_until(distance: Callable[[int], float], goal: float, start: int) -> int:
    """Smallest number of steps, at least 2, with ``distance(steps) <= goal``, for one that falls about like 1/steps.

    Args:
      distance: of a number of steps; at most the goal from some number on. Cheaper if it remembers its values.
      goal: above 0.
      start: where the search begins, at least 2.

    >>> steps_until(lambda k: 3 / k, 0.01, 8)
    300
    """
    low, high, steps = 1, None, start
    while high is None or high - low > 1:
        value = distance(steps)
        low, high = (low, steps) if value <= goal else (steps, high)
        guess = round(steps * value / goal)
        if high is None:
            steps = max(guess, low + 1)
        else:
            steps = guess if low < guess < high else (low + high) // 2
    return high


def fewest(distance: Callable[[int], float], goal: float, choices: Sequence[int]) -> int | None:
    """Smallest of some numbers of steps with ``distance(steps) <= goal``, by bisection; None if none of them has it.

    Args:
      distance: of a number of steps; does not rise.
      goal: above 0.
      choices: numbers of steps in rising order.

    >>> fewest(lambda k: 3 / k, 0.5, [1, 2, 4, 8, 16])
    8
    """
    low, high = -1, len(choices)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if distance(choices[middle]) <= goal else (middle, high)
    return choices[high] if high < len(choices) else None
