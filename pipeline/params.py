"""params.yaml as frozen, validated sections; all its faults come in one error."""

import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    create_model,
    model_validator,
)

from pipeline import paths
from pipeline.catalogue import backbones as backbone_catalogue
from pipeline.catalogue.datasets import CATALOGUE
from pipeline.errors import ParamsError, did_you_mean
from pipeline.heads.kind import KindSettings, known_kinds
from pipeline.heads.rows import Scaling
from pipeline.urls import is_url, url_fault
from pipeline.yaml_reader import NotYaml, read_yaml

T = TypeVar("T")
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Positive = Annotated[float, Field(gt=0)]
RunnerName = Literal["local", "ray"]
# A name is part of paths, of command lines and of the names of stages.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
Name = Annotated[str, Field(pattern=NAME)]
WordnetId = Annotated[str, Field(pattern=r"^n\d{8}$")]
OWN_NAME = " A name of your own needs the key network, which says one of these."

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def _check_path(text: str) -> str:
    """Refuse what no system and no DVC takes for a path."""
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", text):
        raise ValueError("a path holds no control characters and no halves of characters")
    longest = max(len(part.encode()) for part in text.split("/"))
    if longest > 255 or len(text.encode()) > 4000:
        raise ValueError(
            f"a name in the path has {longest:,} bytes; expected at most 255, 4,000 in all"
        )
    if text.startswith("~"):
        raise ValueError("DVC takes '~' literally; write the path out: /home/...")
    return text


def _check_archive(text: str) -> str:
    """Refuse a URL that cannot be used or holds a secret, and a path that is none."""
    if not is_url(text):
        return _check_path(text)
    if fault := url_fault(text):
        raise ValueError(f"the URL {fault}")
    return text


class Section(BaseModel):
    """A frozen part of params.yaml that knows exactly its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DatasetParams(Section):
    """Where one dataset's images come from."""

    source: Literal["drawn", "kaggle", "mirror", "archive"]
    archive: Annotated[str, AfterValidator(_check_archive)] | None = None

    @model_validator(mode="after")
    def _archive_is_named_when_needed(self) -> Self:
        if self.source == "archive" and not self.archive:
            raise ValueError(
                "source 'archive' needs the key archive: the path or URL of a .zip, .tar, .tgz, or a folder"
            )
        if self.source != "archive" and self.archive:
            raise ValueError(f"archive is given, so source must be 'archive', not {self.source!r}")
        return self


def _as_layers(value: object) -> object:
    """Return one layer as it is, several as a tuple."""
    layers = tuple(value) if isinstance(value, list | tuple) else (value,)
    named = all(one is None or isinstance(one, str) for one in layers)
    if not layers or not named or len(set(layers)) < len(layers):
        raise ValueError(
            f"input should be a layer's name, null, or a list of different ones (found {_shown(value)})"
        )
    return layers if len(layers) > 1 else layers[0]


Layer = Annotated[str | tuple[str | None, ...] | None, BeforeValidator(_as_layers)]
Pooling = Literal["avg", "max", "flatten", None]
InputSize = Annotated[int, Field(ge=32, le=1024)]


class ChannelScaling(Section):
    """Pixels are brought to 0..1, then less a mean, by a standard deviation: of red, green and blue."""

    mean: tuple[float, float, float]
    std: tuple[Positive, Positive, Positive]


def _as_scaling(value: object) -> object:
    """Return a mapping as the record that it stands for; others as they are."""
    if value is None or value in (names := get_args(backbone_catalogue.Scaling)):
        return value
    try:
        lists = value.items() if isinstance(value, Mapping) else ()
        return ChannelScaling(**{str(key): tuple(three) for key, three in lists})
    except (ValidationError, TypeError):
        raise ValueError(
            f"input should be {', '.join(map(repr, names))}, or {{mean: [r, g, b], std: [r, g, b]}} "
            f"of pixels 0..1, std above 0 (found {_shown(value)})"
        ) from None


