"""Features and heads in memory, as Python programs get them: plain arrays, row for row."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.errors import FeaturesError, HeadError, ParamsError
from pipeline.features import COLUMNS
from pipeline.heads.head import Head
from pipeline.heads.rows import Rows
from pipeline.metrics import Figures, MeasuredRows, compute_metrics
from pipeline.predictions import Predictions

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]
    import tensorflow

TEXTS = ("path", "sha256", "parent", "group")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """The features of `n` images of one split, row for row with what they belong to.

    Attributes:
        dataset: Its name.
        backbone: Name of the network that computed them.
        split: `train`, `val` or `test`.
        classes: The `k` class names in alphabetical order.
        features: float16 or float32 `(n, d)`, or `(n, h, w, d)` where the backbone is not pooled.
        labels: int64 `(n,)`, the true class of each: an index into `classes`; whole numbers of other kinds,
            as in a list or a table's column, become such an array.
        sha256: Text `(n,)`, of the image file's bytes.
        parent: Text `(n,)`, the sha256 of the original; its own for an original.
        group: Text `(n,)`, the same for near-duplicates and their copies.
        copy: uint8 `(n,)`; 0 for an original, 1, 2, ... for its augmented copies.
        path: Text `(n,)`, under the folder of class folders or that of copies; see `files`.
        root: The project's folder.
        fingerprint: Of all that decides the features' values; heads are for those of one fingerprint.
    """

    dataset: str
    backbone: str
    split: str
    classes: tuple[str, ...]
    features: NDArray[Any] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    sha256: NDArray[np.str_] = field(repr=False)
    parent: NDArray[np.str_] = field(repr=False)
    group: NDArray[np.str_] = field(repr=False)
    copy: NDArray[np.uint8] = field(repr=False)
    path: NDArray[np.str_] = field(repr=False)
    root: Path = field(repr=False)
    fingerprint: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what is not row for row, and labels that name no class.

        Raises:
            FeaturesError: Says what was found.
        """
        object.__setattr__(self, "labels", _checked_labels(self.labels, len(self.classes)))
        counts = {name: len(getattr(self, name)) for name in COLUMNS}
        if len(set(counts.values())) > 1:
            raise FeaturesError(f"each column of features needs as many rows; found {counts}.")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[Any]) -> "Features":
        """Return some rows: a mask bool `(n,)`, or their places."""
        return replace(self, **{name: getattr(self, name)[rows] for name in COLUMNS})

    def originals(self) -> "Features":
        """Return the rows that are no augmented copies."""
        return self.take(self.copy == 0)

    def files(self) -> list[Path]:
        """Return where each image lies."""
        with paths.project_at(self.root):
            folders = paths.split_folder(self.dataset), paths.augmented_folder(self.dataset)
        return [
            folders[int(copy > 0)] / path for copy, path in zip(self.copy, self.path, strict=True)
        ]

    def table(self) -> "pandas.DataFrame":
        """Return a row an image, with all but the features: split, label (the class's name), path, ..."""
        import pandas

        columns = {name: getattr(self, name) for name in (*TEXTS, "copy")}
        names = np.array(self.classes)[self.labels]
        return pandas.DataFrame({"split": self.split, "label": names, **columns})

    def tf_data(
        self, batch_size: int = 32, *, seed: int | None = None
    ) -> "tensorflow.data.Dataset":
        """Return what Keras trains on: pairs of features float32 `(b, ...)` and labels int64 `(b,)`.

        Args:
            batch_size: Rows a batch, `b`; the last may be short.
            seed: Of the order, another one each epoch; None: the rows' own order.

        Raises:
            ParamsError: A batch of that size holds no rows.
        """
        if not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ParamsError(f"batch_size={batch_size!r}: expected 1 row a batch or more.")
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices((self.features, self.labels))
        if seed is not None:
            data = data.shuffle(max(1, len(self)), seed=seed)
        data = data.batch(batch_size).map(lambda x, y: (tf.cast(x, tf.float32), y))
        return data.prefetch(tf.data.AUTOTUNE)

    def rows(self) -> Rows:
        """Return them as heads take them.

        Raises:
            FeaturesError: A label is none of the classes, or a feature is no finite number.
        """
        _check_finite(self.features)
        return Rows(
            features=self.features.reshape(len(self), -1),
            labels=_checked_labels(self.labels, len(self.classes)),
            groups=self.group.astype("S64"),
            original=self.copy == 0,
            classes=len(self.classes),
        )


def check_record(features: object, asker: str) -> None:
    """Refuse what is no record of features.

    Raises:
        FeaturesError: Says what was found.
    """
    if not isinstance(features, Features):
        raise FeaturesError(
            f"{asker} takes a record of features, as load_features('flowers')['train']; found "
            f"{describe(features)}."
        )


def describe(value: object) -> str:
    """Return what a value is: of an array its type of number and its shape."""
    return f"{getattr(value, 'dtype', type(value).__name__)} {getattr(value, 'shape', '')}".strip()


def _as_array(values: object) -> NDArray[Any]:
    """Return values as an array; where they have no common shape, one of a single object."""
    try:
        return np.asarray(values)
    except ValueError:
        whole = np.empty((), object)
        whole[()] = values
        return whole


