"""Networks that OpenVINO reads: what ONNX's own reference computes, and no more than their files."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import paths
from pipeline.backbones.backbone import Backbone
from pipeline.backbones.own_graph import digest_folder
from pipeline.engines import open_engine
from pipeline.engines.choice import EngineConfig, choose
from pipeline.engines.hardware import Hardware
from pipeline.errors import BackboneError, ExportError, NoClassMap
from pipeline.exporting import export
from pipeline.params import BackboneParams, ExtractParams
from pipeline.predictions_file import read_predictions
from pipeline.stages import extract, train
from pipeline.tools.doctor import layer_fault, weights_fault
from pipeline.tools.explain import explain_answers
from pipeline.tools.listings import describe_layers
from pipeline.tools.predict import predict_files
from tests.project import draw_image, make_params, make_project, place

onnx = pytest.importorskip("onnx")
pytest.importorskip("openvino")

SIZE = 32
PIXELS = np.random.default_rng(7).integers(0, 256, (1, SIZE, SIZE, 3), np.uint8)
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]
SCALED = ((PIXELS / 255 - MEAN) / STD).astype(np.float32)  # by the definition


def make_network(path: Path, channels_last: bool = False, spoil: float = 0.0, **save: Any) -> Path:
    """Save a convolution, its map's mean, tokens and a classifier, as PyTorch and tf2onnx would."""
    rng = np.random.default_rng(1)
    draw = {
        "kernel": rng.normal(0, 0.2, (8, 3, 3, 3)), "matrix": rng.normal(0, 1, (8, 5)),
        "spoilt": np.array(spoil),
    }  # fmt: skip
    first = "pixels"
    nodes = []
    if channels_last:
        nodes.append(onnx.helper.make_node("Transpose", ["pixels"], ["first"], perm=[0, 3, 1, 2]))
        first = "first"
    for kind, inputs, output, settings in (
        ("Conv", [first, "kernel"], "conv", {"kernel_shape": [3, 3], "strides": [2, 2]}),
        ("Relu", ["conv"], "relu", {}),
        ("Add", ["relu", "spoilt"], "first_map", {}),
        ("Flatten", ["first_map"], "long", {}),
        ("GlobalAveragePool", ["first_map"], "pooled", {}),
        ("Flatten", ["pooled"], "pool", {}),
        ("MatMul", ["pool", "matrix"], "logits", {}),
    ):
        nodes.append(onnx.helper.make_node(kind, inputs, [output], **settings))
    nodes.append(onnx.helper.make_node("Transpose", ["first_map"], ["last_map"], perm=[0, 2, 3, 1]))
    shape = ["n", "h", "w", 3] if channels_last else ["n", 3, "h", "w"]
    float32 = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "network",
        [onnx.helper.make_tensor_value_info("pixels", float32, shape)],
        [
            onnx.helper.make_tensor_value_info("logits", float32, ["n", 5]),
            *(
                onnx.helper.make_tensor_value_info(name, float32, [None] * 4)
                for name in ("first_map", "last_map")
            ),
        ],
        [onnx.numpy_helper.from_array(v.astype(np.float32), name) for name, v in draw.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9), path, **save)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_network(tmp_path_factory.mktemp("weights") / "own.onnx")


def _backbone(file: Path, **settings: Any) -> Backbone:
    scaling = {"mean": MEAN, "std": STD}
    given = {"network": "own", "weights": str(file), "scaling": scaling, "input_size": SIZE}
    return Backbone("mine", BackboneParams.model_validate({**given, **settings}))


def _run(backbone: Backbone, engine: Any = "openvino") -> Any:
    config = EngineConfig(engine=engine, device="cpu", precision="float32", batch_size=1, streams=1)
    return open_engine(config, backbone).run(PIXELS)


def _reference(file: Path, output: str, pixels: Any = SCALED) -> Any:
    """Return what ONNX's own evaluator, in NumPy, gives."""
    from onnx.reference import ReferenceEvaluator

    (found,) = ReferenceEvaluator(str(file)).run([output], {"pixels": pixels})
    return found