class BackboneParams(Section):
    """Which frozen network, and where it is cut.

    Attributes:
        network: Its name in the catalogue; None: the key of params.yaml is that name.
        layer: Where it is cut, None: the last one; several, whose features stand side by side.
        scaling: What happens to pixels first, of a network of one's own; the others know theirs.
    """

    network: str | None = None
    layer: Layer = None
    pooling: Pooling = "avg"
    input_size: InputSize = 224
    weights: Annotated[str, AfterValidator(_check_path)] = Field(default="imagenet", min_length=1)
    scaling: Annotated[
        backbone_catalogue.Scaling | ChannelScaling | None, BeforeValidator(_as_scaling)
    ] = None

    @model_validator(mode="after")
    def _ones_own_network_is_a_file_and_says_its_scaling(self) -> Self:
        own = self.network == backbone_catalogue.OWN
        if own and (self.weights in ("imagenet", "random") or self.scaling is None):
            raise ValueError(
                "network 'own' needs weights, a .keras or .onnx file or a SavedModel in weights/ or its "
                "absolute path, and scaling "
                f"(found weights {_shown(self.weights)}, scaling {self.scaling})"
            )
        if not own and self.scaling is not None:
            raise ValueError(
                "scaling is for network 'own' alone: the others have that of their authors"
            )
        return self

    @property
    def networks(self) -> tuple[Self, ...]:
        """The settings of each network: these alone."""
        return (self,)

    @property
    def needs_openvino(self) -> bool:
        """Whether it is a network of one's own that is no Keras model."""
        own = self.network == backbone_catalogue.OWN
        return own and not self.weights.endswith((".keras", ".h5", ".hdf5"))

    def without_weights(self) -> Self:
        """Return settings for the same layers that need no weights; one's own network is its file."""
        if self.network == backbone_catalogue.OWN:
            return self
        return self.model_copy(update={"weights": "random"})

    @model_validator(mode="after")
    def _several_layers_give_vectors(self) -> Self:
        if isinstance(self.layer, tuple) and self.pooling is None:
            raise ValueError("several layers need pooling: avg, max or flatten (found null)")
        return self


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


class JointBackboneParams(Section):
    """Which frozen networks see each image, so that their features stand side by side.

    Attributes:
        network: Their names in the catalogue, in the order of their features.
        layer: Where each is cut, as of one network.
        input_size: Of each; params.yaml may give one number for all.
        weights: Of all; a file fits one network.
        scaling: Each network knows its own.
    """

    network: Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
    layer: Layer = None
    pooling: Pooling = "avg"
    input_size: Annotated[tuple[InputSize, ...], BeforeValidator(_as_tuple)] = ()
    weights: Literal["imagenet", "random"] = "imagenet"
    scaling: None = None

    @property
    def networks(self) -> tuple[BackboneParams, ...]:
        """The settings of each network alone, as a backbone of its own has them."""
        cut = self.model_dump(include={"layer", "pooling", "weights"})
        return tuple(
            BackboneParams(network=network, input_size=size, **cut)
            for network, size in self._sized_networks
        )

    @property
    def _sized_networks(self) -> list[tuple[str, int]]:
        """The name and input size of each network."""
        return list(zip(self.network, self.input_size, strict=True))

    @model_validator(mode="before")
    @classmethod
    def _each_network_has_a_size(cls, tree: Any) -> Any:
        networks, sizes = tree["network"], tree.get("input_size", 224)
        if not networks:
            return tree
        if not isinstance(sizes, list | tuple):
            sizes = [sizes] * len(networks)
        if len(sizes) != len(networks):
            raise ValueError(
                f"input_size should be one number, or a list of one of each of the {len(networks)} networks "
                f"(found {len(sizes)})"
            )
        return {**tree, "input_size": sizes}

    @model_validator(mode="after")
    def _networks_can_stand_side_by_side(self) -> Self:
        if len(set(self._sized_networks)) < len(self.network):
            raise ValueError(
                f"network has one twice with the same input_size (found {_shown(self.network)})"
            )
        if self.pooling is None and len(self.network) > 1:
            raise ValueError("several networks need pooling: avg, max or flatten (found null)")
        return self


_ONE, _JOINT = "one network", "several networks"
AnyBackbone = BackboneParams | JointBackboneParams


def _how_many_networks(settings: object) -> str:
    """Tell which record settings are, or make."""
    if isinstance(settings, JointBackboneParams):  # asked when it is written
        return _JOINT
    network = settings.get("network") if isinstance(settings, Mapping) else None
    return _JOINT if isinstance(network, list | tuple) else _ONE


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


