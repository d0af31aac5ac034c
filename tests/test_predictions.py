"""Predictions and answers: rows stay together, and what does not fit is refused."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import PredictionsError
from tests.tables import two_predictions


def test_of_split_keeps_rows_together() -> None:
    val = two_predictions().of_split("val")
    assert (val.sha256, val.path, val.labels.tolist()) == (("bb",), ("val/dog/2.jpg",), [1])
    assert val.probabilities.tolist() == [[0.25, 0.75]]
    assert len(two_predictions().of_split("test")) == 0


def test_a_tie_goes_to_the_first_class() -> None:
    even = replace(two_predictions(), probabilities=np.full((2, 2), 0.5))
    assert even.predicted_labels().tolist() == [0, 0]
    assert two_predictions().predicted_labels().tolist() == [0, 1]


def test_answers_are_the_most_probable_class_its_probability_and_the_loss() -> None:
    answers = two_predictions().answers().of_split("val")
    assert (answers.sha256, answers.predicted.tolist()) == (("bb",), [1])
    assert answers.confidence.tolist() == [0.75]
    assert answers.losses == pytest.approx([-np.log(0.75)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": ("aa",)}, "column sha256 has shape 1, expected 2"),
        ({"labels": np.array([0, 2])}, r"row 1, column labels: the label is not in 0\.\.1"),
        ({"labels": np.array([[0], [1]])}, r"column labels has shape \(2, 1\), expected \(2,\)"),
        ({"probabilities": np.ones((2, 3))}, r"column probabilities has shape \(2, 3\)"),
        ({"classes": ("cat",), "probabilities": np.ones((2, 1))}, "two or more"),
    ],
)
def test_the_record_refuses_what_does_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(PredictionsError, match=message):
        replace(two_predictions(), **change)  # type: ignore[arg-type]
