"""What a SavedModel gives is computed, and nothing else that it asks for is done."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backbones.saved_model import run_saved_model

pytestmark = pytest.mark.slow
tf = pytest.importorskip("tensorflow")
PIXELS = np.random.default_rng(1).random((1, 4, 4, 3), np.float32)
SPEC = tf.TensorSpec((None, 4, 4, 3), tf.float32, name="pixels")
Function = Callable[[Any, Any], Any]  # of the module, which has a variable, and pixels


def save(folder: Path, function: Function, name: str = "serving_default", **more: Function) -> Path:
    """Write a module whose signatures are functions of itself and of pixels."""
    module = tf.Module()
    module.weights = tf.Variable([1.0, 2.0, 3.0])
    module.functions = {
        one: tf.function(partial(f, module), input_signature=[SPEC])
        for one, f in {name: function, **more}.items()
    }
    tf.saved_model.save(module, str(folder), dict(module.functions))
    return folder


def weigh(module: Any, pixels: Any) -> Any:
    return {"sum": tf.reduce_sum(pixels * module.weights, (1, 2, 3)), "same": pixels}


def weigh_bright(module: Any, pixels: Any) -> Any:
    bright = tf.reduce_mean(pixels) > 0
    return tf.cond(bright, lambda: weigh(module, pixels), lambda: {"sum": 0.0, "same": pixels})


@pytest.mark.parametrize("function", [weigh, weigh_bright])
@pytest.mark.parametrize("name", ["serving_default", "only"])
def test_each_output_is_what_tensorflow_gives(
    function: Function, name: str, tmp_path: Path
) -> None:
    found = run_saved_model(save(tmp_path / "net", function, name), PIXELS)
    assert found.keys() == {"sum", "same"}
    np.testing.assert_array_equal(found["same"], PIXELS)
    expected = (PIXELS.astype(float) * [1, 2, 3]).sum()
    np.testing.assert_allclose(np.ravel(found["sum"]), [expected], rtol=1e-5)


def test_without_a_default_signature_one_of_several_is_not_guessed(tmp_path: Path) -> None:
    folder = save(tmp_path / "net", weigh, "one", other=weigh)
    with pytest.raises(ValueError, match="2 signatures, none of them serving_default"):
        run_saved_model(folder, PIXELS)


def write_beside(target: Path) -> Function:
    def write(module: Any, pixels: Any) -> Any:
        tf.io.write_file(str(target), "done")
        return weigh(module, pixels)

    return write


def write_in_branch(target: Path) -> Function:
    def write(module: Any, pixels: Any) -> Any:
        return tf.cond(
            tf.reduce_mean(pixels) > 0,
            lambda: write_beside(target)(module, pixels),
            lambda: weigh(module, pixels),
        )

    return write


@pytest.mark.parametrize("make", [write_beside, write_in_branch])
def test_what_could_do_more_than_compute_is_not_run(
    make: Callable[[Path], Function], tmp_path: Path
) -> None:
    target = tmp_path / "written"
    folder = save(tmp_path / "net", make(target))
    with pytest.raises(ValueError, match="its operation WriteFile could do more than compute"):
        run_saved_model(folder, PIXELS)
    assert not target.exists()
    loaded = tf.saved_model.load(str(folder)).signatures["serving_default"]
    loaded(tf.constant(PIXELS))
    assert target.exists(), "it would have been written"


def test_python_is_not_called(tmp_path: Path) -> None:
    def call(module: Any, pixels: Any) -> Any:
        return {"sum": tf.numpy_function(np.sum, [pixels], tf.float32)}

    with pytest.raises(ValueError, match=r"its operation (Eager)?PyFunc"):
        run_saved_model(save(tmp_path / "net", call), PIXELS)