class RayParams(Section):
    """On what Ray runs the backbone, and where split and augment find it (docs/scaling.md).

    Attributes:
        address: `host:port` of a cluster's head, `auto` for the one that this machine belongs to; None:
            this machine alone, by a Ray that ends with the run.
        workers: How many processes run the backbone; None: as many as the nodes have room for.
        cpus: Processors of a worker.
        gpus: GPUs of a worker; None: one where extract runs on a GPU here, else none.
        patience: Seconds without a feature after which a worker is given up.
    """

    address: Annotated[str, Field(pattern=r"^(auto|[^\s/@]+:\d{1,5})$")] | None = None
    workers: Annotated[int, Field(ge=1, le=10_000)] | None = None
    cpus: int = Field(default=1, ge=1, le=1024)
    gpus: Annotated[int, Field(ge=0, le=64)] | None = None
    patience: int = Field(default=60, ge=1, le=86_400)


class ExtractParams(Section):
    """How the backbone is run and what is kept; runner and ray decide no value."""

    engine: Literal["auto", "tensorflow", "openvino", "jax"]
    precision: Literal["float32", "bfloat16", "float16"]
    batch_size: int | None = Field(ge=1, le=4096)
    dtype: Literal["float16", "float32"]
    runner: RunnerName = "local"
    ray: RayParams = Field(default_factory=RayParams)


class RunnersParams(Section):
    """Who does the other work on images one by one; what comes of it is the same.

    In a section of its own, for DVC watches those of the stages whole, and would run them again.

    Attributes:
        split: `local`: processes of this machine; `ray`: the cluster that `extract.ray` says.
        augment: Likewise.
    """

    split: RunnerName = "local"
    augment: RunnerName = "local"


class ReportParams(Section):
    """What the page shows beside what it always does.

    Attributes:
        heat_maps: Where in the images that a head gets wrong it found its class.
    """

    heat_maps: bool = False


KEEP_NOTHING = ("data", "libarchive", "memory", "tar", "zip")  # kinds of URLs that fsspec knows


def _check_store(text: str) -> str:
    """Refuse a place that depends on where a stage runs, and a URL that may hold a secret."""
    if not re.fullmatch(r"/.*|[a-z][a-z0-9+]*://[^@?#\s]+", text):
        raise ValueError(
            "expected an absolute folder, or a URL as s3://team/features, without name, password or query: "
            "params.yaml is in Git (docs/sharing.md says where keys belong)"
        )
    if "::" in text:
        raise ValueError(
            "'::' joins two places to fsspec, and features would lie in the first: name one place"
        )
    if text.partition("://")[0] in KEEP_NOTHING:
        raise ValueError("what is added there is lost, or comes to nobody else: name another place")
    return _check_path(text)


class FeaturesParams(Section):
    """Where features are kept beside the local store; what they are does not depend on it.

    Attributes:
        store: An absolute folder or a URL that a team shares; None: this machine's alone.
    """

    store: Annotated[str, AfterValidator(_check_store)] | None = None


def _check_kind(name: str) -> str:
    if name not in known_kinds():
        known = ", ".join(map(repr, known_kinds()))
        raise ValueError(
            f"input should be {known} (found {name!r}).{did_you_mean(name, known_kinds())}"
        )
    return name


# One section for all kinds, so that `-S head.kind=...` is all that it takes to try another.
_OWN_KEYS = {
    name: (field.annotation, field)
    for kind in known_kinds().values()
    for name, field in kind.settings.model_fields.items()
}
_KeysOfAllKinds = create_model("_KeysOfAllKinds", __base__=Section, **_OWN_KEYS)  # type: ignore[call-overload]


