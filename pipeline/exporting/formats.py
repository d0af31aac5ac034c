"""The formats that a model is exported to: how each is written, and how it is run without this project."""

import json
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ExportError

if TYPE_CHECKING:
    import keras

LABELS = "labels.txt"
OPSET = 18  # of ONNX

Pixels = NDArray[np.uint8]
Run = Callable[[Pixels], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format.

    Attributes:
        title: What people call it.
        write: Writes a model and its classes to a path that does not exist.
        open: Loads what was written: uint8 `(b, s, s, 3)` to float32 `(b, k)`.
        needs: Modules of the extra `export` that it cannot do without.
    """

    title: str
    write: Callable[["keras.Model", Sequence[str], Path], None]
    open: Callable[[Path], Run]
    needs: tuple[str, ...] = ()


def format_of(path: Path) -> Format:
    """Return the format that a path's ending names.

    Raises:
        ExportError: It is no name, or its ending names none, or one that needs what is not installed.
    """
    if not path.name or path.name in FORMATS:
        raise ExportError(f"--to {path}: expected a name for the model, as pets.keras")
    found = FORMATS.get(path.suffix)
    if found is None:
        raise ExportError(
            f"--to {path}: nothing is known by the ending {path.suffix!r}; expected .keras, .onnx, "
            ".tflite, or a name without an ending for a SavedModel, which is a folder"
        )
    missing = [module for module in found.needs if find_spec(module) is None]
    if missing:
        raise ExportError(
            f"--to {path}: {found.title} needs {', '.join(missing)}, which is not installed: run "
            "`.venv/bin/python -m pip install --editable '.[export]'` in the project's folder, or export "
            "to .keras or a SavedModel, which need nothing more"
        )
    return found


def _add_labels(path: Path, classes: Iterable[str]) -> None:
    """Put the classes into a file as what a zip archive holds, which a .tflite file may have behind."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(LABELS, "".join(f"{name}\n" for name in classes))


def _write_keras(model: "keras.Model", classes: Sequence[str], path: Path) -> None:
    model.save(path)
    _add_labels(path, classes)


def _open_keras(path: Path) -> Run:
    import keras

    model = keras.saving.load_model(path)
    return lambda pixels: np.asarray(model.predict_on_batch(pixels))


def _write_saved_model(model: "keras.Model", classes: Sequence[str], path: Path) -> None:
    import tensorflow as tf

    from pipeline.exporting.decoding import decode_squares

    _, size, _, _ = model.input.shape
    module, names = tf.Module(), tf.constant(list(classes))
    module.weights = [variable.value for variable in model.variables]

    def answer(pixels: Any) -> dict[str, Any]:
        probabilities = model(pixels, training=False)
        label = tf.gather(names, tf.argmax(probabilities, axis=1))
        return {"probabilities": probabilities, "label": label, "classes": tf.identity(names)}

    module.images = tf.function(
        lambda images: answer(decode_squares(images, size)),
        input_signature=[tf.TensorSpec((None,), tf.string, name="images")],
    )
    module.pixels = tf.function(
        answer, input_signature=[tf.TensorSpec((None, size, size, 3), tf.uint8, name="pixels")]
    )
    signatures = {"serving_default": module.images, "pixels": module.pixels}
    tf.saved_model.save(module, str(path), signatures)


def _open_saved_model(path: Path) -> Run:
    import tensorflow as tf

    run = tf.saved_model.load(str(path)).signatures["pixels"]
    return lambda pixels: np.asarray(run(pixels=tf.constant(pixels))["probabilities"])


def _write_onnx(model: "keras.Model", classes: Sequence[str], path: Path) -> None:
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx asks NumPy for names that are gone
        from tf2onnx.convert import from_graph_def

        frozen = _freeze(model, batch=None)
        written, _ = from_graph_def(
            frozen.graph.as_graph_def(),
            name=model.name,
            opset=OPSET,
            input_names=[one.name for one in frozen.inputs],
            output_names=[one.name for one in frozen.outputs],
            tensors_to_rename={
                frozen.inputs[0].name: "pixels",
                frozen.outputs[0].name: "probabilities",
            },
        )
    labels = written.metadata_props.add()
    labels.key, labels.value = "labels", json.dumps(list(classes))
    onnx.checker.check_model(written)
    onnx.save(written, path)


def _open_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda pixels: np.asarray(session.run(None, {"pixels": pixels})[0])


def _write_tflite(model: "keras.Model", classes: Sequence[str], path: Path) -> None:
    import tensorflow as tf

    # Variables would stay variables, which the interpreter reads as nothing.
    frozen = _freeze(model, batch=1)
    path.write_bytes(
        tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module()).convert()
    )
    _add_labels(path, classes)


def _freeze(model: "keras.Model", batch: int | None) -> Any:
    """Return a function of TensorFlow's from pixels to probabilities, all that it needs a constant in it."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    _, size, _, _ = model.input.shape
    function = tf.function(
        lambda pixels: model(pixels, training=False),
        input_signature=[tf.TensorSpec((batch, size, size, 3), tf.uint8, name="pixels")],
    )
    return convert_variables_to_constants_v2(function.get_concrete_function())


def _open_tflite(path: Path) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (given,), (said,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(pixels: Pixels) -> NDArray[np.float32]:
        rows = []
        for one in pixels:
            interpreter.set_tensor(given["index"], one[None])
            interpreter.invoke()
            rows.append(interpreter.get_tensor(said["index"])[0])
        return np.stack(rows)

    return run


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        ".keras": Format(title="Keras", write=_write_keras, open=_open_keras),
        "": Format(title="a SavedModel", write=_write_saved_model, open=_open_saved_model),
        ".onnx": Format(
            title="ONNX",
            write=_write_onnx,
            open=_open_onnx,
            needs=("onnx", "onnxruntime", "tf2onnx"),
        ),
        ".tflite": Format(
            title="TensorFlow Lite",
            write=_write_tflite,
            open=_open_tflite,
            needs=("ai_edge_litert",),
        ),
    }
)
