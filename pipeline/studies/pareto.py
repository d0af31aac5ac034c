"""Which of several choices are worth a look: those that no other beats in quality without being slower."""

from collections.abc import Sequence


def mark_pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell of each point whether it is on the Pareto front.

    Args:
        points: Seconds, of which less is better, and quality, of which more is better.

    Returns:
        False where another point is at least as good in both, and better in one.
    """
    return [
        not any(
            seconds <= own_seconds and quality >= own_quality and (seconds, quality) != own
            for seconds, quality in points
        )
        for own in points
        for own_seconds, own_quality in [own]
    ]