class HeadParams(_KeysOfAllKinds):  # type: ignore[valid-type, misc]
    """The small model and how it is trained: what all kinds share; and the keys of each kind."""

    kind: Annotated[str, AfterValidator(_check_kind)]
    scaling: Scaling = "none"
    holdout: float = Field(default=0.1, ge=0, lt=1)
    fit_on: Literal["train", "all"] = "train"
    calibrate: bool = False
    seed: Seed

    @model_validator(mode="after")
    def _something_is_held_out_where_it_decides(self) -> Self:
        own = self.own_settings()
        if own.needs_holdout and not self.holdout:
            found = {key: getattr(own, key) for key in ("patience", "restarts")}
            raise ValueError(
                "patience above 0 and restarts above 1 need training images that are held out: "
                f"holdout should be above 0, as 0.1 (found {found})"
            )
        return self

    def own_settings(self) -> KindSettings:
        """Return what the kind takes of it."""
        record: type[KindSettings] = known_kinds()[self.kind].settings
        return record(**{name: getattr(self, name) for name in record.model_fields})


class Params(Section):
    """All of params.yaml.

    Attributes:
        features, runners: No stage runs again because of them, since they decide no value.
        synsets: Class to the WordNet ids of ImageNet's classes that it consists of; no stage reads them.
    """

    datasets: dict[Name, DatasetParams] = Field(min_length=1)
    backbones: dict[
        Name,
        Annotated[
            Annotated[BackboneParams, Tag(_ONE)] | Annotated[JointBackboneParams, Tag(_JOINT)],
            Discriminator(_how_many_networks),
        ],
    ] = Field(min_length=1)
    split: SplitParams
    augment: AugmentParams
    extract: ExtractParams
    head: HeadParams
    report: ReportParams = Field(default_factory=ReportParams)
    features: FeaturesParams = Field(default_factory=FeaturesParams)
    runners: RunnersParams = Field(default_factory=RunnersParams)
    synsets: dict[str, list[WordnetId]] = Field(default_factory=dict)

    def dataset(self, name: str) -> DatasetParams:
        """Return one dataset's settings.

        Raises:
            ParamsError: params.yaml has no such dataset; the message lists those it has.
        """
        return _chosen(self.datasets, name, "dataset")

    def backbone(self, name: str) -> AnyBackbone:
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
    return load_settings(path, parse_params)


def load_settings(path: Path, parse: Callable[[object], T]) -> T:
    """Read a file of settings, and return what `parse` makes of its plain values.

    Raises:
        ParamsError: As `load_params`, with what `parse` raises.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ParamsError(
            f"cannot read {path}: {error.strerror}. Run in the project's folder."
        ) from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path} is not YAML: {error}. Save it as UTF-8.") from None
    try:
        return parse(read_yaml(text))
    except NotYaml as error:
        raise ParamsError(f"{path} is not YAML: {_without_urls(str(error))}.") from None
    except ParamsError as error:
        raise ParamsError(f"{path} has {error}") from None


def parse_params(tree: object) -> Params:
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
        faults += [
            describe_fault(_without_tags(fault), _keys_allowed_at) for fault in error.errors()
        ]
    faults += _unknown_names(tree)
    if faults or params is None:
        raise all_faults(faults)
    return params


def _without_tags(fault: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fault whose place names keys of params.yaml alone."""
    keys = list(fault["loc"])
    if keys[:1] == ["backbones"] and keys[2:3] in ([_ONE], [_JOINT]):
        del keys[2]
    return {**fault, "loc": tuple(keys)}


def change_head(settings: HeadParams, changes: Mapping[str, object]) -> HeadParams:
    """Return the section `head` with some values changed, and checked.

    Raises:
        ParamsError: Lists every fault.
    """
    try:
        changed: HeadParams = HeadParams.model_validate({**settings.model_dump(), **changes})
    except ValidationError as error:
        faults = [dict(fault) | {"loc": ("head", *fault["loc"])} for fault in error.errors()]
        raise all_faults([describe_fault(fault, _keys_allowed_at) for fault in faults]) from None
    return changed


