import json
import logging
import math
from dataclasses import replace

import pytest

from pipeline.studies import zero_shot
from tests.studies.test_study import task_for
from tests.tools.test_zero_shot import SYNSETS, classifier, feature_set


def test_val_images_of_known_classes_are_asked() -> None:
    features = feature_set(("cat", "dog", "rat"), [0, 1], [0, 0, 1, 2], answers=[1, 0, 0, 1, 1, 0])
    result = zero_shot.measure(features, classifier(), SYNSETS)
    assert (result.n, result.accuracy) == (3, pytest.approx(2 / 3))
    assert result.recipe == "ImageNet's classifier: 2 of 3 classes"
    assert result.images_a_class == 0
    assert result.log_loss == pytest.approx(math.log(1e7) / 3, rel=1e-3), "one is wrong and sure"


def test_of_a_class_alone_the_question_is_whether_an_image_shows_it() -> None:
    features = feature_set(("cat", "rat"), [0], [0, 1, 1, 1], answers=[0, 0, 2, 1, 0])
    result = zero_shot.measure(features, classifier(), {"cat": SYNSETS["cat"]})
    assert result.recipe == "ImageNet's classifier: cat or not"
    assert (result.n, result.accuracy) == (4, 0.75)
    assert result.log_loss == pytest.approx((20 - math.log(999)) / 4, rel=1e-3)


def test_a_backbone_without_a_classifier_has_no_row_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    features = feature_set(("cat", "dog"), [0, 1], [0, 1], answers=[0, 1, 0, 1])
    parts = json.dumps({"layer": "block5_add", "pooling": "avg"})
    features = replace(features, header=replace(features.header, fingerprint_parts=parts))
    monkeypatch.setattr(zero_shot, "load_current_features", lambda *_: features)
    with caplog.at_level(logging.WARNING):
        assert list(zero_shot.run(task_for("pets", "b"))) == []
    assert "zero_shot, pets b: no row. these features are of layer 'block5_add'" in caplog.text
