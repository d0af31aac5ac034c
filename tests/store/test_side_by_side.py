"""Stores side by side give rows as one, and each keeps its own columns alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.store import store as store_module
from pipeline.store.fingerprint import Fingerprint
from pipeline.store.side_by_side import SideBySide
from pipeline.store.store import Store

WHOLE = Fingerprint(parts={"backbone": "fake", "layer": ["early", None]})
WIDTHS = (2, 3)
KEYS = np.random.default_rng(0).integers(0, 256, (20, 32), np.uint8)
ROWS = np.random.default_rng(1).random((20, 5)).astype(np.float16)


def _stores(root: Path) -> list[Store]:
    return [Store(root, one) for one in WHOLE.of_each_layer()]


def _batches(count: int = 20) -> Iterator[Any]:
    for start in range(0, count, 3):
        yield KEYS[start : min(start + 3, count)], ROWS[start : min(start + 3, count)]


def test_what_was_added_is_read_as_it_was_and_each_store_has_its_columns(tmp_path: Path) -> None:
    both = SideBySide(_stores(tmp_path))
    assert both.add(_batches(), WIDTHS) == 20
    found = both.find(KEYS)
    assert not found.missing.any()
    np.testing.assert_array_equal(both.read(found, KEYS), ROWS)
    np.testing.assert_array_equal(both.read(found[3:7], KEYS[3:7]), ROWS[3:7])
    assert (both.feature_shape(), both.widths()) == ((5,), WIDTHS)
    for store, columns in zip(_stores(tmp_path), (ROWS[:, :2], ROWS[:, 2:]), strict=True):
        np.testing.assert_array_equal(store.read(store.find(KEYS), KEYS), columns)


def test_a_row_is_missing_where_one_store_lacks_it(tmp_path: Path) -> None:
    first, second = _stores(tmp_path)
    SideBySide([first]).add([(KEYS, ROWS[:, :2])])
    SideBySide([second]).add([(KEYS[:5], ROWS[:5, 2:])])
    both = SideBySide([first, second])
    found = both.find(KEYS)
    assert found.missing.tolist() == [False] * 5 + [True] * 15
    assert found.lacking == [1]
    both.only(found.lacking).add([(KEYS[5:], ROWS[5:, 2:])])
    np.testing.assert_array_equal(both.read(both.find(KEYS), KEYS), ROWS)
    assert both.find(KEYS).lacking == []
    assert len(list(first.folder.glob("*.h5"))) == 1


def test_one_store_keeps_maps(tmp_path: Path) -> None:
    one = SideBySide([Store(tmp_path, Fingerprint(parts={}))])
    maps = np.random.default_rng(2).random((20, 2, 2, 3)).astype(np.float32)
    one.add([(KEYS, maps)])
    np.testing.assert_array_equal(one.read(one.find(KEYS), KEYS), maps)
    assert (one.feature_shape(), one.widths()) == ((2, 2, 3), ())


def test_what_came_before_an_error_is_in_all_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "SHARD_ROWS", 8)

    def broken() -> Iterator[Any]:
        yield from _batches(12)
        raise KeyboardInterrupt("stop")

    both = SideBySide(_stores(tmp_path))
    with pytest.raises(KeyboardInterrupt, match="stop"):
        both.add(broken(), WIDTHS)
    assert both.find(KEYS).missing.tolist() == [False] * 12 + [True] * 8


def test_columns_that_fit_no_store_are_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        SideBySide(_stores(tmp_path)).add(_batches(), (5,))
