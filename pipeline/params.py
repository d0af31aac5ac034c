"""params.yaml as frozen, validated sections; all its faults come in one error."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline import paths
from pipeline.catalogue import backbones as backbone_catalogue
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import ParamsError, did_you_mean

T = TypeVar("T")
Seed = Annotated[int, Field(ge=0, lt=2**32)]
DatasetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class _Yaml(yaml.SafeLoader):
    """YAML 1.1 reads `1e-5` as text; here, as in YAML 1.2 and in DVC, it is a number."""


_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


class Section(BaseModel):
    """A frozen part of params.yaml that knows exactly its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DatasetParams(Section):
    """Where one dataset's images come from."""

    source: Literal["drawn", "kaggle", "mirror", "archive"]
    archive: str | None = None

    @model_validator(mode="after")
    def _archive_is_named_when_needed(self) -> Self:
        if self.source == "archive" and not self.archive:
            raise ValueError(
                "source 'archive' needs the key archive: the path or URL of a .zip, .tar, .tgz, or a folder"
            )
        if self.source != "archive" and self.archive:
            raise ValueError(f"archive is given, so source must be 'archive', not {self.source!r}")
        return self


class BackboneParams(Section):
    """Which frozen network, and where it is cut."""

    layer: str | None = None
    pooling: Literal["avg", "max", None] = "avg"
    input_size: int = Field(default=224, ge=32, le=1024)
    weights: str = Field(default="imagenet", min_length=1)


class SplitParams(Section):
    """How images are split into train, val and test."""

    val_fraction: float = Field(gt=0, lt=1)
    test_fraction: float = Field(default=0.0, ge=0, lt=1)
    seed: Seed
    near_duplicates: bool = True
    method: Literal["stable", "exact"] = "stable"
    respect_folders: bool = False

    @model_validator(mode="after")
    def _something_is_left_to_train_on(self) -> Self:
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError("val_fraction + test_fraction must be below 1")
        return self


class AugmentParams(Section):
    """How copies of training images are changed."""

    copies: int = Field(ge=0, le=20)
    rotate: float = Field(ge=0, le=180)
    shift: float = Field(ge=0, le=0.5)
    zoom: float = Field(ge=0, le=0.5)
    flip: bool
    seed: Seed


class ExtractParams(Section):
    """How the backbone is run and what is kept."""

    engine: Literal["auto", "tensorflow", "openvino"]
    precision: Literal["float32", "float16"]
    batch_size: int | None = Field(ge=1, le=4096)
    dtype: Literal["float16", "float32"]


class HeadParams(Section):
    """The small model and how it is trained."""

    kind: Literal["mlp", "linear"]
    units: int = Field(ge=1, le=65536)
    dropout: float = Field(ge=0, lt=1)
    l2: float = Field(ge=0, allow_inf_nan=False)
    optimizer: Literal["adam", "sgd", "rmsprop"]
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    batch_size: int = Field(ge=1, le=65536)
    epochs: int = Field(ge=1, le=10000)
    patience: int = Field(ge=0)
    seed: Seed


class Params(Section):
    """All of params.yaml."""

    datasets: dict[DatasetName, DatasetParams] = Field(min_length=1)
    backbones: dict[str, BackboneParams] = Field(min_length=1)
    split: SplitParams
    augment: AugmentParams
    extract: ExtractParams
    head: HeadParams

    def dataset(self, name: str) -> DatasetParams:
        """Return one dataset's settings.

        Raises:
            ParamsError: params.yaml has no such dataset; the message lists those it has.
        """
        return _chosen(self.datasets, name, "dataset")

    def backbone(self, name: str) -> BackboneParams:
        """Return one backbone's settings.

        Raises:
            ParamsError: params.yaml has no such backbone; the message lists those it has.
        """
        return _chosen(self.backbones, name, "backbone")


