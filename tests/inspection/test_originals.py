"""What is inspected: originals of all splits, as directions."""

import numpy as np

from pipeline.features import Block, FeatureSet, Header
from pipeline.inspection.originals import Originals


def block(features: list[list[float]], copies: list[int], name: str) -> Block:
    n = len(features)
    keys = np.array([f"{name}{row}" for row in range(n)], "S64")
    return Block(
        features=np.array(features, np.float16),
        labels=np.arange(n) % 2,
        sha256=keys,
        parent=keys,
        group=keys,
        copy=np.array(copies, np.uint8),
        path=np.array([f"{name}/é{row}.jpg".encode() for row in range(n)]),
    )


def header() -> Header:
    return Header(
        dataset="pets", classes=("cat", "dog"), backbone="b", fingerprint="", fingerprint_parts="{}"
    )


def test_copies_are_left_out_and_every_column_follows() -> None:
    blocks = {
        "train": block([[3, 4], [9, 9], [0, 2]], [0, 1, 0], "t"),
        "val": block([[-5, 0]], [0], "v"),
    }
    found = Originals.of(FeatureSet(header=header(), splits=blocks))
    assert found.sha256 == ("t0", "t2", "v0")
    assert found.path == ("t/é0.jpg", "t/é2.jpg", "v/é0.jpg")
    assert found.split == ("train", "train", "val")
    assert found.rows.labels.tolist() == [0, 0, 0]
    assert found.rows.original.tolist() == [True] * 3
    assert found.rows.groups.tolist() == [b"t0", b"t2", b"v0"]
    assert np.allclose(found.rows.features, [[0.6, 0.8], [0, 1], [-1, 0]])


def test_a_map_is_averaged_over_its_places() -> None:
    one = block([[1, 2], [3, 4]], [0, 0], "t")
    parts = {name: getattr(one, name) for name in Block.__slots__}
    maps = Block(**{**parts, "features": np.array([[[[1, 0], [1, 0]]], [[[0, 0], [0, 8]]]], "f2")})
    found = Originals.of(FeatureSet(header=header(), splits={"train": maps}))
    assert found.rows.features.tolist() == [[1, 0], [0, 1]]
