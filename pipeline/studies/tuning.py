"""A backbone whose last blocks learn with the head: what stays frozen is computed once."""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.backbones.backbone import Backbone
from pipeline.backbones.keras_settings import pinned_keras
from pipeline.current_features import load_current_features
from pipeline.errors import StudyError
from pipeline.exporting.network import add_head
from pipeline.extraction.extractor import Extractor
from pipeline.heads.head import Head
from pipeline.heads.loading import rows_by_split
from pipeline.heads.rows import Rows
from pipeline.params import BackboneParams
from pipeline.store.shards import Features
from pipeline.studies.blocks import Blocks
from pipeline.studies.features import read_features
from pipeline.studies.images import load_pixels, read_images
from pipeline.studies.learning import (
    Course,
    Examples,
    Part,
    ask_network,
    run_network,
    to_result,
    train_network,
)
from pipeline.studies.results import Result
from pipeline.studies.room import make_room
from pipeline.studies.task import Task

if TYPE_CHECKING:
    import keras

ALL = "all"
Depth = int | str  # how many blocks learn, or ALL
Splits = Mapping[str, Examples]

log = logging.getLogger(__name__)


class Tuner:
    """A dataset and a backbone that learns more of it than a head.

    Args:
        task: Which; with the settings of `finetune`, and of a backbone for which `can_learn` is true.

    Attributes:
        rows: The features that the pipeline has, split by split.
        blocks: The backbone, in which `measure` leaves what was learned.

    Raises:
        BackboneError: The backbone cannot be built.
        FeaturesError: As `load_current_features`.
        StudyError: The features are of other copies than the dataset's tables.
    """

    def __init__(self, task: Task) -> None:
        self._task, self._settings = task, task.settings.finetune
        self._images = read_images(task.dataset)
        features = load_current_features(task.dataset, task.backbone)
        for split, images in self._images.items():
            known = [row.sha256.encode() for row in images.rows]
            if features.splits[split].sha256.tolist() != known:
                raise StudyError(
                    f"the features of {task.dataset} by {task.backbone} are of other copies than there are "
                    f"now in {split}: run `dvc repro extract@{task.dataset}-{task.backbone}` first."
                )
        self.rows: Mapping[str, Rows] = rows_by_split(features)
        self._backbone = _alone(task)
        with pinned_keras():  # built before an engine is: TensorFlow then trains on all cores
            self.blocks = Blocks(task.backbone, Backbone(task.backbone, self._backbone).model)
        self._below: dict[int, dict[str, Features]] = {}

    def examples(self, depth: Depth) -> Splits:
        """Return train and val as what the blocks that learn take: features, maps, or pixels.

        The maps below the deepest blocks that are asked for come from the store, where they stay;
        the others are computed from them.
        """
        return {
            split: Examples.of(images, self._inputs(split, depth))
            for split, images in self._images.items()
        }

    def measure(
        self, depth: Depth, head: Head, train: Examples, val: Examples, seed: int
    ) -> Result:
        """Let blocks and head learn from where they are, and ask them for val.

        Args:
            depth: How many of the last blocks learn; of none nothing does, and the head is asked.
            head: Fitted to features of the same images.
            train: Of `examples`, some of which count.
            val: Of `examples`.
            seed: Of the order.
        """
        began = time.perf_counter()
        with pinned_keras():
            self.blocks.restore()
            network, parts = self._network(depth, head, train.inputs.shape[1:])
            if depth != 0:
                course = Course(
                    epochs=self._settings.epochs,
                    least_steps=self._settings.least_steps,
                    batch_size=self._settings.batch_size,
                    seed=seed,
                )
                train_network(network, parts, train, course, training=False)
            seconds = time.perf_counter() - began
            probabilities = ask_network(network, val.inputs)
        return to_result(name_of(depth), train, seed, seconds, probabilities, val)

    def _network(
        self, depth: Depth, head: Head, shape: tuple[int, ...]
    ) -> tuple["keras.Model", list[Part]]:
        """Return blocks and head as one network, and what of it learns at which rate."""
        import keras

        blocks = None
        if isinstance(depth, str):
            blocks = self.blocks.whole
        elif depth:
            blocks = self.blocks.behind(depth)
        features = keras.Input(blocks.output.shape[1:] if blocks else shape)
        scorer = keras.Model(features, add_head(head, features))
        network = keras.Model(blocks.input, scorer(blocks.output)) if blocks else scorer
        dense = [layer for layer in scorer.layers if isinstance(layer, keras.layers.Dense)]
        learning = self.blocks.variables()[: len(self.blocks) if depth == ALL else int(depth)]
        groups = [[weight for layer in dense for weight in layer.trainable_weights], *learning]
        first, decay = self._settings.learning_rate, self._settings.rate_decay
        return network, [
            Part(variables=group, rate=first * decay**back)
            for back, group in enumerate(groups)
            if group
        ]

    def _inputs(self, split: str, depth: Depth) -> Any:
        if depth == 0:
            return self.rows[split].features
        if isinstance(depth, str):
            return load_pixels(self._images[split], self._backbone.input_size)
        deepest = max(one for one in (depth, *self._settings.blocks) if isinstance(one, int))
        maps = self._maps_below(deepest)[split]
        return maps if depth == deepest else self._advance(maps, deepest, depth)

    def _maps_below(self, blocks: int) -> dict[str, Features]:
        """Return the maps below the last blocks, split by split, from the store or by the engine."""
        if blocks not in self._below:
            task = self._task
            cut = {"layer": self.blocks.cut_below(blocks), "pooling": None}
            settings = self._backbone.model_copy(update=cut)
            extractor = Extractor(task.backbone, settings, task.params.extract)
            self._below[blocks] = {
                split: read_features(images.rows, extractor)
                for split, images in self._images.items()
            }
        return self._below[blocks]

    def _advance(self, maps: Features, below: int, above: int) -> Features:
        """Run frozen blocks over the maps below them."""
        with pinned_keras():
            self.blocks.restore()
            between = self.blocks.between(below, above)
            advanced: Features = make_room((len(maps), *between.output.shape[1:]), maps.dtype)
            start = 0
            for batch in run_network(between, maps):
                advanced[start : start + len(batch)] = batch
                start += len(batch)
        return advanced


def can_learn(task: Task) -> bool:
    """Tell whether a backbone is one network, and say so if it is not: several are no chain of blocks."""
    if isinstance(task.params.backbone(task.backbone), BackboneParams):
        return True
    log.warning(
        "%s is made of several networks, which are fine-tuned one by one, if each has a key of its own "
        "(params.yaml, backbones): no rows.",
        task.backbone,
    )
    return False


def _alone(task: Task) -> BackboneParams:
    settings = task.params.backbone(task.backbone)
    assert isinstance(settings, BackboneParams), "ask can_learn first"
    return settings


def name_of(depth: Depth) -> str:
    """Return what a row of results calls so many blocks that learn."""
    words = {0: "no block", 1: "last block", ALL: "all blocks"}
    return f"fine-tuned, {words.get(depth, f'last {depth} blocks')}"