@pytest.mark.parametrize("channels_last", [False, True])
def test_its_features_are_what_it_gives_to_scaled_pixels(
    tmp_path: Path, channels_last: bool
) -> None:
    file = make_network(tmp_path / "own.onnx", channels_last)
    pixels = SCALED if channels_last else SCALED.transpose(0, 3, 1, 2)
    logits = _reference(file, "logits", pixels)
    np.testing.assert_allclose(_run(_backbone(file)), logits, rtol=0, atol=1e-5)
    maps = _reference(file, "first_map", pixels).transpose(0, 2, 3, 1)
    assert maps.std() > 0.1
    for name in ("first_map", "last_map"):
        for pooling, expected in (
            (None, maps),
            ("avg", maps.mean(axis=(1, 2))),
            ("max", maps.max(axis=(1, 2))),
            ("flatten", maps.reshape(1, -1)),
        ):
            found = _run(_backbone(file, layer=name, pooling=pooling))
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scaling", ["lite", "tf", "torch", "caffe", "none"])
def test_pixels_are_scaled_as_for_a_keras_model(file: Path, scaling: Any) -> None:
    from pipeline.backbones.backbone import _scale

    scaled = np.asarray(_scale(PIXELS, scaling)).transpose(0, 3, 1, 2)
    expected = _reference(file, "logits", scaled)
    found = _run(_backbone(file, scaling=scaling))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_several_layers_stand_side_by_side(file: Path) -> None:
    backbone = _backbone(file, layer=["first_map", "pool", None])
    assert backbone.widths == (8, 8, 5)
    found = _run(backbone)
    alone = [_run(backbone.cut_at(layer)) for layer in backbone.layers]
    np.testing.assert_array_equal(found, np.concatenate(alone, axis=1))


def test_tokens_are_pooled_to_a_vector(tmp_path: Path) -> None:
    """As those of a vision transformer."""
    names = ("x", "tokens")
    rows = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in names]
    rows[0] = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    sizes = onnx.numpy_helper.from_array(np.array([1, 3 * SIZE, SIZE]), "sizes")
    nodes = [onnx.helper.make_node("Reshape", ["x", "sizes"], ["tokens"])]
    graph = onnx.helper.make_graph(nodes, "network", rows[:1], rows[1:], [sizes])
    file = tmp_path / "tokens.onnx"
    onnx.save(onnx.helper.make_model(graph, ir_version=9), file)
    tokens = PIXELS[0].astype(np.float32).transpose(2, 0, 1).reshape(-1, SIZE)
    for pooling, expected in (("avg", tokens.mean(0)), ("max", tokens.max(0))):
        found = _run(_backbone(file, scaling="none", pooling=pooling))
        np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    with pytest.raises(BackboneError, match=r"gives \[1,96,32\], which needs pooling: avg, max or"):
        _ = _backbone(file, pooling=None).graph


def test_a_map_whose_channels_cannot_be_told_is_refused(tmp_path: Path) -> None:
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 3, SIZE, SIZE]), ("y", [1, SIZE, SIZE, 3]))
    )
    sizes = onnx.numpy_helper.from_array(np.array([1, SIZE, SIZE, 3]), "sizes")
    nodes = [onnx.helper.make_node("Reshape", ["x", "sizes"], ["y"])]
    graph = onnx.helper.make_graph(nodes, "network", [x], [y], [sizes])
    file = tmp_path / "reshaped.onnx"
    onnx.save(onnx.helper.make_model(graph, ir_version=9), file)
    with pytest.raises(BackboneError, match=r"map \[1,32,32,3\] are channels .*: change layer to"):
        _ = _backbone(file, pooling="avg").graph


