"""params.yaml: what is right is read as it stands, what is wrong is told at once and by its dotted key."""

import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pipeline import paths
from pipeline.errors import ParamsError
from pipeline.params import BackboneParams, HeadParams, Params, load_params, parse_params

FILE = Path(__file__).parents[1] / paths.PARAMS
TEXT = FILE.read_text(encoding="utf-8")


def changed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the project's settings with some changed, by dotted key; `...` takes a key out."""
    tree: dict[str, Any] = yaml.safe_load(TEXT)
    tree["head"]["learning_rate"] = 9e-3  # which YAML 1.1 takes for text
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        section = tree
        for name in sections:
            section = section.setdefault(name, {})
        section[key] = value
        if value is ...:
            del section[key]
    return tree


def faults_of(changes: Mapping[str, Any]) -> str:
    with pytest.raises(ParamsError, match="fault") as caught:
        parse_params(changed(changes))
    return str(caught.value)


def test_the_projects_own_settings_are_right() -> None:
    params = load_params(FILE)
    assert params.head.learning_rate == 9e-3
    assert params.datasets["flowers"].source == "drawn"
    assert params == parse_params(changed({}))


@pytest.mark.parametrize("text", ["1e-5", "1E-5", "0.1e-4", "1.e-5", ".1e-4", "1e-05", "+1e-5"])
def test_a_number_in_scientific_notation_is_a_number(text: str, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(TEXT.replace("learning_rate: 9.0e-3", f"learning_rate: {text}"))
    assert load_params(file).head.learning_rate == 1e-5


def test_text_in_quotation_marks_stays_text(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(TEXT.replace("learning_rate: 9.0e-3", "learning_rate: '1e-5'"))
    with pytest.raises(ParamsError, match=r"head\.learning_rate: .*valid number \(found '1e-5'\)"):
        load_params(file)


def test_all_faults_come_at_once_each_with_its_dotted_key() -> None:
    message = faults_of(
        {
            "head.units": "wide", "head.dropout": 1.0, "head.kind": "svm", "split.val_fraction": 0,
            "augment.copies": 21, "augment.flip": "yes", "extract.batch_size": ..., "augment.rotat": 3,
            "backbones.efficientnet_lite0.input_size": 31, "backbones.vgg-16": {},
            "datasets.flower": {"source": "drawn"}, "datasets.mine": {"source": "archive"}, "evaluate": {},
        }
    )  # fmt: skip
    assert message.startswith("13 faults:\n")
    lines = dict(line.strip().split(": ", 1) for line in message.splitlines()[1:])
    assert {key: lines[key] for key in sorted(lines)} == {
        "augment.copies": "input should be less than or equal to 20 (found 21)",
        "augment.flip": "input should be a valid boolean (found 'yes')",
        "augment.rotat": "unknown key. Known here: copies, rotate, shift, zoom, flip, seed. "
        "Did you mean 'rotate'?",
        "backbones.efficientnet_lite0.input_size": "input should be greater than or equal to 32 (found 31)",
        "backbones.vgg-16": lines["backbones.vgg-16"],
        "datasets.flower": "no known dataset is called 'flower'. Known: cats_vs_dogs, flowers; "
        "a name of your own needs source: archive. Did you mean 'flowers'?",
        "datasets.mine": "source 'archive' needs the key archive: "
        "the path or URL of a .zip, .tar, .tgz, or a folder",
        "evaluate": "unknown key. Known here: datasets, backbones, split, augment, extract, head, "
        "report, features, runners, synsets.",
        "extract.batch_size": "missing",
        "head.dropout": "input should be less than 1 (found 1.0)",
        "head.kind": "input should be 'centroid', 'knn', 'lda', 'linear', 'logistic', 'mlp' (found 'svm').",
        "head.units": "input should be a whole number from 1 to 65536, "
        "or a list of up to 8 of them (found 'wide')",
        "split.val_fraction": "input should be greater than 0 (found 0)",
    }
    assert lines["backbones.vgg-16"].startswith(
        "no backbone is called 'vgg-16'. Known: convnextbase, "
    )
    assert lines["backbones.vgg-16"].endswith(
        " A name of your own needs the key network, which says one of these. Did you mean 'vgg16'?"
    )


def test_a_backbones_key_is_free_where_it_names_its_network() -> None:
    params = parse_params(changed({"backbones.small": {"network": "vgg16"}, "backbones.vgg16": {}}))
    assert params.backbone("small").network == "vgg16"
    assert params.backbone("vgg16").network is None


def test_a_backbone_is_cut_at_one_layer_or_several() -> None:
    def layer(value: object) -> object:
        return parse_params(changed({"backbones.vgg16": {"layer": value}})).backbone("vgg16").layer

    assert layer(["block4_pool", None]) == ("block4_pool", None)
    assert layer(["block4_pool"]) == "block4_pool"
    assert layer([None]) is None


@pytest.mark.parametrize("value", [[], ["a", "a"], ["a", 1], 3, {"a": 1}, [["a"]]])
def test_layers_that_are_none_are_told(value: object) -> None:
    message = faults_of({"backbones.vgg16": {"layer": value}})
    assert (
        "backbones.vgg16.layer: input should be a layer's name, null, or a list of diff" in message
    )
    assert f"(found {value!r})" in message


@pytest.mark.parametrize("store", ["/mnt/team/features", "s3://team/features", "gs://a", None])
def test_a_shared_store_is_a_folder_or_a_url(store: object) -> None:
    assert parse_params(changed({"features": {"store": store}})).features.store == store


@pytest.mark.parametrize(
    "store", ["features", "~/features", "", "s3://", "s3://me:hush@team/a", "https://team/a?key=hush", "c::s3://a/b"]
)  # fmt: skip
def test_a_shared_store_is_no_relative_folder_and_holds_no_secret(store: str) -> None:
    message = faults_of({"features": {"store": store}})
    assert "features.store: expected an absolute folder, or a URL as s3://team/features" in message
    assert "hush" not in message


@pytest.mark.parametrize("store", ["/tmp/a::b", "s3://team/a::memory://b"])
def test_a_shared_store_is_one_place(store: str) -> None:
    assert "features.store: '::' joins two places" in faults_of({"features": {"store": store}})


def test_a_shared_store_that_keeps_nothing_for_others_is_refused() -> None:
    for store in ("memory://a", "zip:///tmp/a.zip"):
        assert "features.store: what is added there is lost" in faults_of(
            {"features": {"store": store}}
        )


def test_maps_of_several_layers_do_not_stand_side_by_side() -> None:
    message = faults_of({"backbones.vgg16": {"layer": ["block4_pool", None], "pooling": None}})
    assert "backbones.vgg16: several layers need pooling: avg, max or flatten" in message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "own"}, r"network 'own' needs weights, a \.keras .*'imagenet', scaling None"),
        (
            {"network": "own", "weights": "random", "scaling": "tf"},
            r"needs weights.*'random', scal",
        ),
        ({"network": "own", "weights": "a.keras"}, r"and scaling \(found weights 'a\.keras'"),
        ({"network": "vgg16", "scaling": "tf"}, r"scaling is for network 'own' alone"),
        (
            {"network": "own", "weights": "a.keras", "scaling": "x"},
            r"\.scaling: .*'lite', 'tf'",
        ),
        (
            {
                "network": "own",
                "weights": "a.onnx",
                "scaling": {"mean": [0.5] * 3, "std": [1, 0, 1]},
            },
            r"\.scaling: .*std above 0 \(found",
        ),
        (
            {"network": "own", "weights": "a.onnx", "scaling": {"mean": [0.5] * 3}},
            r"\.scaling: input should be .*, or {mean: \[r, g, b\], std: ",
        ),
        ({"weights": "a.keras", "scaling": "tf"}, r"'mine'.*A name of your own needs the key netw"),
    ],
)
def test_a_network_of_ones_own_is_a_file_and_says_its_scaling(
    settings: dict[str, Any], message: str
) -> None:
    assert re.search(rf"backbones\.mine.*{message}", faults_of({"backbones.mine": settings}))