def _checked_labels(labels: object, classes: int) -> NDArray[np.int64]:
    """Return labels as int64 `(n,)`.

    Raises:
        FeaturesError: They are no whole numbers, a row an image, or one is none of the classes.
    """
    found = _as_array(labels)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise FeaturesError(
            "labels are whole numbers (n,), places in `classes`; found "
            f"{describe(labels if found.dtype == object else found)}."
        )
    unknown = found[(found < 0) | (found >= classes)]
    if len(unknown):
        raise FeaturesError(
            f"the label {unknown[0]} is none of the {classes} classes: expected 0 to {classes - 1}, "
            "places in `classes`."
        )
    return found.astype(np.int64, copy=False)


def _check_finite(features: NDArray[Any]) -> None:
    """Refuse features that are not all finite numbers.

    Raises:
        FeaturesError: Says which row is the first.
    """
    rows = np.isfinite(features).reshape(len(features), -1).all(axis=1)
    if not rows.all():
        raise FeaturesError(
            f"row {int(rows.argmin())} of the features holds values that are no finite numbers."
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedHead:
    """A head that turns features into probabilities.

    Attributes:
        classes: The `k` class names in alphabetical order.
        kind: `mlp`, `linear`, ... (docs/heads.md).
        settings: Of that kind, as the section `head` of params.yaml has them, and its `scaling`.
        metrics: Of each split, how good its predictions were when it was trained, as `dvc metrics show`
            has it (with head.fit_on all those of its twin, which was fitted to train alone); empty for a
            head of `fit_head`, which `measure` measures.
        head: What computes.
        fingerprint: Of the features that it was trained on.
        fitted_to: The sha256 of the images that it was trained on, without copies.
        groups: What `Features.group` calls those and the originals of the copies that it was trained on.
    """

    classes: tuple[str, ...]
    kind: str
    settings: Mapping[str, Any]
    metrics: Mapping[str, Figures] = field(repr=False)
    head: Head = field(repr=False)
    fingerprint: str = field(repr=False)
    fitted_to: frozenset[str] = field(repr=False)
    groups: frozenset[str] = field(repr=False)

    def probabilities(self, features: Features | NDArray[Any]) -> NDArray[np.float64]:
        """Return float64 `(n, k)`, each row a distribution over the classes.

        Args:
            features: A record, which is checked to be of the network and settings that the head was trained
                with; or an array alone, float16 or float32 `(n, d)` or `(n, h, w, d)`, taken to be of them.

        Raises:
            HeadError: They are no numbers or of another shape, or a record's are of other classes or of
                another fingerprint.
            FeaturesError: One is no finite number.
        """
        if isinstance(features, Features):
            self._check_fitting(features)
            features = features.features
        array, width = _as_array(features), len(self.head.scaler.mean)
        is_wide = array.ndim > 1 and math.prod(array.shape[1:]) == width
        if not is_wide or array.dtype.kind not in "fiu":
            found = describe(features if array.dtype == object else array)
            raise HeadError(
                f"this head takes features of {width:,} numbers, an array (n, {width}); found {found}."
            )
        if not len(array):
            return np.zeros((0, len(self.classes)))
        _check_finite(array)
        return self.head.probabilities(array)

    def measure(self, features: Features) -> Figures:
        """Return the figures of `metrics` on some images: accuracy, log loss, ...; copies are left out.

        Of images of train that the head was fitted to, one and all, they are its figures on train.

        Raises:
            FeaturesError: What is given is no record of features, or a feature is no finite number.
            HeadError: They are of other classes, or their features of another fingerprint, or there are none;
                or the head was fitted to some of them, or to copies or near-duplicates of them.
        """
        check_record(features, "measure")
        self._check_fitting(features)
        asked = features.originals()
        if not len(asked):
            raise HeadError(
                "there is no image to ask about: these features have no row of an original."
            )
        self._check_unseen(asked)
        predictions = Predictions(
            splits=("val",) * len(asked),
            sha256=tuple(asked.sha256.tolist()),
            path=tuple(asked.path.tolist()),
            labels=asked.labels,
            classes=self.classes,
            probabilities=self.probabilities(asked),
        )
        return compute_metrics(MeasuredRows.of([predictions]))["val"]

    def _check_fitting(self, features: Features) -> None:
        """Refuse features of other classes than the head knows, or of another network or settings."""
        if features.classes != self.classes:
            raise HeadError(
                f"this head knows the classes {', '.join(self.classes)}; the images are of "
                f"{', '.join(features.classes)}."
            )
        if features.fingerprint != self.fingerprint:
            raise HeadError(
                f"this head was trained on features of the fingerprint {self.fingerprint[:12]}; these, of "
                f"{features.fingerprint[:12]}, are of another network or other settings: run `dvc repro`."
            )

    def _check_unseen(self, asked: Features) -> None:
        """Refuse images that the head was fitted to, unless all are and they are of train.

        Of train, rows of a group are on both sides only where someone cut it; val may have near-duplicates
        of train where the settings of split let it.
        """
        fitted = np.isin(asked.sha256, list(self.fitted_to))
        if asked.split == "train":
            if fitted.all():
                return
            fitted |= np.isin(asked.group, list(self.groups))
        seen = int(fitted.sum())
        if not seen:
            return
        advice = "Hold out whole groups, as docs/python.md shows."
        if self.metrics:
            advice = (
                "`metrics` has the figures of when it was trained; after another split `dvc repro` fits a "
                "head anew, and with head.fit_on all there are no others."
            )
        raise HeadError(
            f"this head was fitted to {seen:,} of these {len(asked):,} images of {asked.split}, or to "
            f"copies or near-duplicates of them: how it does on them says nothing of others. {advice}"
        )
