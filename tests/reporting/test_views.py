"""What the page says of a dataset, counted."""

from pipeline.reporting.views import _data_view


def test_balance_is_counted_over_all_and_guessing_over_val() -> None:
    counts = {"images": {}, "splits": {"train": 30, "val": 10}, "own_splits": {}, "quarantined": {}}
    classes = [
        {"class": "cat", "train": 10, "val": 6, "test": 0},
        {"class": "dog", "train": 20, "val": 4, "test": 0},
    ]
    view = _data_view(counts, classes)
    assert [row["counts"] for row in view["classes"]] == [[10, 6], [20, 4]], "splits with images"
    assert [row["name"] for row in view["classes"]] == ["cat", "dog"]
    assert [row["total"] for row in view["classes"]] == [16, 24]
    assert view["total"] == 40
    assert view["ratio"] == 1.5
    assert view["guessing"] == 0.6
    assert view["leaks_prevented"] is None
