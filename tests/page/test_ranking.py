"""Which head is called best: only one that beats each other beyond chance, on the same images."""

import pytest

from pipeline.page.ranking import Head, rank_heads


def head_with(right: int, n: int = 100, images: str = "same", log_loss: float = 0.5) -> Head:
    """Return what the page knows of a head that is right on the first images."""
    return {
        "answers": {"images": images, "right": "1" * right + "0" * (n - right)},
        "metrics": {"val": {"accuracy": right / n, "log_loss": log_loss}},
    }


def verdicts_of(*heads: Head) -> list[str]:
    return [rank.verdict for rank in rank_heads(heads)]


@pytest.mark.parametrize(
    ("right", "verdicts"),
    [
        ([90], [""]),
        ([90, 70], ["best", "worse"]),
        ([70, 90], ["worse", "best"]),
        ([90, 89], ["leading", "level"]),
        ([90, 89, 50], ["leading", "level", "worse"]),
        ([90, 90], ["leading", "level"]),
    ],
)
def test_only_a_lead_beyond_chance_makes_the_best(right: list[int], verdicts: list[str]) -> None:
    assert verdicts_of(*map(head_with, right)) == verdicts


def test_the_more_heads_the_more_evidence_is_asked_for() -> None:
    """Six images more: p is 0.03, enough for one comparison and too much for two."""
    assert verdicts_of(head_with(90), head_with(84)) == ["best", "worse"]
    assert verdicts_of(head_with(90), head_with(84), head_with(20)) == ["leading", "level", "worse"]


def test_of_equals_the_surer_one_leads() -> None:
    assert verdicts_of(head_with(90), head_with(90, log_loss=0.1)) == ["level", "leading"]


def test_heads_that_were_asked_other_images_are_not_compared() -> None:
    ranks = rank_heads([head_with(90), head_with(10, images="others")])
    assert [rank.verdict for rank in ranks] == ["leading", "other images"]
    assert ranks[1].p_value is None
