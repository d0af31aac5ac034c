"""Prepare images, compute a frozen network's features once, train small heads on them.

Python programs and notebooks use what `__all__` names; docs/python.md shows how.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from pipeline import errors as errors
from pipeline.pinned_environment import LIBRARIES as LIBRARIES
from pipeline.pinned_environment import PINNED as PINNED
from pipeline.pinned_environment import PINNED_TOO_LATE as PINNED_TOO_LATE

__all__ = [
    "Answer",
    "Features",
    "TrainedHead",
    "errors",
    "fit_head",
    "load_features",
    "load_head",
    "predict",
]

# OpenVINO reports each conversion to Google Analytics, from forked processes that may never end. It does
# without where the package for that cannot be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

if TYPE_CHECKING:
    from pipeline.tools.api import Answer, fit_head, load_features, load_head, predict
    from pipeline.tools.api_records import Features, TrainedHead
else:
    # By name, when it is first asked for: no stage is made of it, and to import the package takes no time.
    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("pipeline.tools.api"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