JOINT = {"network": ["vgg16", "vgg19"], "input_size": [64, 96], "weights": "random"}


def test_of_several_networks_each_has_the_settings_that_it_has_alone() -> None:
    def networks(**changes: object) -> tuple[BackboneParams, ...]:
        return parse_params(changed({"backbones.b": JOINT | changes})).backbone("b").networks

    one, _ = networks(layer=["early", None], pooling="max")
    assert one == BackboneParams(
        network="vgg16", input_size=64, weights="random", layer=("early", None), pooling="max"
    )
    one, other = networks()
    assert [(one.network, one.input_size), (other.network, other.input_size)] == [
        ("vgg16", 64),
        ("vgg19", 96),
    ]
    assert [one.input_size for one in networks(input_size=48)] == [48, 48]
    assert [one.input_size for one in networks(network=["vgg16", "vgg16"])] == [64, 96]
    assert networks(network=["vgg19"], input_size=96) == (other,)
    assert other.networks == (other,)


def test_settings_of_one_and_of_several_networks_are_written_as_they_were_read() -> None:
    params = parse_params(changed({"backbones.b": JOINT}))
    assert parse_params(params.model_dump()) == params
    assert params.model_dump(mode="json")["backbones"]["b"]["network"] == ["vgg16", "vgg19"]


