"""Kind `mlp`: hidden layers of ReLU units with dropout, then one of a unit a class."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pipeline.heads.kind import HeadKind
from pipeline.heads.networks import TrainingSettings, fit_network, network_scores, network_shapes

Width = Annotated[int, Field(ge=1, le=65536)]


def _as_widths(units: Any) -> Any:
    """Let one number stand for one layer."""
    return (
        tuple(units) if isinstance(units, list) else units if isinstance(units, tuple) else (units,)
    )


class MlpSettings(TrainingSettings):
    """A network with hidden layers.

    Reference:
        Srivastava et al. 2014, "Dropout" (Journal of Machine Learning Research 15).
    """

    units: Annotated[
        tuple[Width, ...], BeforeValidator(_as_widths), Field(min_length=1, max_length=8)
    ]
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
    scores=lambda tensors, settings, x: network_scores(tensors, settings.units, x),
)
