"""What came out, in one sentence a head, made from its figures alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from pipeline.comparison import SIGNIFICANT
from pipeline.metrics import wilson_interval
from pipeline.reporting.findings import Baseline, ConfidenceBin, Learning, Mix
from pipeline.rounding import percent

WIDE_INTERVAL = 0.2  # a wider one leaves open whether a head is good
NAMED_CLASSES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The figures that the story of a head is made of.

    Attributes:
        right: Images of val whose class it names.
        n: Images of val, >= 1.
        low: Lower bound of the 95 % interval of `right / n`.
        high: Its upper bound.
        mixes: Pairs of classes mixed up, the most images first.
        absent: Classes that have no image in val.
        missed: How many of the others have images in val, and it is right about none.
        classes: How many have images in val.
        baseline: What always naming the largest class would give.
        learning: How it learned; None for a kind that knows no epochs.
    """

    right: int
    n: int
    low: float
    high: float
    mixes: Sequence[Mix]
    absent: Sequence[str]
    missed: int
    classes: int
    baseline: Baseline
    learning: Learning | None


def tell_story(outcome: Outcome) -> str:
    """Return one sentence: how often it is right, what it mixes up, what guessing gives, how it learned."""
    clauses = [
        tell_accuracy(outcome),
        tell_missed(outcome),
        tell_mixes(outcome.mixes),
        tell_baseline(outcome),
        tell_absent(outcome.absent),
        tell_learning(outcome.learning),
    ]
    sentence = "; ".join(clause for clause in clauses if clause)
    return f"{sentence[0].upper()}{sentence[1:]}."


def tell_accuracy(outcome: Outcome) -> str:
    """Say on how many images it is right, and how sure that is where the images are few."""
    right, n = outcome.right, outcome.n
    if right == n:
        text = "right on the one image" if n == 1 else f"right on all {n:,} images"
    else:
        text = f"right on {right:,} of {n:,} images ({percent(right / n)})"
    if outcome.high - outcome.low <= WIDE_INTERVAL:
        return text
    return (
        f"{text}, too few to tell much (the true accuracy may be anywhere from "
        f"{percent(outcome.low, 0)} to {percent(outcome.high, 0)})"
    )


def tell_missed(outcome: Outcome) -> str:
    """Say of how many classes it names no image rightly; nothing where there is none such."""
    if not outcome.missed:
        return ""
    return f"of {outcome.missed:,} of the {outcome.classes:,} classes on none"


def tell_mixes(mixes: Sequence[Mix]) -> str:
    """Say which two classes are mixed up most; nothing where no mistake was made."""
    if not mixes:
        return ""
    first = mixes[0]
    ties = sum(mix.count == first.count for mix in mixes)
    if first.count > 1 and ties > 1:
        return f"{ties} kinds of mistake are the most frequent, {first.count:,} times each"
    if first.count > 1:
        return f"most often {first.actual} is taken for {first.predicted}: {first.count:,} times"
    if len(mixes) == 1:
        return f"the one mistake takes {first.actual} for {first.predicted}"
    return "no two classes are mixed up more than once one way"


def tell_baseline(outcome: Outcome) -> str:
    """Say what always naming the largest class would give, and whether the head is better than that."""
    baseline = outcome.baseline
    text = (
        f"always saying {baseline.name} would be right on {percent(baseline.right / outcome.n, 0)}"
    )
    if baseline.p_value >= SIGNIFICANT:
        return f"{text}, and by accuracy the head is not better than that beyond chance"
    if outcome.right < baseline.right:
        return f"{text}: the head is worse than that"
    return text


def tell_absent(absent: Sequence[str]) -> str:
    """Say of which classes nothing is known, because val has none of them."""
    if not absent:
        return ""
    names = ", ".join(absent[:NAMED_CLASSES])
    more = len(absent) - NAMED_CLASSES
    return f"nothing is known of {names}{f' and {more:,} more' if more > 0 else ''}, without an image in val"


def tell_learning(learning: Learning | None) -> str:
    """Say when learning stopped helping; nothing of a head that knows no epochs, or has had but one."""
    if learning is None or learning.epochs == 1:
        return ""
    if learning.rises:
        best = f"epoch {learning.best} of {learning.epochs}"
        alike = "" if learning.overfits else ", as did that on train"
        return f"the log loss on val was lowest after {best} and rose again{alike}"
    return f"after {learning.epochs} epochs the log loss on val was at its lowest, or near it"


def tell_history(learning: Learning) -> str:
    """Say what the curves of learning show."""
    lowest = f"lowest after epoch {learning.best} ({learning.lowest:.3f})"
    if learning.overfits:
        return (
            f"On val the log loss is {lowest}. In the shaded epochs after it, train still improves and val "
            f"does not ({learning.last:.3f} at the end): overfitting, or chance where val has few images or "
            "the curve goes up and down."
        )
    return (
        f"On val the log loss is {lowest}, and {learning.last:.3f} at the end. How far val lies behind "
        "train, the curves show."
    )


def tell_calibration(bins: Sequence[ConfidenceBin]) -> str:
    """Say whether the head is as sure as it is right.

    Where several bins are looked at, each is asked for more evidence (Bonferroni), and all together for twice
    as much as one, so that of twenty heads that are as sure as they are right one is called otherwise.
    """
    n = sum(one.n for one in bins)
    confidence = sum(one.confidence * one.n for one in bins) / n
    accuracy = sum(one.accuracy * one.n for one in bins) / n
    text = f"On average it is {percent(confidence)} sure and {percent(accuracy)} right"
    share = SIGNIFICANT if len(bins) == 1 else SIGNIFICANT / 2
    sides = [_compare(one.confidence, one.accuracy, one.n, share / len(bins)) for one in bins]
    over, under = sides.count(1), sides.count(-1)
    if not over and not under:
        side = _compare(confidence, accuracy, n, share)
        if not side:
            return f"{text}; nowhere is the difference beyond chance."
        verdict = "promises too much" if side > 0 else "is better than it says"
        return f"{text}. That is beyond chance, though no bin by itself is: it {verdict}."
    if over and under:
        verdict = f"promises too much in {over} and is better than it says in {under}"
    else:
        verdict = "promises too much" if over else "is better than it says"
    where = "In the only bin" if len(bins) == 1 else f"In {over + under} of {len(bins)} bins"
    return f"{text}. {where} the difference is beyond chance: it {verdict}."


def _compare(confidence: float, accuracy: float, n: int, chance: float) -> int:
    """Return 1 where images are named with more confidence than chance allows, -1 with less, else 0."""
    low, high = wilson_interval(round(accuracy * n), n, NormalDist().inv_cdf(1 - chance / 2))
    return (confidence > high) - (confidence < low)