def test_one_size_is_that_of_each_network_and_checked_again_the_same() -> None:
    joint = parse_params(changed({"backbones.b": JOINT | {"input_size": 64}})).backbone("b")
    assert [one.input_size for one in joint.networks] == [64, 64]
    assert type(joint).model_validate(joint.model_dump()) == joint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": []}, r"b\.network: .* at least 1 item"),
        ({"network": ["vgg16", 3]}, r"b\.network\.1: .* valid string \(found 3\)"),
        (
            {"network": ["vgg16", "vgg-19"]},
            r"b\.network: no backbone is called 'vgg-19'.*mean 'vgg19'",
        ),
        ({"network": ["own", "vgg16"]}, r"b\.network: a network of one's own is not joined"),
        (
            {"network": ["vgg16"] * 2, "input_size": 64},
            r"b: network has one twice with the same inp",
        ),
        (
            {"input_size": [64, 65, 66]},
            r"b: input_size should be one .* of the 2 networks \(found 3",
        ),
        ({"input_size": [64]}, r"b: input_size should be one number, or a list .* \(found 1\)"),
        ({"input_size": [64, 8]}, r"b\.input_size\.1: .* equal to 32 \(found 8\)"),
        ({"weights": "a.h5"}, r"b\.weights: .*'imagenet' or 'random' \(found 'a\.h5'\)"),
        ({"scaling": "tf"}, r"b\.scaling: input should be None \(found 'tf'\)"),
        ({"pooling": None}, r"b: several networks need pooling: avg, max or flatten"),
        ({"layr": None}, r"b\.layr: unknown key\. Known here: network, .*Did you mean 'layer'"),
    ],
)
def test_networks_that_cannot_stand_side_by_side_are_told(
    changes: dict[str, object], message: str
) -> None:
    assert re.search(
        rf"^1 fault:\n  backbones\.{message}", faults_of({"backbones.b": JOINT | changes})
    )


