"""Chunks deal out every image once, whoever is lost, and stop at the first that fails."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.extraction.decoding import ImageFile
from pipeline.runners.chunks import LARGEST, LARGEST_BATCHES, LOSSES, Chunk, Chunks


def make_chunks(total: int, workers: int = 2, batch_size: int = 1) -> Chunks:
    images = (ImageFile(Path(f"{number}.jpg")) for number in range(total))
    return Chunks(images, total, workers, batch_size)


def numbers(chunk: Chunk | None) -> list[int]:
    return [int(image.path.stem) for image in chunk.images] if chunk else []


@given(
    total=st.integers(0, 3000),
    workers=st.integers(1, 20),
    batch_size=st.sampled_from([1, 8, 64]),
    done=st.lists(st.integers(0, 300), max_size=20),
)
def test_every_image_is_done_once_though_workers_are_lost(
    total: int, workers: int, batch_size: int, done: list[int]
) -> None:
    chunks, found = make_chunks(total, workers, batch_size), list[int]()
    while chunk := chunks.take():
        count = done.pop() if done and chunk.losses + 1 < LOSSES else len(chunk.images)
        found += numbers(chunk)[:count]
        chunk.finish(count)
        chunks.give_back(chunk)
    assert sorted(found) == list(range(total))
    assert not chunks.is_left


def test_chunks_are_full_batches_that_become_smaller_towards_the_end() -> None:
    chunks = make_chunks(100_000, workers=4, batch_size=64)
    sizes = []
    while chunk := chunks.take():
        sizes.append(len(chunk.images))
    assert sizes[0] == 12_544  # half of a fourth, in batches of 64
    assert sizes == sorted(sizes, reverse=True)
    assert all(size % 64 == 0 for size in sizes[:-1])
    assert len(make_chunks(10**6, workers=1).take().images) == LARGEST  # type: ignore[union-attr]
    on_gpu = make_chunks(10**5, workers=1, batch_size=64).take()
    assert len(numbers(on_gpu)) == 64 * LARGEST_BATCHES


def test_a_table_that_has_fewer_images_than_were_counted_ends_all_the_same() -> None:
    chunks = Chunks(iter([ImageFile(Path("0.jpg"))]), 30, 1, 1)
    assert numbers(chunks.take()) == [0]
    assert chunks.take() is None
    assert not chunks.is_left


def test_what_was_given_back_comes_first_and_without_what_was_done() -> None:
    chunks = make_chunks(100)
    one, other = chunks.take(), chunks.take()
    assert one
    assert other
    one.finish(3)
    for chunk in (other, one):
        chunks.give_back(chunk)
    assert numbers(chunks.take()) == list(range(3, 25))
    assert numbers(chunks.take())[0] == 25


def test_after_a_failure_only_what_comes_before_it_is_done() -> None:
    chunks = make_chunks(100)
    first, second, third = (chunks.take() for _ in range(3))
    assert first
    assert second
    assert third
    chunks.fail(second, ValueError("second"))
    for chunk in (first, third):
        chunks.give_back(chunk)
    assert [chunks.is_wanted(one) for one in (first, third)] == [True, False]
    assert chunks.take() is first
    assert chunks.take() is None
    chunks.fail(third, ValueError("third"))
    assert str(chunks.error) == "second"
    chunks.fail(first, ValueError("first"))
    assert str(chunks.error) == "first"
    assert not chunks.is_left


def test_images_that_cost_several_workers_are_named() -> None:
    chunks = make_chunks(20)
    chunk = chunks.take()
    assert chunk
    for _ in range(LOSSES - 1):
        chunks.give_back(chunk)
        assert chunks.take() is chunk
    chunk.finish(1)  # something came: they are not to blame for what was before
    for _ in range(LOSSES - 1):
        chunks.give_back(chunk)
        assert chunks.take() is chunk
    with pytest.raises(PipelineError, match=r"3 workers were lost, .* at or soon after 1\.jpg"):
        chunks.give_back(chunk)
