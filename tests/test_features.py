"""A features file gives back what was written, or says that it is damaged; never anything else."""

import errno
import hashlib
import os
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import FeaturesError
from pipeline.features import (
    COLUMNS,
    Block,
    FeatureSet,
    Header,
    create_features,
    read_features,
    read_header,
    read_keys,
    stream_features,
)
from pipeline.files import LEFT_OVER_SECONDS, sha256_of
from tests.damages import KINDS, damage, largest_file

HEADER = Header(
    dataset="pets",
    classes=("Katze", "chien", "кот"),
    backbone="fake",
    fingerprint="0123" * 8,
    fingerprint_parts='{"a":"é"}',
)
SIZES = {"train": 30, "val": 7, "test": 3}


def _block(
    rows: int, shape: tuple[int, ...] = (4,), dtype: str = "float16", seed: int = 0
) -> Block:
    rng = np.random.default_rng(seed)
    hashes = np.array([rng.bytes(32).hex() for _ in range(rows)], "S64")
    return Block(
        features=rng.normal(size=(rows, *shape)).astype(dtype),
        labels=rng.integers(0, 3, rows),
        sha256=hashes,
        parent=hashes[::-1].copy(),
        group=np.roll(hashes, 1),
        copy=rng.integers(0, 256, rows).astype(np.uint8),
        path=np.array([f"train/кот/{number}.jpg".encode() for number in range(rows)], "S40"),
    )


def _blocks(dtype: str = "float16", sizes: dict[str, int] = SIZES) -> dict[str, Block]:
    return {
        name: _block(rows, dtype=dtype, seed=seed)
        for seed, (name, rows) in enumerate(sizes.items())
    }


def _part(block: Block, start: int, stop: int) -> Block:
    return Block(**{column: getattr(block, column)[start:stop] for column in COLUMNS})


def _write(path: Path, blocks: dict[str, Block], header: Header = HEADER, step: int = 1000) -> Path:
    with create_features(path, header) as writer:
        for name, block in blocks.items():
            features = block.features
            writer.add_split(name, len(block), features.shape[1:], features.dtype, 40)
            for start in range(0, len(block), step):
                writer.append(name, _part(block, start, start + step))
    return path


def _assert_equal(found: FeatureSet, blocks: dict[str, Block], header: Header = HEADER) -> None:
    assert found.header == header
    assert list(found.splits) == list(blocks)
    for name, block in blocks.items():
        for column in COLUMNS:
            values, expected = getattr(found.splits[name], column), getattr(block, column)
            np.testing.assert_array_equal(values, expected)
            assert values.dtype == expected.dtype


@given(
    rows=st.lists(st.integers(0, 40), min_size=2, max_size=3),
    shape=st.sampled_from([(1,), (5,), (2, 3, 4)]),
    dtype=st.sampled_from(["float16", "float32"]),
    step=st.integers(1, 50),
)
@settings(max_examples=25)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[int],
    shape: tuple[int, ...],
    dtype: str,
    step: int,
) -> None:
    blocks = {
        name: _block(count, shape, dtype, count) for name, count in zip(SIZES, rows, strict=False)
    }
    path = _write(tmp_path_factory.mktemp("features") / "f.h5", blocks, step=step)
    _assert_equal(read_features(path), blocks)
    assert read_header(path) == HEADER
    hashes = b"".join(key for block in blocks.values() for key in block.sha256)
    assert read_keys(path).tobytes() == bytes.fromhex(hashes.decode())
    streamed = list(stream_features(path, 100))
    assert max((len(features) for features in streamed if features.nbytes > 100), default=0) <= 1
    np.testing.assert_array_equal(
        np.concatenate(streamed or [np.zeros((0, *shape), dtype)]),
        np.concatenate([block.features for block in blocks.values()]),
    )


def test_widths_of_layers_are_kept_and_stand_there_only_where_there_are_several(
    tmp_path: Path,
) -> None:
    layers = replace(HEADER, widths=(3, 1))
    path = _write(tmp_path / "f.h5", _blocks(), layers)
    assert read_header(path) == layers
    with h5py.File(path) as file:
        assert file.attrs["widths"].tolist() == [3, 1]
    with h5py.File(_write(tmp_path / "one.h5", _blocks())) as file:
        assert "widths" not in file.attrs


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    first = _write(tmp_path / "a/f.h5", _blocks())
    again = _write(tmp_path / "b/another name.h5", _blocks())
    assert sha256_of(first) == sha256_of(again)
    assert sha256_of(
        _write(tmp_path / "c.h5", _blocks(), replace(HEADER, dataset="pest"))
    ) != sha256_of(first)