@pytest.mark.slow
def test_a_saved_model_gives_what_it_gives_in_tensorflow(tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(1)
    layers = [keras.Input((SIZE, SIZE, 3)), keras.layers.Conv2D(6, 3, activation="relu")]
    model = keras.Sequential([*layers, keras.layers.MaxPooling2D()])
    model.export(tmp_path / "own", verbose=False)
    expected = np.asarray(model(SCALED)).mean(axis=(1, 2))
    assert expected.std() > 1e-2
    backbone = _backbone(tmp_path / "own")
    np.testing.assert_allclose(_run(backbone), expected, rtol=0, atol=1e-5)
    assert backbone.weights_record()["source"] == "a folder"


def test_its_bytes_and_its_scaling_are_what_it_is(file: Path, tmp_path: Path) -> None:
    described = _backbone(file).describe()
    assert (described["backbone"], described["builder"]) == ("own", "own_graph")
    assert described["scaling"] == {"mean": MEAN, "std": STD}
    assert _backbone(file, scaling="torch").describe() != described
    moved = Path(shutil.copy(file, tmp_path / "moved.onnx"))
    assert _backbone(moved).describe() == described
    assert _backbone(make_network(moved, spoil=1.0)).describe() != described


def test_every_file_of_a_folder_counts_and_its_name_too(tmp_path: Path) -> None:
    def digest(files: dict[str, bytes]) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return digest_folder(folder)

    files = {"saved_model.pb": b"1", "variables/data": b"2"}
    assert digest(files) == digest(dict(reversed(files.items())))
    others = [{"variables/data": b"3"}, {"assets/a": b""}]
    changed = [digest({**files, **other}) for other in others]
    renamed = digest({"saved_model.pb": b"1", "variables/date": b"2"})
    assert len({digest(files), *changed, renamed}) == 4


def test_weights_beside_the_file_are_read_from_its_folder_alone(tmp_path: Path) -> None:
    """So that no byte decides a feature that is not in the fingerprint."""
    folder = tmp_path / "own"
    folder.mkdir()
    beside = {"save_as_external_data": True, "location": "own.bin", "size_threshold": 0}
    file = make_network(folder / "own.onnx", **beside)
    expected = _run(_backbone(make_network(tmp_path / "whole.onnx")))
    np.testing.assert_array_equal(_run(_backbone(folder)), expected)
    with pytest.raises(
        BackboneError, match=r"cannot build mine with .*lie beside it, name the fol"
    ):
        _ = _backbone(file).graph
    shutil.copy(folder / "own.bin", tmp_path / "a.bn")
    file.write_bytes(file.read_bytes().replace(b"own.bin", b"../a.bn"))
    with pytest.raises(BackboneError, match=r"'\.\./a\.bn'.* is outside"):
        _ = _backbone(folder).graph


@pytest.mark.parametrize("engine", ["tensorflow", "jax"])
def test_openvino_alone_runs_it(file: Path, engine: Any) -> None:
    with pytest.raises(BackboneError, match=r"mine is no Keras model.* set extract\.engine to ope"):
        _ = _backbone(file).model
    settings = {"engine": "auto", "precision": "float32", "batch_size": 1, "dtype": "float32"}
    extract = ExtractParams.model_validate(settings)
    hardware = Hardware(cores=2, engines=("tensorflow", "openvino"), gpus={})
    assert choose(extract, hardware, SIZE, needs_openvino=True).engine == "openvino"
    without = Hardware(cores=2, engines=(engine,), gpus={})
    with pytest.raises(BackboneError, match=r"no Keras model needs OpenVINO, which is not instal"):
        choose(extract, without, SIZE, needs_openvino=True)


def test_what_cannot_be_used_is_told_with_its_key(file: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"no protobuf")
    strange = onnx.load(file)
    strange.graph.node[1].op_type, strange.graph.node[1].domain = "Strange", "of.mine"
    onnx.save(strange, tmp_path / "strange.onnx")
    two = onnx.load(file)
    value = onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1])
    two.graph.input.append(value)
    two.graph.node.append(onnx.helper.make_node("Relu", ["more"], ["even_more"]))
    two.graph.output.append(onnx.helper.make_tensor_value_info("even_more", 1, [1]))
    onnx.save(two, tmp_path / "two.onnx")
    fixed = onnx.load(file)
    for axis, number in enumerate((1, 3, SIZE, SIZE)):
        fixed.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = number
    onnx.save(fixed, tmp_path / "fixed.onnx")
    untold = onnx.load(file)
    untold.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "c"
    onnx.save(untold, tmp_path / "untold.onnx")
    chance = onnx.load(file)
    chance.graph.node.append(onnx.helper.make_node("RandomNormalLike", ["logits"], ["noise"]))
    chance.graph.node.append(onnx.helper.make_node("Add", ["logits", "noise"], ["noisy"]))
    chance.graph.output[0].name = "noisy"
    onnx.save(chance, tmp_path / "chance.onnx")
    (tmp_path / "empty").mkdir()
    (tmp_path / "own.pt").write_bytes(b"")
    for wrong, settings, message in (
        (junk, {}, "cannot build mine"),
        (tmp_path / "strange.onnx", {}, "cannot build mine.*Strange"),
        (tmp_path / "two.onnx", {}, "has 2 inputs, expected one"),
        (tmp_path / "fixed.onnx", {"input_size": 64}, r"takes f32 \[1,3,32,32\], expected one image"),
        (tmp_path / "untold.onnx", {}, "with the place of the 3 channels told"),
        (tmp_path / "chance.onnx", {}, "draws at random: a feature is not chance"),
        (make_network(tmp_path / "nan.onnx", spoil=np.nan), {}, "spoilt holds values that are no num"),
        (tmp_path / "empty", {}, r"holds 0 files ending in \.onnx, expected one, or saved_model"),
        (tmp_path / "own.pt", {}, r"ending in \.keras, as model\.save writes it, or in \.onnx, or a"),
        (tmp_path / "none.onnx", {}, r"none\.onnx of mine does not exist"),
        (file, {"layer": "first_mab"}, "no layer 'first_mab'.*Did you mean 'first_map'"),
        (file, {"layer": "spoilt"}, "no layer 'spoilt'|change layer"),
    ):  # fmt: skip
        with pytest.raises(BackboneError, match=rf"{message}.*params\.yaml, backbones\.mine"):
            _run(_backbone(wrong, **settings))


