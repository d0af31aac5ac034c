"""The blocks of a backbone: where its graph can be cut, so that what lies behind is trained alone."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import StudyError

if TYPE_CHECKING:
    import keras


class Blocks:
    """A backbone as a chain of blocks, one behind the other.

    A block filters over more than one pixel, once or, where paths part and meet again, in all
    of them. Between two blocks the graph is cut at a layer whose output alone passes on; of
    several, at that which passes the fewest numbers on, and of equal ones at the last.

    Args:
        name: Of the backbone, for messages.
        model: As `Backbone.model`: from pixels to features, a network in it.
    """

    def __init__(self, name: str, model: "keras.Model") -> None:
        import keras

        self._name = name
        self._model = model
        inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
        self._network = inner[0] if inner else model
        self._cuts = find_cuts(self._network)
        self._weights = model.get_weights()
        model.trainable = True  # which weights learn is said by `variables` alone

    def __len__(self) -> int:
        return len(self._cuts) + 1

    def cut_below(self, blocks: int) -> str:
        """Return the layer below the last blocks.

        Raises:
            StudyError: There are no more than these.
        """
        if blocks >= len(self):
            raise StudyError(
                f"{self._name} has {len(self)} blocks at which it can be cut, so of the last {blocks} "
                f"nothing is left below; expected {len(self) - 1} at most, or all "
                "(studies/params.yaml, finetune.blocks and learning_curve.blocks)"
            )
        return self._cuts[-blocks]

    def restore(self) -> None:
        """Give the network the weights that it came with."""
        self._model.set_weights(self._weights)

    def behind(self, blocks: int) -> "keras.Model":
        """Return the last blocks: from the map below them, float32 `(b, h, w, c)`, to features."""
        import keras

        network, cut = self._network, self._network.get_layer(self.cut_below(blocks))
        if network is self._model:
            return keras.Model(cut.output, network.output)
        # Of several layers the cut itself may be one; Keras wants it passed by.
        maps = keras.Model(cut.output, [one for one in network.outputs if one is not cut.output])
        behind = iter(maps.outputs)
        outputs = [maps.input if one is cut.output else next(behind) for one in network.outputs]
        # What the network gives where it is called, not within; Keras has no other word for it.
        called = network._inbound_nodes[0].output_tensors
        pooled = keras.Model(called, self._model.output)
        return keras.Model(maps.input, pooled(outputs))

    def between(self, below: int, above: int) -> "keras.Model":
        """Return the blocks from the map below the last `below` to that below the last `above`."""
        import keras

        first, last = (self._network.get_layer(self.cut_below(one)) for one in (below, above))
        return keras.Model(first.output, last.output)

    @property
    def whole(self) -> "keras.Model":
        """All blocks: from pixels uint8 to features."""
        return self._model

    def variables(self) -> list[list["keras.Variable"]]:
        """Return what can learn in each block, the last block first; not in BatchNorm.

        Its statistics are those of millions of images, and of a few no better ones come.
        """
        import keras

        names = iter([*self._cuts, None])
        found: list[list[keras.Variable]] = [[]]
        cut = next(names)
        for layer in self._network.layers:
            for leaf in _leaves(layer):
                if not isinstance(leaf, keras.layers.BatchNormalization):
                    found[-1] += leaf.trainable_weights
            if layer.name == cut:
                cut = next(names)
                found.append([])
        return found[::-1]


def find_cuts(network: "keras.Model") -> list[str]:
    """Return the names of the layers between blocks, as `Blocks` says, from first to last."""
    cuts: list[str] = []
    best: tuple[float, str] | None = None
    filtered = False
    for stretch in _stretches(network):
        if any(_filters(layer) for layer in stretch):
            if filtered and best is not None:
                cuts.append(best[1])
                best = None
            filtered = True
        size, name = math.prod(stretch[-1].output.shape[1:]), stretch[-1].name
        if filtered and (best is None or size <= best[0]):
            best = size, name
    return cuts


def _stretches(network: "keras.Model") -> Iterator[list[Any]]:
    """Yield the operations from one layer whose output alone passes on to the next."""
    import keras

    last: dict[int, int] = {}  # which operation is the last to take a tensor
    operations = network.operations
    for place, operation in enumerate(operations):
        if not isinstance(operation, keras.layers.InputLayer):
            last |= {id(one): place for one in keras.tree.flatten(operation.input)}
    last |= {id(one): len(operations) for one in network.outputs}
    alive: set[int] = set()
    stretch: list[Any] = []
    for place, operation in enumerate(operations):
        stretch.append(operation)
        alive |= {id(one) for one in keras.tree.flatten(operation.output)}
        alive = {one for one in alive if last.get(one, -1) > place}
        if len(alive) == 1 and isinstance(operation, keras.Layer):
            yield stretch
            stretch = []
    if stretch:  # of several outputs, all but the earliest end here
        yield stretch


def _filters(operation: Any) -> bool:
    """Tell whether it learns to look at more than one pixel at once."""
    return any(
        max(getattr(leaf, "kernel_size", (1,))) > 1 and leaf.weights for leaf in _leaves(operation)
    )


def _leaves(operation: Any) -> Sequence[Any]:
    """Return the layers that a layer is made of, itself if of none; nothing of what is no layer."""
    import keras

    if not isinstance(operation, keras.Layer):
        return []
    return [one for one in operation._flatten_layers() if not list(one._flatten_layers())[1:]]