def test_bytes_do_not_depend_on_what_lay_in_memory(tmp_path: Path) -> None:
    digests = set()
    for filling in (0, 255, 90):
        rubbish = [
            np.full(size, filling, np.uint8) for size in (512, 2048, 4096, 65536) for _ in range(50)
        ]
        del rubbish
        digests.add(sha256_of(_write(tmp_path / "f.h5", _blocks())))
    assert len(digests) == 1


def test_h5py_alone_can_read_it(tmp_path: Path) -> None:
    blocks = _blocks()
    with h5py.File(_write(tmp_path / "f.h5", blocks)) as file:
        assert dict(file.attrs) | {"classes": None} == {
            "schema": b"bottleneck-features", "schema_version": 2, "dataset": b"pets", "classes": None,
            "backbone": b"fake", "fingerprint": b"0123" * 8, "fingerprint_parts": '{"a":"é"}'.encode(),
        }  # fmt: skip
        assert [name.decode() for name in file.attrs["classes"]] == list(HEADER.classes)
        assert set(file) == {"train", "val", "test"}
        assert file["train/path"].asstr()[0] == "train/кот/0.jpg"
        assert all(file["train"][column].fletcher32 for column in COLUMNS)
        kinds = {column: file["train"][column].dtype for column in COLUMNS}
        assert (kinds["features"], kinds["labels"], kinds["copy"]) == (
            np.float16,
            np.int64,
            np.uint8,
        )
        assert {kinds[name] for name in ("sha256", "parent", "group")} == {np.dtype("S64")}


def test_no_text_of_variable_length_is_in_it(tmp_path: Path) -> None:
    """HDF5 keeps such text in its heap, which has no checksums; damaged, it can make HDF5 run for ever."""
    assert b"GCOL" not in _write(tmp_path / "f.h5", _blocks()).read_bytes()


def test_many_long_class_names_are_kept(tmp_path: Path) -> None:
    header = replace(
        HEADER, classes=tuple(f"{number:05} {'long name ' * 10}" for number in range(2000))
    )
    path = _write(tmp_path / "f.h5", _blocks(), header)
    assert read_header(path) == header


