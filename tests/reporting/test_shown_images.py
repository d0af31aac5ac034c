"""What is said of an image comes from the head, the inspection and the manifest, by one sha256."""

import pytest

from pipeline.errors import PipelineError
from pipeline.reporting.shown_images import Knowledge, describe_images
from tests.inspected import inspections_of, knowledge_of, predictions_of

TABLE = predictions_of([("0", 1, 0.9), ("1", 0, 0.99)])


def test_what_is_said_is_what_each_table_says() -> None:
    changes = {"suggested": ("a", "b"), "neighbours": (("1",), ("0",))}
    known = knowledge_of(TABLE, {"1": "photos/1.png"}, **changes)
    assert list(describe_images(known, ["1"])) == ["1"]
    image = describe_images(known, ["0", "1"])["1"]
    assert (image.path, image.member, image.split) == ("val/1.png", "photos/1.png", "val")
    assert (image.label, image.predicted, image.probability) == ("a", "b", 0.99)
    assert image.probabilities == (100, 9900)
    assert (image.suggested, image.quality, image.neighbours) == ("b", 1.0, ("0",))


def test_tables_of_other_images_are_refused() -> None:
    others = inspections_of(predictions_of([("0", 1, 0.9), ("2", 0, 0.9)]))
    with pytest.raises(
        PipelineError,
        match=r"of 2 images, .* not of the same, or in another order",
    ):
        Knowledge(
            answers=TABLE.answers(), inspections=others, members={}, read_predictions=lambda _: []
        )
