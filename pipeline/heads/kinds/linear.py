"""Kind `linear`: one layer, trained by gradient descent."""

from pipeline.heads.kind import HeadKind
from pipeline.heads.networks import TrainingSettings, fit_network, network_shapes, network_steps

KIND = HeadKind(
    settings=TrainingSettings,
    shapes=lambda settings, rows, width, classes: network_shapes((), width, classes),
    fit=fit_network,
    steps=lambda tensors, settings: network_steps(tensors, ()),
)