def test_a_file_gets_the_answer_of_its_cached_feature_and_no_export(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _backbone(file).settings.model_dump(mode="json")
    params = make_project(tmp_path / "project", monkeypatch, {"backbones.mine": settings})
    sides = ("train/cat", "train/dog", "val/cat", "val/dog")
    place(
        "pets",
        {f"{s}/{n}.jpg": draw_image(10 * n + k) for k, s in enumerate(sides) for n in range(3)},
    )
    assert ": 12 features, 12 computed" in extract.run("pets", "mine", params)
    assert ": 12 features, 0 computed" in extract.run("pets", "mine", params)
    train.run("pets", "mine", params)
    table = read_predictions(paths.predictions_file("pets", "mine"))
    files = [paths.split_folder("pets") / path for path in table.path]
    answers = list(predict_files(files, "pets", "mine", params))
    found = [[answer.probabilities[name] for name in table.classes] for answer in answers]
    np.testing.assert_allclose(found, table.probabilities, rtol=0, atol=1e-6)
    with pytest.raises(ExportError, match=r"mine is no Keras model.*backbones\.mine\.weights"):
        export.run("pets", "mine", params, Path("mine.keras"))
    explained = explain_answers(iter(answers), "pets", "mine", params, Path("out.png"))
    with pytest.raises(NoClassMap, match=r"the layer gives \(5,\), expected a map"):
        list(explained)


def test_its_outputs_are_listed_and_the_doctor_looks_into_it(file: Path) -> None:
    backbone = _backbone(file, layer="first_map")
    settings = {"backbones.mine": backbone.settings.model_dump(mode="json")}
    lines = list(describe_layers("mine", make_params(settings)))
    assert [line.split()[0] for line in lines[:-1]] == [
        "conv", "relu", "first_map", "last_map", "pooled", "pool", "logits",
    ]  # fmt: skip
    assert lines[2].endswith("8 x 15 x 15")
    assert "layer: null is the first output" in lines[-1]
    assert weights_fault("mine", backbone.settings) is None
    assert layer_fault("mine", backbone.settings) is None
    wrong = backbone.settings.model_copy(update={"layer": "none"})
    assert "there is no layer 'none'" in (layer_fault("mine", wrong) or "")