def all_faults(faults: Sequence[str]) -> ParamsError:
    """Return one error that lists all faults of a file."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    return ParamsError("\n  ".join([f"{count}:", *faults]))


def _unknown_names(tree: Mapping[str, Any]) -> list[str]:
    """Return the faults that only the catalogues can find."""
    faults = []
    for name in _names(tree.get("backbones")):
        faults += _unknown_network(name, tree["backbones"][name])
    for name in _names(tree.get("datasets")):
        settings = tree["datasets"][name]
        source = settings.get("source") if isinstance(settings, Mapping) else None
        if source in ["drawn", "kaggle", "mirror"] and name not in CATALOGUE:
            faults.append(
                f"datasets.{name}: no known dataset is called {name!r}. Known: {', '.join(CATALOGUE)}; "
                f"a name of your own needs source: archive.{did_you_mean(name, CATALOGUE)}"
            )
    return faults


def _unknown_network(name: str, settings: object) -> list[str]:
    """Return the faults of a backbone whose networks, named by its settings or its key, are not known."""
    network = settings.get("network") if isinstance(settings, Mapping) else None
    if network is None and name not in backbone_catalogue.NAMES:
        return [f"backbones.{name}: {backbone_catalogue.unknown(name, OWN_NAME)}"]
    if network == backbone_catalogue.OWN:
        return []
    networks = network if isinstance(network, list | tuple) else [network]
    faults = [
        "a network of one's own is not joined with others: give it a key of its own"
        if one == backbone_catalogue.OWN
        else backbone_catalogue.unknown(one)
        for one in networks
        if isinstance(one, str) and one not in backbone_catalogue.NAMES
    ]
    return [f"backbones.{name}.network: {fault}" for fault in faults]


def _names(section: object) -> list[str]:
    """Return a section's keys that are fit for names; the others are faults already."""
    keys = section if isinstance(section, Mapping) else ()
    return [key for key in keys if isinstance(key, str) and re.search(NAME, key)]


def describe_fault(fault: dict[str, Any], keys_allowed_at: Callable[[list[str]], list[str]]) -> str:
    """Turn one of pydantic's faults into a line: dotted key, what is wrong, what was found.

    Args:
        fault: As pydantic gives it.
        keys_allowed_at: The keys that a section knows, given its place.
    """
    kind, found = fault["type"], _shown(fault["input"])
    keys = [_shown_key(key) if isinstance(key, str) else _shown(key) for key in fault["loc"]]
    if is_name := keys[-1:] == ["[key]"]:
        keys.pop()
    where = ".".join(keys) or "params"
    if kind == "extra_forbidden":
        known = keys_allowed_at(keys[:-1])
        return (
            f"{where}: unknown key. Known here: {', '.join(known)}.{did_you_mean(keys[-1], known)}"
        )
    if kind == "missing":
        return f"{where}: missing"
    if kind == "value_error":
        return f"{where}: {fault['ctx']['error']}"
    if kind in ("model_type", "dict_type"):
        return f"{where}: input should be a mapping of keys to values (found {found})"
    if kind == "invalid_key" or (is_name and kind == "string_type"):
        return f"{where}: a key is text; put it in quotation marks"
    if is_name:
        return (
            f"{where}: a name holds letters, digits, '-' and '_', begins with a letter or digit "
            "and has at most 100 characters"
        )
    return f"{where}: {fault['msg'][0].lower()}{fault['msg'][1:]} (found {found})"


def _shown(value: object) -> str:
    """Write a value in few characters, and nothing of a URL: it may hold a secret."""
    try:
        return _without_urls(_SHORT.repr(value))
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "an integer of thousands of digits"


def _shown_key(key: str) -> str:
    """Write a key in one line: YAML has some with line ends."""
    key = _without_urls(key[:120])
    return key if key.isprintable() else repr(key)


def _without_urls(text: str) -> str:
    return re.sub(r"(\w+://).*", r"\1...", text, flags=re.DOTALL)


def _keys_allowed_at(keys: list[str]) -> list[str]:
    """Return the keys that a section knows, given its dotted place."""
    if not keys:
        return list(Params.model_fields)
    if keys == ["extract", "ray"]:
        return list(RayParams.model_fields)
    of_names = {"datasets": DatasetParams, "backbones": BackboneParams}
    section: Any = of_names.get(keys[0]) or Params.model_fields[keys[0]].annotation
    return list(section.model_fields)


def _chosen(sections: Mapping[str, T], name: str, noun: str) -> T:
    if name not in sections:
        raise ParamsError(
            f"{paths.PARAMS} has no {noun} {name!r}. It has: {', '.join(sections)}."
            f"{did_you_mean(name, sections)} ({paths.PARAMS}, {noun}s)"
        )
    return sections[name]