def test_an_unfinished_file_does_not_appear(tmp_path: Path) -> None:
    path = _write(tmp_path / "f.h5", _blocks())
    before = sha256_of(path)

    def interrupt() -> None:
        with create_features(path, HEADER) as writer:
            writer.add_split("train", 5, (4,), "float16", 40)
            raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        interrupt()
    assert sha256_of(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_split_that_is_not_full_is_a_bug(tmp_path: Path) -> None:
    def leave_out() -> None:
        with create_features(tmp_path / "f.h5", HEADER) as writer:
            writer.add_split("train", 5, (4,), "float16", 40)
            writer.append("train", _block(4))

    with pytest.raises(AssertionError, match="train is not full"):
        leave_out()


@pytest.mark.parametrize("size", [0, 500, 2_000, 20_000, 50_000, 200_000])
def test_a_full_disk_is_a_clear_error_and_leaves_the_old_file(tmp_path: Path, size: int) -> None:
    path = _write(tmp_path / "f.h5", _blocks())
    before = sha256_of(path)
    large = {"train": _block(4000, (64,)), "val": _block(10, (64,))}
    with (
        largest_file(size),
        pytest.raises(FeaturesError, match=r"cannot write .*f\.h5: File too large.*make room"),
    ):
        _write(path, large, step=100)
    assert sha256_of(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_writing_stops_soon_after_the_disk_is_full(tmp_path: Path) -> None:
    block, appended = _block(1000, (64,)), 0

    def write() -> None:
        nonlocal appended
        with create_features(tmp_path / "f.h5", HEADER) as writer:
            writer.add_split("train", 100_000, (64,), "float16", 40)
            for _appended in range(100):
                writer.append("train", block)

    with largest_file(100_000), pytest.raises(FeaturesError, match="File too large"):
        write()
    assert appended < 30


def test_left_overs_of_killed_runs_are_removed(tmp_path: Path) -> None:
    for name in (".f.h5.old.tmp", ".f.h5.new.tmp"):
        (tmp_path / name).write_bytes(b"half")
    long_ago = time.time() - LEFT_OVER_SECONDS - 1
    os.utime(tmp_path / ".f.h5.old.tmp", (long_ago, long_ago))
    _write(tmp_path / "f.h5", _blocks())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".f.h5.new.tmp", "f.h5"]


@pytest.mark.parametrize("filling", [b"\0", b"\xff"])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_chunk_that_was_overwritten_with_its_checksum_is_noticed(
    tmp_path: Path, column: str, filling: bytes
) -> None:
    path = _write(tmp_path / "f.h5", _blocks())
    with h5py.File(path) as file:
        chunk = file["train"][column].id.get_chunk_info(0)
    data = path.read_bytes()
    start, stop = chunk.byte_offset, chunk.byte_offset + chunk.size
    path.write_bytes(data[:start] + filling * chunk.size + data[stop:])
    with pytest.raises(FeaturesError, match=f"wrong checksum of /train/{column}"):
        read_features(path)


def test_a_missing_file_says_which_stage_makes_it(tmp_path: Path) -> None:
    with pytest.raises(FeaturesError, match=r"none\.h5 is missing: run the stage extract first"):
        read_features(tmp_path / "none.h5")


def _change(path: Path, change: Any) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def _shorten(file: h5py.File) -> None:
    copy = file["val/copy"][:-1]
    del file["val/copy"]
    file["val/copy"] = copy
    file["val/copy"].attrs["crc32"] = zlib.crc32(copy.tobytes())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda file: file.attrs.update(schema=np.bytes_("other")),
            "has schema 'other' version 2, expected 'bott",
        ),
        (
            lambda file: file.attrs.update(schema_version=1),
            "has schema 'bottleneck-features' version 1",
        ),
        (lambda file: file.attrs.pop("schema"), "has schema ''"),
        (lambda file: file.attrs.pop("classes"), "is damaged"),
        (lambda file: file.attrs.update(classes=3), "is damaged"),
        (lambda file: file.attrs.update(dataset=np.bytes_(b"\xff")), "is damaged"),
        (
            lambda file: file.pop("val"),
            r"has the groups \['test', 'train'\]; train and val are needed",
        ),
        (lambda file: file["train"].pop("labels"), "is damaged"),
        (_shorten, "the columns have different lengths"),
    ],
)
def test_a_file_that_does_not_fit_its_schema_is_an_error(
    tmp_path: Path, change: Any, message: str
) -> None:
    path = _change(_write(tmp_path / "f.h5", _blocks()), change)
    with pytest.raises(FeaturesError, match=message):
        read_features(path)


def test_a_label_without_a_class_is_an_error(tmp_path: Path) -> None:
    blocks = _blocks() | {"val": replace(_block(3), labels=np.array([0, 3, 1]))}
    with pytest.raises(FeaturesError, match=r"/val: labels outside 0\.\.2"):
        read_features(_write(tmp_path / "f.h5", blocks))


@pytest.mark.parametrize("kind", KINDS)
def test_damage_gives_an_error_or_does_no_harm(tmp_path: Path, kind: str) -> None:
    _damage_often(tmp_path / "f.h5", kind, 15)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_much_damage_gives_errors_or_does_no_harm(tmp_path: Path, kind: str) -> None:
    _damage_often(tmp_path / "f.h5", kind, 60)


def _damage_often(path: Path, kind: str, times: int) -> None:
    rng = np.random.default_rng(len(kind))
    blocks = _blocks()
    data = _write(path, blocks).read_bytes()
    caught = 0
    for _ in range(times):
        path.write_bytes(damage(data, kind, rng))
        try:
            _assert_equal(read_features(path), blocks)
        except FeaturesError:
            caught += 1
        try:
            keys = read_keys(path)
            streamed = list(stream_features(path, 100))
        except FeaturesError:
            continue
        np.testing.assert_array_equal(
            np.concatenate(streamed), np.concatenate([block.features for block in blocks.values()])
        )
        assert hashlib.sha256(keys.tobytes()).digest() == hashlib.sha256(_all_keys(blocks)).digest()
    assert caught > times / 2


def _all_keys(blocks: dict[str, Block]) -> bytes:
    return bytes.fromhex(b"".join(block.sha256.tobytes() for block in blocks.values()).decode())


def test_what_a_block_raises_of_another_file_is_not_put_down_to_the_features_file(
    tmp_path: Path,
) -> None:
    with (
        pytest.raises(PermissionError, match=r"Permission denied: '/store/a\.h5'"),
        create_features(tmp_path / "features.h5", HEADER),
    ):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/store/a.h5")
    assert list(tmp_path.iterdir()) == []