def test_a_network_that_is_not_known_is_a_fault_of_its_own_key() -> None:
    message = faults_of(
        {"backbones.vgg16": {"network": "vgg-19"}, "backbones.small": {"network": 3}}
    )
    assert "  backbones.vgg16.network: no backbone is called 'vgg-19'. Known: " in message
    assert "Did you mean 'vgg19'?" in message
    assert "  backbones.small.network: input should be a valid string (found 3)" in message
    assert message.startswith("2 faults")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("head.epochs", 30.0, r"head\.epochs: .* integer \(found 30\.0\)"),
        ("head.seed", True, r"head\.seed: .* integer \(found True\)"),
        ("head.seed", 2**32, r"head\.seed: .* less than 4294967296 "),
        ("head.l2", float("nan"), r"head\.l2: .* finite number \(found nan\)"),
        ("head.l2", -1e-9, r"head\.l2: .* greater than or equal to 0 "),
        ("head.learning_rate", 0, r"head\.learning_rate: .* greater than 0 \(found 0\)"),
        ("head.learning_rate", float("inf"), r"head\.learning_rate: .* finite number"),
        ("head.dropout", float("nan"), r"head\.dropout: .* \(found nan\)"),
        (
            "head.optimizer",
            "adm",
            r"head\.optimizer: .* 'adam', 'sgd' or 'rmsprop' \(found 'adm'\)",
        ),
        ("head", None, r"head: input should be a mapping of keys to values \(found None\)"),
        ("datasets", [], r"datasets: input should be a mapping of keys to values \(found \[\]\)"),
        ("datasets", {}, r"datasets: .* at least 1 item"),
        ("backbones", {}, r"backbones: .* at least 1 item"),
        ("split.val_fraction", float("nan"), r"split\.val_fraction: .* \(found nan\)"),
        ("split.test_fraction", 0.8, r"split: val_fraction \+ test_fraction must be below 1"),
        (
            "datasets.my pets",
            {"source": "archive", "archive": "x"},
            r"datasets\.my pets: a name holds letters",
        ),
        (
            "datasets.../up",
            {"source": "archive", "archive": "x"},
            r"datasets.*: a name holds letters, digits",
        ),
        (
            "datasets.flowers",
            {"source": "kagle"},
            r"flowers\.source: .* or 'archive' \(found 'kagle'\)",
        ),
        (
            "datasets.flowers",
            {"source": "drawn", "archive": "x.zip"},
            r"archive is given, so source must be",
        ),
        (
            "datasets.mine",
            {"source": "mirror"},
            r"datasets\.mine: no known dataset is called 'mine'",
        ),
        (
            "backbones.resnet50",
            {"pooling": "mean"},
            r"resnet50\.pooling: .*'avg', 'max', 'flatten' or None ",
        ),
        ("backbones.resnet50", {"weights": ""}, r"resnet50\.weights: .* at least 1 character"),
        (
            "backbones.resnet50",
            {"layr": "x"},
            r"resnet50\.layr: unknown key\. .* Did you mean 'layer'\?",
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_is_allowed(
    key: str, value: object, message: str
) -> None:
    section, _, rest = key.partition(".")
    tree = changed({})
    if rest:
        tree[section][rest] = value
    else:
        tree[section] = value
    with pytest.raises(ParamsError, match=f"1 fault:\n  .*{message}"):
        parse_params(tree)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("augment.rotate", 20), ("augment.copies", 0), ("extract.batch_size", None), ("head.patience", 0),
        ("datasets.mine", {"source": "archive", "archive": "photos of mine"}), ("head.l2", 0),
        ("backbones.resnet50", {}), ("backbones.efficientnet_lite0.pooling", None),
    ],
)  # fmt: skip
def test_what_is_unusual_but_right_is_taken(key: str, value: object) -> None:
    parse_params(changed({key: value}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            None,
            r"cannot read .*params\.yaml: No such file or directory\. Run in the project's folder",
        ),
        (b"", "no settings: expected a mapping, found NoneType"),
        (b"# nothing\n", "no settings: expected a mapping, found NoneType"),
        (b"- a\n- b\n", "no settings: expected a mapping, found list"),
        (b"head", "no settings: expected a mapping, found str"),
        (b"head: [1,\n", r"params\.yaml is not YAML: .*line 2"),
        (b"head:\n\tunits: 1\n", r"params\.yaml is not YAML: .*line 2"),
        (b"head: !!python/object:os.system x\n", r"params\.yaml is not YAML: .*python/object"),
        (b"\xff\xfe\x00bad", r"params\.yaml is not YAML: .*utf-8"),
    ],
)
def test_a_file_that_is_no_settings_is_told_apart(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "params.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ParamsError, match=re.compile(message, re.DOTALL)):
        load_params(file)


def test_settings_cannot_be_changed() -> None:
    params = load_params(FILE)
    with pytest.raises(ValidationError, match="frozen"):
        params.head.units = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        params.head = params.head  # type: ignore[misc]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda params: params.dataset("flower"),
            r"no dataset 'flower'\. It has: cats_vs_dogs, flowers\. Did",
        ),
        (
            lambda params: params.dataset("x"),
            r"no dataset 'x'\. It has: cats_vs_dogs, flowers\. \(params",
        ),
        (
            lambda params: params.backbone("resnet50"),
            r"no backbone 'resnet50'\. It has: efficientnet_lite0\.",
        ),
    ],
)
def test_a_name_that_params_lack_is_answered_with_those_they_have(call: Any, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        call(load_params(FILE))


def commented_ranges() -> list[tuple[str, int, int]]:
    """Return the ranges `low..high` that comments in params.yaml give, with their dotted keys."""
    found, section = [], ""
    for line in TEXT.splitlines():
        if match := re.match(r"(\w+):", line):
            section = match[1]
        if match := re.match(r"  (?:# )?([\w.]+): .*?(\d+)\.\.(2\^32-1|\d+)", line):
            name = "backbones.efficientnet_lite0" if section == "backbones" else section
            high = 2**32 - 1 if match[3].startswith("2^") else int(match[3])
            found.append((f"{name}.{match[1]}", int(match[2]), high))
    return found


def test_the_comments_give_some_ranges() -> None:
    assert {
        "augment.copies",
        "head.units",
        "split.seed",
        "extract.ray.patience",
        "backbones.efficientnet_lite0.input_size",
    } <= {key for key, _, _ in commented_ranges()}


@pytest.mark.parametrize(("key", "low", "high"), commented_ranges())
def test_a_range_in_a_comment_is_the_one_that_is_checked(key: str, low: int, high: int) -> None:
    if key not in ("augment.shift", "augment.zoom"):  # up to 0.5
        parse_params(changed({key: high}))
        assert f"{key}: " in faults_of({key: high + 1})
    parse_params(changed({key: low}))
    assert f"{key}: " in faults_of({key: low - 1})


@pytest.mark.parametrize("key", ["augment.shift", "augment.zoom"])
def test_shift_and_zoom_go_up_to_one_half(key: str) -> None:
    assert f"{key.split('.')[1]}: 0.1" in TEXT
    parse_params(changed({key: 0.5}))
    assert f"{key}: " in faults_of({key: 0.51})


def test_the_choices_in_comments_are_the_ones_that_are_known() -> None:
    def choices(key: str) -> list[str]:
        match = re.search(rf"^  (?:# )?{key}: .*?((?:\w+ \| )+\w+)", TEXT, re.MULTILINE)
        assert match, key
        return match[1].split(" | ")

    for section, key in (("extract", "engine"), ("extract", "precision"), ("extract", "dtype"),
                         ("extract", "runner"), ("head", "kind"), ("head", "optimizer")):  # fmt: skip
        for choice in choices(key):
            parse_params(changed({f"{section}.{key}": choice}))
        described = faults_of({f"{section}.{key}": "?"})
        assert sorted(re.findall(r"'(\w+)'", described)) == sorted(choices(key))
    assert choices("pooling") == ["avg", "max", "flatten", "null"]


def test_every_key_of_params_yaml_is_there_so_that_experiments_can_set_it() -> None:
    tree = yaml.safe_load(TEXT)
    for section in ("split", "augment", "extract", "head", "report"):
        assert set(tree[section]) == set(Params.model_fields[section].annotation.model_fields)  # type: ignore[union-attr]


def test_sections_know_nothing_of_other_types() -> None:
    with pytest.raises(ValidationError, match="whole number"):
        HeadParams.model_validate({**changed({})["head"], "units": "128"})


HTTP = "http://me:open-sesame@example.org/pets.zip"


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (
            HTTP,
            r"archive: the URL holds a user name or password; .*dvc\.lock.*netrc.*give its path",
        ),
        ("https://h/x?token=open-sesame", "archive: the URL holds what looks like a secret"),
        ("http://[::1", "archive: the URL is no valid URL"),
        ("s3://me:open-sesame@bucket", "archive: the URL is of a kind that is not known"),
        ("file:///home/me/x", "archive: the URL begins with file:, which DVC cannot read"),
        ("~/pets", "archive: DVC takes '~' literally; write the path out"),
        ("x" * 300, "archive: a name in the path has 300 bytes; expected at most 255"),
        ("x/" * 2500, "archive: a name in the path .* 4,000 in all"),
        ("a\0b", "archive: a path holds no control characters"),
        ("a\udcffb", "archive: a path holds no control characters and no halves"),
        ({"url": HTTP}, "archive: input should be a valid string"),
    ],
)
def test_an_archive_that_dvc_or_git_should_not_see_is_refused(
    archive: object, message: str
) -> None:
    described = faults_of({"datasets.pets": {"source": "archive", "archive": archive}})
    assert re.search(rf"^1 fault:\n  datasets\.pets\.{message}", described)
    assert "open-sesame" not in described


