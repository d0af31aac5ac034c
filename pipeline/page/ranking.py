"""Which head of a dataset is best, as far as its images can tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.comparison import SIGNIFICANT, mcnemar_p_value

Head = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """How a head compares with the one of its dataset that is right most often.

    Attributes:
        verdict: `best` (better than every other, beyond chance), `leading` (right most often, but
            not beyond chance), `level` (not told apart from the leading one), `worse` (beyond
            chance), `other images` (not comparable), or empty where there is nothing to compare.
        p_value: Of McNemar's test against the leading one; None of that itself.
    """

    verdict: str
    p_value: float | None = None


def rank_heads(heads: Sequence[Head]) -> list[Rank]:
    """Compare the heads of one dataset, image by image, with the one that is right most often.

    Each comparison asks for the usual evidence, divided by how many there are (Bonferroni), so
    that with many heads chance alone seldom makes one the best.

    Args:
        heads: As the stage report_head writes them, with `answers` and `metrics`.
    """
    if len(heads) < 2:
        return [Rank(verdict="") for _ in heads]
    leading = min(heads, key=lambda head: (-_accuracy(head), head["metrics"]["val"]["log_loss"]))
    p_values = [_p_value(leading, head) for head in heads]
    needed = SIGNIFICANT / (len(heads) - 1)
    others = [
        Rank(verdict="other images")
        if p_value is None
        else Rank(verdict="worse" if p_value < needed else "level", p_value=p_value)
        for p_value in p_values
    ]
    is_best = all(
        rank.verdict == "worse"
        for rank, head in zip(others, heads, strict=True)
        if head is not leading
    )
    first = Rank(verdict="best" if is_best else "leading")
    return [first if head is leading else rank for rank, head in zip(others, heads, strict=True)]


def _accuracy(head: Head) -> float:
    return float(head["metrics"]["val"]["accuracy"])


def _p_value(leading: Head, head: Head) -> float | None:
    """Return McNemar's p value; None where the two were asked other images."""
    if leading["answers"]["images"] != head["answers"]["images"]:
        return None
    pairs = list(zip(leading["answers"]["right"], head["answers"]["right"], strict=True))
    return mcnemar_p_value(pairs.count(("1", "0")), pairs.count(("0", "1")))
