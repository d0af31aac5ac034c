"""A head: probabilities of features in any shape, each image alone as in a batch."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.heads import rows as rows_module
from pipeline.heads.training import fit_head
from tests.heads.examples import KINDS, blobs, recipe

ROWS = blobs([20, 20, 20], noise=1.0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_each_image_is_answered_alone_as_in_a_batch(kind: str, dtype: type) -> None:
    head = fit_head(ROWS, recipe(kind, scaling="standard")).head
    features = ROWS.features.astype(dtype)
    alone = np.concatenate([head.probabilities(features[row : row + 1]) for row in range(20)])
    np.testing.assert_allclose(alone, head.probabilities(features)[:20], atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_change_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit_head(ROWS, recipe(kind, scaling="standard")).head
    said = whole.probabilities(ROWS.features)
    monkeypatch.setattr(rows_module, "BLOCK_VALUES", 50)
    parts = fit_head(ROWS, recipe(kind, scaling="standard")).head
    for name, values in whole.tensors.items():
        assert (values == parts.tensors[name]).all()
    np.testing.assert_allclose(parts.probabilities(ROWS.features), said, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_temperature_says_the_same_less_surely(kind: str) -> None:
    head = fit_head(ROWS, recipe(kind)).head
    calm = replace(head, temperature=head.temperature * 3)
    one, other = head.probabilities(ROWS.features), calm.probabilities(ROWS.features)
    assert (one.argmax(axis=1) == other.argmax(axis=1)).all()
    assert other.max(axis=1).mean() < one.max(axis=1).mean()


def test_maps_are_taken_as_rows() -> None:
    head = fit_head(ROWS, recipe("lda")).head
    maps = ROWS.features.reshape(-1, 1, 2, 3)
    assert (head.probabilities(maps) == head.probabilities(ROWS.features)).all()
