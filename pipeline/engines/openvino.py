"""Run a backbone with OpenVINO, which compiles it for the processor at hand."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import openvino
import tensorflow
from numpy.typing import NDArray
from openvino.frontend import OpConversionFailure
from openvino.frontend.tensorflow import utils

from pipeline.backbones.backbone import Backbone
from pipeline.engines.choice import EngineConfig
from pipeline.errors import BackboneError, openvino_fault

# Without a hint, newer processors would compute in bfloat16.
HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoEngine:
    """A backbone compiled for one image a request, with as many requests at once as cores."""

    def __init__(self, config: EngineConfig, backbone: Backbone) -> None:
        self.batch_size = config.batch_size
        self.streams = config.streams
        graph = backbone.needs_openvino
        model = backbone.graph if graph else _convert(backbone, self.batch_size)
        settings = {
            "NUM_STREAMS": self.streams,
            "INFERENCE_NUM_THREADS": self.streams,
            "INFERENCE_PRECISION_HINT": HINTS[config.precision],
        }
        try:
            self._compiled = _open_core().compile_model(model, "CPU", settings)
        except RuntimeError as error:
            advice = (
                f"save the network otherwise (params.yaml, backbones.{backbone.name}.weights)"
                if graph
                else "set extract.engine to tensorflow (params.yaml)"
            )
            raise BackboneError(
                f"OpenVINO cannot run {backbone.name} ({openvino_fault(error)}): {advice}"
            ) from None
        _check_precision(self._compiled, config.precision)
        self._own = threading.local()

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn uint8 `(batch_size, h, w, 3)`, RGB, into features float32 `(batch_size, ...)`."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        self._own.request.infer([pixels], share_inputs=True)
        values: NDArray[np.float32] = self._own.request.get_output_tensor().data.copy()
        return values


@cache
def _open_core() -> openvino.Core:
    """Return the only one, which stays.

    It gives the thread that compiles first a stack for signals, and takes it away when it goes. Where
    another thread gives it up, the first is left with none, and Ctrl-C or SIGTERM crashes there.
    """
    return openvino.Core()


def _convert(backbone: Backbone, batch_size: int) -> openvino.Model:
    """Turn a Keras model into one of OpenVINO's, for one size of batch."""
    shape = [batch_size, backbone.input_size, backbone.input_size, 3]
    with warnings.catch_warnings(), _version_told(), _logging_kept():
        # Keras wonders at the tuple in which OpenVINO hands it the input.
        warnings.simplefilter("ignore")
        try:
            return openvino.convert_model(backbone.model, input=shape)
        except OpConversionFailure as error:
            raise BackboneError(
                f"OpenVINO cannot run {backbone.name} ({openvino_fault(error)}): "
                "set extract.engine to tensorflow (params.yaml)"
            ) from None


def _check_precision(compiled: openvino.CompiledModel, precision: str) -> None:
    """Refuse to compute in another precision than the features' fingerprint says."""
    found = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if found != HINTS[precision]:
        raise BackboneError(
            f"OpenVINO computes in {found} here, not in {precision}: "
            "set extract.precision to float32 (params.yaml)"
        )


@contextmanager
def _version_told() -> Iterator[None]:
    """Tell OpenVINO the version of TensorFlow.

    Its own way to find out deletes a name in an `exec`, which Python 3.13 does not allow.
    """
    asked = utils.get_environment_setup
    utils.get_environment_setup = lambda framework: {"tensorflow": tensorflow.__version__}
    try:
        yield
    finally:
        utils.get_environment_setup = asked


@contextmanager
def _logging_kept() -> Iterator[None]:
    """Leave logging as it is: where it fails, OpenVINO leaves all warnings of the process off."""
    root = logging.getLogger()
    level, filters, handlers = root.level, [*root.filters], [*root.handlers]
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters[:], root.handlers[:] = filters, handlers
