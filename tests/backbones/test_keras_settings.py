"""Networks are built under one setting of Keras, and the program's own come back."""

import keras
import pytest

from pipeline.backbones.keras_settings import check_backend, pinned_keras
from pipeline.errors import BackboneError


def _settings() -> tuple[str, str, float, str]:
    config = keras.config
    return (
        config.dtype_policy().name, config.floatx(), config.epsilon(), config.image_data_format()
    )  # fmt: skip


def test_settings_are_the_same_whatever_they_were_and_come_back() -> None:
    ours = ("float32", "float32", 1e-7, "channels_last")
    theirs = ("mixed_bfloat16", "float16", 0.1, "channels_first")
    try:
        keras.config.set_floatx("float16")
        keras.config.set_epsilon(0.1)
        keras.config.set_image_data_format("channels_first")
        keras.config.set_dtype_policy("mixed_bfloat16")
        with pinned_keras():
            assert _settings() == ours
            with pinned_keras("float16"):
                assert _settings() == ("mixed_float16", *ours[1:])
            assert _settings() == ours
        assert _settings() == theirs
        with pytest.raises(KeyError, match="x"), pinned_keras():
            raise KeyError("x")
        assert _settings() == theirs
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_epsilon(1e-7)
        keras.config.set_image_data_format("channels_last")
        keras.config.set_dtype_policy("float32")


def test_a_backend_that_no_engine_uses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with (
        pytest.raises(BackboneError, match=r"Keras runs on torch, expected tensorflow or jax"),
        pinned_keras(),
    ):
        pass


def test_an_engine_whose_backend_is_not_that_of_this_process_is_refused() -> None:
    check_backend("tensorflow")
    with pytest.raises(BackboneError, match=r"on tensorflow in this process, and jax is needed"):
        check_backend("jax")


@pytest.mark.parametrize("wished", ["jax", None])
def test_a_backend_that_comes_too_late_changes_nothing(wished: str | None) -> None:
    with pinned_keras(backend=wished):
        assert keras.config.backend() == "tensorflow"
