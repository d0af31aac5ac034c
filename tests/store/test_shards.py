"""A shard gives back what was written, or says that it is damaged; never anything else."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.store import shards
from pipeline.store.shards import ShardDamaged, open_shard, read_rows, write_shard
from tests.damages import KINDS, damage, largest_file

FINGERPRINT = "0123456789abcdef" * 2
SHAPES = [(1,), (3,), (1280,), (2, 2, 5)]


def _rows(count: int, shape: tuple[int, ...], dtype: str, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 32), np.uint8), rng.normal(size=(count, *shape)).astype(
        dtype
    )


def _read_all(path: Path) -> tuple[Any, Any]:
    shard = open_shard(path, FINGERPRINT)
    return shard.keys, read_rows(shard, np.arange(len(shard.keys)))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_written_is_read_back(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    keys, features = _rows(7, shape, dtype)
    found_keys, found = _read_all(write_shard(tmp_path, FINGERPRINT, keys, features))
    np.testing.assert_array_equal(found_keys, keys)
    np.testing.assert_array_equal(found, features)
    assert (found.dtype, found.shape) == (features.dtype, features.shape)


@given(rows=st.lists(st.integers(0, 19), max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_come_in_the_order_asked_for(tmp_path: Path, rows: list[int]) -> None:
    keys, features = _rows(20, (3,), "float32")
    shard = open_shard(write_shard(tmp_path, FINGERPRINT, keys, features), FINGERPRINT)
    np.testing.assert_array_equal(read_rows(shard, np.array(rows, np.int64)), features[rows])


def test_features_need_not_lie_in_one_piece(tmp_path: Path) -> None:
    keys, features = _rows(6, (8,), "float32")
    found_keys, found = _read_all(
        write_shard(tmp_path, FINGERPRINT, keys[::2], features[::2, ::-1])
    )
    np.testing.assert_array_equal(found_keys, keys[::2])
    np.testing.assert_array_equal(found, features[::2, ::-1])


def test_a_shard_can_be_read_without_this_project(tmp_path: Path) -> None:
    keys, features = _rows(5, (3,), "float16")
    with h5py.File(write_shard(tmp_path, FINGERPRINT, keys, features)) as file:
        assert file.attrs["schema"] == b"bottleneck-shard"
        assert file.attrs["fingerprint"].decode() == FINGERPRINT
        np.testing.assert_array_equal(file["sha256"][:], keys)
        np.testing.assert_array_equal(file["features"][:], features)


def test_equal_shards_have_one_name_and_others_another(tmp_path: Path) -> None:
    keys, features = _rows(5, (4,), "float32")
    name = write_shard(tmp_path, FINGERPRINT, keys, features).name
    changed = features.copy()
    changed[2, 1] += 1
    others = [
        write_shard(tmp_path, FINGERPRINT[::-1], keys, features),
        write_shard(tmp_path, FINGERPRINT, keys[::-1], features),
        write_shard(tmp_path, FINGERPRINT, keys, changed),
        write_shard(tmp_path, FINGERPRINT, keys, features.reshape(5, 2, 2)),
        write_shard(tmp_path, FINGERPRINT, keys, features.view(np.int32).view(np.float16)),
    ]
    assert write_shard(tmp_path, FINGERPRINT, keys, features).name == name
    assert len({name, *(path.name for path in others)}) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_damage_gives_an_error_or_does_no_harm(tmp_path: Path, kind: str) -> None:
    _damage_often(tmp_path, kind, 40)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_much_damage_gives_errors_or_does_no_harm(tmp_path: Path, kind: str) -> None:
    _damage_often(tmp_path, kind, 100)


def _damage_often(folder: Path, kind: str, times: int) -> None:
    rng = np.random.default_rng(len(kind))
    for turn in range(times):
        keys, features = _rows(int(rng.integers(1, 40)), SHAPES[turn % 4], "float16", turn)
        path = write_shard(folder, FINGERPRINT, keys, features)
        path.write_bytes(damage(path.read_bytes(), kind, rng))
        try:
            found_keys, found = _read_all(path)
        except ShardDamaged as error:
            reported = str(error)
            assert reported.startswith(f"{path}: ")
        else:
            np.testing.assert_array_equal(found_keys, keys)
            np.testing.assert_array_equal(found, features)
        path.unlink()


def test_every_bit_of_keys_checksums_and_features_counts(tmp_path: Path) -> None:
    keys, features = _rows(2, (3,), "float16")
    path = write_shard(tmp_path, FINGERPRINT, keys, features)
    data = path.read_bytes()
    with h5py.File(path) as file:
        spans = [
            (file[name].id.get_offset(), file[name].nbytes)
            for name in ("sha256", "checksums", "features")
        ]
    for offset, size in spans:
        for bit in range(8 * size):
            flipped = bytearray(data)
            flipped[offset + bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            with pytest.raises(
                ShardDamaged, match=r"does not hold what its name says|wrong checksum in row"
            ):
                _read_all(path)


def test_another_shard_under_its_name_is_noticed(tmp_path: Path) -> None:
    path = write_shard(tmp_path, FINGERPRINT, *_rows(5, (3,), "float16", 1))
    other = write_shard(tmp_path, FINGERPRINT, *_rows(5, (3,), "float16", 2))
    other.replace(path)
    with pytest.raises(ShardDamaged, match="does not hold what its name says"):
        open_shard(path, FINGERPRINT)


def test_a_shard_of_another_fingerprint_is_noticed(tmp_path: Path) -> None:
    path = write_shard(tmp_path, FINGERPRINT[::-1], *_rows(5, (3,), "float16"))
    with pytest.raises(ShardDamaged, match="does not hold what its name says"):
        open_shard(path, FINGERPRINT)


def test_a_folder_in_place_of_a_shard_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "shard.h5").mkdir()
    with pytest.raises(ShardDamaged, match="cannot be read"):
        open_shard(tmp_path / "shard.h5", FINGERPRINT)


def test_hdf5_of_another_layout_is_noticed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["sha256"], file["checksums"] = np.zeros((2, 32), np.uint8), np.zeros(2, np.uint32)
        file.create_dataset("features", data=np.zeros((2, 3)), chunks=(1, 3))
    with pytest.raises(ShardDamaged, match="is not laid out as a shard"):
        open_shard(tmp_path / "other.h5", FINGERPRINT)


def test_tables_larger_than_the_file_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        for name, shape in {
            "sha256": (1 << 40, 32),
            "checksums": (1 << 40,),
            "features": (9, 9),
        }.items():
            file.create_dataset(name, shape, np.uint8, chunks=True)
    with pytest.raises(ShardDamaged, match="is truncated"):
        open_shard(tmp_path / "huge.h5", FINGERPRINT)


def test_a_missing_shard_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.h5"):
        open_shard(tmp_path / "none.h5", FINGERPRINT)


@pytest.mark.parametrize("happens", ["gone", "cut", "changed"])
def test_what_happens_between_opening_and_reading_is_noticed(tmp_path: Path, happens: str) -> None:
    path = write_shard(tmp_path, FINGERPRINT, *_rows(5, (3,), "float16"))
    shard = open_shard(path, FINGERPRINT)
    data = path.read_bytes()
    path.unlink()
    if happens != "gone":
        path.write_bytes(data[: shard.offset + 4] + (b"" if happens == "cut" else b"\1" * 500))
    expected = {
        "gone": "cannot be opened",
        "cut": "is truncated",
        "changed": "wrong checksum in row 0",
    }
    with pytest.raises(ShardDamaged, match=expected[happens]):
        read_rows(shard, np.arange(5))


@pytest.mark.parametrize("size", [0, 100, 3000, 5000])
def test_a_full_disk_is_a_plain_error_and_leaves_nothing(tmp_path: Path, size: int) -> None:
    with largest_file(size), pytest.raises(OSError, match="too large"):
        write_shard(tmp_path, FINGERPRINT, *_rows(500, (16,), "float32"))
    assert list(tmp_path.iterdir()) == []


def test_a_shard_reaches_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(list(tmp_path.glob("[!.]*"))))
    path = write_shard(tmp_path, FINGERPRINT, *_rows(5, (3,), "float16"))
    assert synced == [[]]
    assert list(tmp_path.iterdir()) == [path]


def test_no_text_of_variable_length_is_in_a_shard(tmp_path: Path) -> None:
    """HDF5 keeps such text in its heap, which has no checksums; damaged, it can make HDF5 run for ever."""
    data = write_shard(tmp_path, FINGERPRINT, *_rows(5, (3,), "float16")).read_bytes()
    assert b"GCOL" not in data
    assert shards.SCHEMA.encode() in data
