import pytest

from pipeline.tools import progress


def test_without_a_terminal_lines_say_done_total_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 2.0, 6.0, 8.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    batches = [range(10)] * 3
    assert list(progress.tracker("computed")(iter(batches), 60)) == batches
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "computed 30 of 60 images, 3.3 images/s, 9 s left\n", "from the first on"


def test_what_comes_right_after_the_first_tells_no_rate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 60.0, 60.1, 70.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    list(progress.tracker("computed")(iter([range(10), range(10), range(0)]), 60))
    assert capsys.readouterr().err == "computed 20 of 60 images, 1.0 images/s, 40 s left\n"


def test_what_is_counted_can_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 1.0, 9.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    list(progress.tracker("tried", unit="heads")(iter([range(1), range(3)]), 8))
    assert capsys.readouterr().err == "tried 4 of 8 heads, 0.4 heads/s, 11 s left\n"
