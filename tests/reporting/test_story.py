"""Each clause of the story follows from its figures, and is left out where there is nothing to say."""

from dataclasses import replace

import pytest

from pipeline.metrics import wilson_interval
from pipeline.reporting.findings import Baseline, ConfidenceBin, Learning, Mix
from pipeline.reporting.story import (
    Outcome,
    tell_absent,
    tell_accuracy,
    tell_baseline,
    tell_calibration,
    tell_history,
    tell_learning,
    tell_mixes,
    tell_story,
)

OVERFITTED = Learning(epochs=15, best=5, lowest=0.2, last=0.4, rises=True, overfits=True)
OUTCOME = Outcome(
    right=388,
    n=393,
    low=0.97,
    high=0.995,
    mixes=[Mix(actual="rose", predicted="tulip", count=5, of=100)],
    absent=[],
    missed=0,
    classes=2,
    baseline=Baseline(name="dog", right=201, p_value=0.0),
    learning=OVERFITTED,
)


def mix(count: int) -> Mix:
    return Mix(actual="a", predicted="b", count=count, of=9)


def confidence_bin(confidence: float, right: int, n: int) -> ConfidenceBin:
    low, high = wilson_interval(right, n)
    return ConfidenceBin(confidence=confidence, n=n, accuracy=right / n, low=low, high=high)


def test_the_story_is_one_sentence_of_all_that_matters() -> None:
    assert tell_story(OUTCOME) == (
        "Right on 388 of 393 images (98.7\u202f%); most often rose is taken for tulip: 5 times; "
        "always saying dog would be right on 51\u202f%; "
        "the log loss on val was lowest after epoch 5 of 15 and rose again."
    )


def test_classes_of_which_no_image_is_named_rightly_are_counted() -> None:
    said = tell_story(replace(OUTCOME, missed=28, classes=100))
    assert said.startswith(
        "Right on 388 of 393 images (98.7\u202f%); of 28 of the 100 classes on none; most"
    )


@pytest.mark.parametrize(
    ("right", "n", "text"),
    [
        (1, 1, "right on the one image"),
        (8, 8, "right on all 8 images"),
        (0, 1200, "right on 0 of 1,200 images (0.0\u202f%)"),
    ],
)
def test_accuracy_is_told_in_images(right: int, n: int, text: str) -> None:
    assert tell_accuracy(replace(OUTCOME, right=right, n=n)) == text


def test_a_wide_interval_is_said() -> None:
    assert "anywhere from 68\u202f% to 100\u202f%" in tell_accuracy(
        replace(OUTCOME, low=0.676, high=1.0)
    )
    assert "anywhere" not in tell_accuracy(replace(OUTCOME, low=0.8, high=1.0))


@pytest.mark.parametrize(
    ("mixes", "text"),
    [
        ([], ""),
        ([mix(1)], "the one mistake takes a for b"),
        ([mix(1), mix(1)], "no two classes are mixed up more than once one way"),
        ([mix(2), mix(2), mix(1)], "2 kinds of mistake are the most frequent, 2 times each"),
        ([mix(3), mix(1)], "most often a is taken for b: 3 times"),
    ],
)
def test_only_what_repeats_is_told_as_a_mix(mixes: list[Mix], text: str) -> None:
    assert tell_mixes(mixes) == text


@pytest.mark.parametrize(
    ("right", "p_value", "end"),
    [
        (388, 0.0, "right on 51\u202f%"),
        (205, 0.6, "the head is not better than that beyond chance"),
        (100, 0.0, "the head is worse than that"),
    ],
)
def test_the_baseline_says_whether_the_head_is_worth_anything(
    right: int, p_value: float, end: str
) -> None:
    baseline = replace(OUTCOME.baseline, p_value=p_value)
    assert tell_baseline(replace(OUTCOME, right=right, baseline=baseline)).endswith(end)


def test_classes_without_images_are_named_three_at_most() -> None:
    assert tell_absent(["a", "b", "c", "d", "e"]) == (
        "nothing is known of a, b, c and 2 more, without an image in val"
    )
    assert tell_absent([]) == ""


def test_a_head_that_knows_no_epochs_has_no_word_of_learning() -> None:
    assert tell_learning(None) == ""
    assert tell_learning(replace(OVERFITTED, epochs=1)) == ""
    said = "after 15 epochs the log loss on val was at its lowest, or near it"
    assert tell_learning(replace(OVERFITTED, rises=False, overfits=False)) == said
    said = "the log loss on val was lowest after epoch 5 of 15 and rose again, as did that on train"
    assert tell_learning(replace(OVERFITTED, overfits=False)) == said


def test_the_words_under_the_history_agree_with_its_shading() -> None:
    assert "shaded epochs" in tell_history(OVERFITTED)
    assert "shaded" not in tell_history(replace(OVERFITTED, overfits=False))


@pytest.mark.parametrize(
    ("bins", "end"),
    [
        ([(0.7, 70, 100)], "nowhere is the difference beyond chance."),
        (
            [(0.9, 70, 100)],
            "In the only bin the difference is beyond chance: it promises too much.",
        ),
        ([(0.5, 70, 100)], "it is better than it says."),
        (
            [(0.7, 70, 100), (0.95, 70, 100)],
            "In 1 of 2 bins the difference is beyond chance: it promises too much.",
        ),
        (
            [(0.55, 70, 100), (0.99, 4920, 5000)],
            "In 2 of 2 bins the difference is beyond chance: it promises too much in 1 and is better than "
            "it says in 1.",
        ),
        (
            [(0.6, 3, 3), (0.75, 3, 3), (0.99, 387, 387)],
            "That is beyond chance, though no bin by itself is: it is better than it says.",
        ),
        (
            [(0.74, 66, 100), (0.84, 76, 100), (0.94, 88, 100)],
            "That is beyond chance, though no bin by itself is: it promises too much.",
        ),
        (
            [(0.55, 70, 100), (0.99, 4937, 5000)],
            "In 1 of 2 bins the difference is beyond chance: it is better than it says.",
        ),
    ],
)
def test_calibration_is_judged_by_the_bins_that_are_off(
    bins: list[tuple[float, int, int]], end: str
) -> None:
    assert tell_calibration([confidence_bin(*one) for one in bins]).endswith(end)


def test_of_several_bins_each_is_asked_for_more_evidence() -> None:
    off = confidence_bin(0.79, 70, 100)
    assert off.high < off.confidence
    assert tell_calibration([off]).endswith("it promises too much.")
    others = [confidence_bin(0.7, 70, 100)] * 4
    assert tell_calibration([off, *others]).endswith("nowhere is the difference beyond chance.")