def load_params(path: Path = paths.PARAMS) -> Params:
    """Read and check params.yaml.

    Raises:
        ParamsError: The file is missing or not YAML, or it has faults: the message lists
            all of them, each with its dotted key, the value found and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParamsError(
            f"cannot read {path}: {error.strerror}. Run in the project's folder."
        ) from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path} is not YAML: {error}") from None
    try:
        return parse_params(yaml.load(text, Loader=_Yaml))  # noqa: S506 (it is a SafeLoader)
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} is not YAML: {error}") from None
    except ParamsError as error:
        raise ParamsError(f"{path} has {error}") from None


def parse_params(tree: Any) -> Params:
    """Check a tree of plain values, as YAML gives it.

    Raises:
        ParamsError: Lists every fault.
    """
    if not isinstance(tree, Mapping):
        raise ParamsError(f"no settings: expected a mapping, found {type(tree).__name__}.")
    faults: list[str] = []
    params = None
    try:
        params = Params.model_validate(tree)
    except ValidationError as error:
        faults += [_describe(dict(fault)) for fault in error.errors()]
    faults += _unknown_names(tree)
    if faults or params is None:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ParamsError("\n  ".join([f"{count}:", *faults]))
    return params


def _unknown_names(tree: Mapping[str, Any]) -> list[str]:
    """Return the faults that only the catalogues can find."""
    faults = []
    backbones = tree.get("backbones")
    for name in backbones if isinstance(backbones, Mapping) else ():
        if str(name) not in backbone_catalogue.NAMES:
            faults.append(f"backbones.{name}: {backbone_catalogue.unknown(str(name))}")
    datasets = tree.get("datasets")
    for name, settings in datasets.items() if isinstance(datasets, Mapping) else ():
        source = settings.get("source") if isinstance(settings, Mapping) else None
        if source in ("drawn", "kaggle", "mirror") and str(name) not in CATALOGUE:
            faults.append(
                f"datasets.{name}: no known dataset is called {str(name)!r}. Known: {', '.join(CATALOGUE)}; "
                f"a name of your own needs source: archive.{did_you_mean(str(name), CATALOGUE)}"
            )
    return faults


def _describe(fault: dict[str, Any]) -> str:
    """Turn one of pydantic's faults into a line: dotted key, what is wrong, what was found."""
    keys = [str(key) for key in fault["loc"] if key != "[key]"]
    where = ".".join(keys) or "params"
    if fault["type"] == "extra_forbidden":
        known = _keys_allowed_at(keys[:-1])
        return (
            f"{where}: unknown key. Known here: {', '.join(known)}.{did_you_mean(keys[-1], known)}"
        )
    if fault["type"] == "missing":
        return f"{where}: missing"
    if fault["type"] == "value_error":
        return f"{where}: {fault['ctx']['error']}"
    if fault["type"] in ("model_type", "dict_type"):
        return f"{where}: input should be a mapping of keys to values (found {fault['input']!r})"
    if fault["type"] == "string_pattern_mismatch":
        return (
            f"{where}: a name holds letters, digits, '-' and '_', and begins with a letter or digit"
        )
    return f"{where}: {fault['msg'][0].lower()}{fault['msg'][1:]} (found {fault['input']!r})"


def _keys_allowed_at(keys: list[str]) -> list[str]:
    """Return the keys that a section knows, given its dotted place."""
    if not keys:
        return list(Params.model_fields)
    section: dict[str, type[Section]] = {
        "datasets": DatasetParams, "backbones": BackboneParams, "split": SplitParams,
        "augment": AugmentParams, "extract": ExtractParams, "head": HeadParams,
    }  # fmt: skip
    return list(section[keys[0]].model_fields)


def _chosen(sections: Mapping[str, T], name: str, noun: str) -> T:
    if name not in sections:
        raise ParamsError(
            f"{paths.PARAMS} has no {noun} {name!r}. It has: {', '.join(sections)}."
            f"{did_you_mean(name, sections)} ({paths.PARAMS}, {noun}s)"
        )
    return sections[name]