@pytest.mark.parametrize(
    "changes",
    [
        {"datasets.pets": HTTP},
        {"datasets.pets": {"archiv": HTTP, "source": HTTP}},
        {f"datasets.{HTTP.replace('.', '')}": {"source": "drawn"}},
        {"head": [HTTP]},
    ],
)
def test_a_secret_in_the_wrong_place_is_not_shown_either(changes: Mapping[str, Any]) -> None:
    assert "open-sesame" not in faults_of(changes)


@pytest.mark.parametrize("name", ["my insects", "a;b", "-x", "a'b", "$(id)", "a" * 101, "ü", ""])
@pytest.mark.parametrize("section", ["datasets", "backbones"])
def test_a_name_that_is_none_is_told_once(section: str, name: str) -> None:
    tree = changed({})
    tree[section] = {name: {"source": "archive", "archive": "x"} if section == "datasets" else {}}
    with pytest.raises(ParamsError, match=rf"1 fault:\n  {section}\..*: a name holds letters"):
        parse_params(tree)


@pytest.mark.parametrize("key", [1, None, 2.5, True, ("a", "b"), pytest.param(16**5000, id="long")])
@pytest.mark.parametrize("section", ["datasets", "head"])
def test_a_key_that_is_no_text_is_told(section: str, key: object) -> None:
    tree = changed({})
    tree[section][key] = {"source": "drawn"}
    with pytest.raises(ParamsError, match=rf"{section}\..*: a key is text; put it in quotation"):
        parse_params(tree)


