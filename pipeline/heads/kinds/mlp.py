"""Kind `mlp`: hidden layers of ReLU units with dropout, then one of a unit a class."""

import reprlib
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pipeline.heads.kind import HeadKind
from pipeline.heads.networks import TrainingSettings, fit_network, network_shapes, network_steps

WIDEST, DEEPEST = 65536, 8


def _as_widths(units: Any) -> tuple[int, ...]:
    """Let one number stand for one layer."""
    widths = tuple(units) if isinstance(units, (list, tuple)) else (units,)
    are_numbers = all(type(width) is int and 1 <= width <= WIDEST for width in widths)
    if not (are_numbers and 1 <= len(widths) <= DEEPEST):
        raise ValueError(
            f"input should be a whole number from 1 to {WIDEST}, or a list of up to {DEEPEST} of them "
            f"(found {reprlib.repr(units)})"
        )
    return widths


class MlpSettings(TrainingSettings):
    """A network with hidden layers.

    Reference:
        Srivastava et al. 2014, "Dropout" (Journal of Machine Learning Research 15).
    """

    units: Annotated[tuple[int, ...], BeforeValidator(_as_widths)]
    dropout: float = Field(ge=0, lt=1)

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return self.units

    @property
    def dropout_rate(self) -> float:
        """Share of hidden units that a step leaves out."""
        return self.dropout


KIND = HeadKind(
    settings=MlpSettings,
    shapes=lambda settings, rows, width, classes: network_shapes(settings.units, width, classes),
    fit=fit_network,
    steps=lambda tensors, settings: network_steps(tensors, settings.units),
)
