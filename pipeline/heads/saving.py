"""A saved head: what its description says, and what must hold before it is believed.

Everything is compared with the description before a tensor is read, so neither damage nor a
hostile file takes memory, and none is taken for a head.
"""

import hashlib
import json
import math
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pipeline.errors import HeadError
from pipeline.heads.folder import (
    DESCRIPTION,
    OWN_KEYS,
    WEIGHTS,
    damage_told,
    read_description,
    regular_file,
    require_sha256,
    write_folder,
)
from pipeline.heads.head import Head
from pipeline.heads.kind import KindSettings, Shapes, known_kinds
from pipeline.heads.rows import Scaling, scaler_shapes
from pipeline.predictions import Predictions

LONGEST_HEADER = 64 << 10  # bytes of a weights file that are no numbers; ours has about 300

Tensors = Mapping[str, NDArray[np.float32]]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Length = Annotated[int, Field(ge=1, le=1 << 24)]


def _as_text(parts: Any) -> Any:
    """Return the parts of a fingerprint as `Fingerprint.to_json` writes them."""
    is_text = isinstance(parts, str)
    return parts if is_text else json.dumps(parts, sort_keys=True, separators=(",", ":"))


class HeadInfo(BaseModel):
    """What a saved head needs to be used, and what was decided on the way to it.

    Attributes:
        kind: Which module of `pipeline.heads.kinds` it is.
        settings: Of that kind.
        scaling: How features are scaled.
        temperature: What its scores are divided by.
        shape: Of one feature: `(d,)` or `(h, w, d)`.
        rows: How many original images it was fitted to.
        fit_on: `train`, or `all`: then metrics and predictions are those of its twin, fitted to
            train alone.
        chosen: What was decided inside train, by name.
        trials: What was tried for that: setting, value, log loss of images held out.
        classes: In alphabetical order.
        backbone: Name of the network whose features it takes.
        fingerprint: Of those features.
        fingerprint_parts: What the fingerprint is made of, as JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    kind: str
    settings: dict[Name, bool | int | float | str | list[int] | None]
    scaling: Scaling
    temperature: float = Field(gt=0)
    shape: tuple[Length, ...] = Field(min_length=1, max_length=3)
    rows: Length
    fit_on: Literal["train", "all"]
    chosen: dict[Name, float] = Field(max_length=100)
    trials: tuple[tuple[Name, float, float], ...] = Field(max_length=10_000)
    classes: tuple[Name, ...] = Field(min_length=2, max_length=100_000)
    backbone: Name
    fingerprint: Name
    fingerprint_parts: Annotated[str, BeforeValidator(_as_text), PlainSerializer(json.loads)]

    @model_validator(mode="after")
    def _classes_are_sorted_and_different(self) -> Self:
        if list(self.classes) != sorted(set(self.classes)):
            raise ValueError("classes should be different names in alphabetical order")
        return self

    @model_validator(mode="after")
    def _kind_knows_the_settings(self) -> Self:
        if self.kind not in known_kinds():
            raise ValueError(f"kind should be one of {', '.join(known_kinds())}")
        self.own_settings()
        return self

    def own_settings(self) -> KindSettings:
        """Return the settings as their kind has them."""
        settings: KindSettings = known_kinds()[self.kind].settings.model_validate(self.settings)
        return settings

    def tensor_shapes(self) -> Shapes:
        """Return the shape of each of the head's tensors, all float32, by name."""
        width = math.prod(self.shape)
        shapes = known_kinds()[self.kind].shapes(
            self.own_settings(), self.rows, width, len(self.classes)
        )
        return {**shapes, **scaler_shapes(self.scaling, width)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SavedHead:
    """A head as numbers: the `tensors` have the shapes that `info` asks for, and are finite."""

    info: HeadInfo
    tensors: Tensors

    def __post_init__(self) -> None:
        expected = {name: (shape, "float32") for name, shape in self.info.tensor_shapes().items()}
        found = {name: (values.shape, str(values.dtype)) for name, values in self.tensors.items()}
        if found != expected:
            raise HeadError(f"{WEIGHTS} holds {found}, a head as {DESCRIPTION} has {expected}")
        for name, values in self.tensors.items():
            if not np.isfinite(values).all():
                raise HeadError(f"{WEIGHTS}: {name} holds numbers that are not finite")

    def head(self) -> Head:
        """Return it, ready to be used."""
        return Head.from_saved(
            self.info.kind,
            self.info.own_settings(),
            self.info.scaling,
            math.prod(self.info.shape),
            dict(self.tensors),
            self.info.temperature,
        )


def write_head(folder: Path, head: SavedHead, predictions: Iterable[Predictions]) -> None:
    """Write a head and what it predicts, block by block; equal heads give equal bytes."""
    weights = save(dict(head.tensors))
    write_folder(folder, head.info.model_dump(mode="json"), weights, predictions)


def read_head(folder: Path) -> SavedHead:
    """Read and check what `write_head` wrote.

    Raises:
        HeadError: A file is missing, or not what was written; says what was found.
    """
    with damage_told(folder):
        content = read_description(folder)
        sha256 = content.get("weights_sha256")
        try:
            text = json.dumps({key: content[key] for key in content.keys() - set(OWN_KEYS)})
            info = HeadInfo.model_validate_json(text)
        except ValidationError as error:
            raise HeadError(_first_fault(error)) from None
        try:
            return SavedHead(info=info, tensors=load(_read_weights(folder, info, sha256)))
        except SafetensorError as error:
            raise HeadError(f"{WEIGHTS}: {error}") from None


def _first_fault(error: ValidationError) -> str:
    """Return one line: the key, what is wrong and what was found."""
    fault = error.errors()[0]
    where = ".".join(map(str, fault["loc"])) or "the whole"
    return f"{DESCRIPTION}, {where}: {fault['msg']}, found {reprlib.repr(fault['input'])}"


def _read_weights(folder: Path, info: HeadInfo, sha256: object) -> bytes:
    """Read the weights, after comparing their size with what the description asks for."""
    path = regular_file(folder / WEIGHTS)
    numbers = sum(math.prod(shape) for shape in info.tensor_shapes().values())
    size, least = path.stat().st_size, 4 * numbers
    if not least < size <= least + LONGEST_HEADER:
        raise HeadError(f"{WEIGHTS} has {size:,} bytes, a head as {DESCRIPTION} has {least:,}")
    weights = path.read_bytes()
    require_sha256(WEIGHTS, hashlib.sha256(weights).hexdigest(), sha256)
    return weights