def test_a_number_of_any_length_is_told(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    for text in ("0x" + "f" * 5000, "9" * 4000, "9" * 5000):
        file.write_text(TEXT.replace("dropout: 0.5", f"dropout: {text}"))
        with pytest.raises(ParamsError, match=r"head\.dropout: .* number|line \d+: a value cannot"):
            load_params(file)


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("split:\n  seed: 1\n  val_fraction: 0.2\n  seed: 2\n")
    with pytest.raises(ParamsError, match=r'line 4, .* from line 2 on: found duplicate key "seed"'):
        load_params(file)


def test_a_mark_of_byte_order_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(TEXT, encoding="utf-8-sig")
    assert load_params(tmp_path / "params.yaml") == load_params(FILE)


ODD_VALUES = [
    "2024-01-01", "2024-13-01", "9" * 5000, "0x" + "f" * 5000, "010", "1:30", "1e400", "-1e-400", ".nan", "~",
    "yes", "''", "'\\0'", '"\\0\\uD800"', "!!int ''", "!!binary x", "!!set {a}", "!foo 1", "*a", "&a [*a]",
    "[" * 2000, "{a: {b: {c: d}}}", "? x", "- 1", "|", "> x", "%", "@", "`", "http://[::1", "x" * 300,
    "{<<: {a: 1}}", "{<<: 1}", "\t1", "# 1", "'", '"', "\u2028", HTTP, "<<", "=", "0o8", "_1",
]  # fmt: skip
ODD_BYTES = [
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\t",
    b"\n\n",
    b"\xed\xa0\x80",
    b"---\n",
    b"...\n",
    b": ",
]


def mutate(text: str, rng: random.Random) -> bytes:
    """Change a value, a key, a line or some bytes of the settings."""
    lines = text.splitlines(keepends=True)
    number = rng.randrange(len(lines))
    kind = rng.choice(["value", "key", "lines", "flow", "bytes", "bytes"])
    if kind == "value":
        lines[number] = re.sub(
            r": .*", lambda _: f": {rng.choice(ODD_VALUES)}", lines[number], count=1
        )
    elif kind == "key":
        lines[number] = re.sub(
            r"\w+:", lambda _: f"{rng.choice(ODD_VALUES)}:", lines[number], count=1
        )
    elif kind == "lines":
        other = rng.randrange(len(lines))
        lines[number : number + rng.randrange(3)] = [" " * rng.randrange(3) + lines[other]]
    elif kind == "flow":
        lines[number] = re.sub(
            r"(\w+): \w+", lambda m: f"{m[1]}: {rng.choice(ODD_VALUES)}", lines[number]
        )
    data = bytearray("".join(lines).encode("utf-8", "surrogatepass"))
    for _ in range(rng.randrange(1, 4) if kind == "bytes" else 0):
        place = rng.randrange(len(data))
        odd = rng.choice(ODD_BYTES)
        data[place : place + rng.randrange(9)] = rng.choice([odd, rng.randbytes(3), b""])
    return bytes(data)


@pytest.mark.parametrize("section", [name for name in Params.model_fields if name != "synsets"])
def test_an_unknown_key_is_told_with_those_known_in_every_section(section: str) -> None:
    places = {"datasets": "datasets.flowers", "backbones": "backbones.efficientnet_lite0"}
    key = f"{places.get(section, section)}.colour"
    assert re.search(rf"\n  {key}: unknown key\. Known here: \w+", faults_of({key: 1}))


def test_a_key_is_told_in_one_line() -> None:
    told = faults_of({"features": {"st\nore\u2028": None}})
    assert told.splitlines()[1:] == [r"  features.'st\nore\u2028': unknown key. Known here: store."]


@pytest.mark.slow
def test_500_odd_files_give_settings_or_a_message(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    plain = re.sub(r"[ \t]*#.*\n", "\n", TEXT)
    rng, told, taken = random.Random(7), 0, 0
    for _ in range(500):
        content = mutate(plain, rng)
        file.write_bytes(content)
        try:
            assert isinstance(load_params(file), Params), content
            taken += 1
        except ParamsError as error:
            message = str(error)
            assert re.match(
                r".*params\.yaml (is not YAML: |has (no settings|\d+ faults?):)", message
            )
            assert re.search(r"line \d+|position \d+|\n  \S.*: |nested|settings|utf-8", message), (
                content
            )
            assert "open-sesame" not in message, content
            assert len(message) < 20_000, content
            told += 1
    assert told > 250
    assert taken > 50
