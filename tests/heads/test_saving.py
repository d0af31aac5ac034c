"""A head in its folder: what is written is read back, and no damage passes for a head."""

import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save, save_file

from pipeline.errors import HeadError
from pipeline.heads.folder import (
    DESCRIPTION,
    PREDICTIONS,
    WEIGHTS,
    _checksum,
    read_head_predictions,
)
from pipeline.heads.saving import HeadInfo, SavedHead, read_head, write_head
from pipeline.heads.training import fit_head
from pipeline.predictions import Predictions, join_predictions
from tests.heads.examples import KINDS, OWN, blobs, own, recipe
from tests.tables import two_predictions

FILES = (WEIGHTS, DESCRIPTION, PREDICTIONS)
FAULTS = 500


def described_head(
    kind: str = "mlp", classes: str = "abc", shape: tuple[int, ...] = (5,), **changes: Any
) -> HeadInfo:
    known = {
        "kind": kind, "settings": own(kind, **OWN[kind]).model_dump(mode="json"), "scaling": "none",
        "temperature": 1.0, "shape": shape, "rows": 6, "fit_on": "train", "chosen": {"epochs": 3},
        "trials": (("seed", 7.0, 0.5),), "classes": tuple(classes), "backbone": "vgg16",
        "fingerprint": "f" * 32, "fingerprint_parts": '{"backbone":"vgg16","x":1}',
    }  # fmt: skip
    return HeadInfo(**{**known, **changes})


def saved(
    kind: str = "mlp", classes: str = "abc", shape: tuple[int, ...] = (5,), **changes: Any
) -> SavedHead:
    info = described_head(kind, classes, shape, **changes)
    chance = np.random.default_rng(1)
    tensors = {
        name: chance.normal(size=size).astype(np.float32)
        for name, size in info.tensor_shapes().items()
    }
    return SavedHead(info=info, tensors=tensors)


def equal(one: SavedHead, other: SavedHead) -> bool:
    return one.info == other.info and all(
        np.array_equal(one.tensors[name], other.tensors[name])
        for name in one.tensors.keys() | other.tensors.keys()
    )


@pytest.mark.parametrize("scaling", ["none", "standard", "l2"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("classes", "shape"), [("ab", (5,)), ("abc", (2, 3, 4))])
def test_what_is_written_is_read_back(
    kind: str, classes: str, shape: tuple[int, ...], scaling: str, tmp_path: Path
) -> None:
    head = saved(kind, classes, shape, scaling=scaling)
    write_head(tmp_path, head, [two_predictions()])
    assert equal(read_head(tmp_path), head)
    assert read_table(tmp_path).path == two_predictions().path
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("scaling", ["none", "standard", "l2"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_head_that_is_read_says_what_was_said_before(
    kind: str, scaling: Any, tmp_path: Path
) -> None:
    rows = blobs([20, 20, 20], noise=1.0, copies=1)
    head = fit_head(rows, recipe(kind, scaling=scaling, calibrate=True)).head
    info = described_head(
        kind, "abc", (1, 2, 3), scaling=scaling, temperature=head.temperature, rows=60,
        settings=head.settings.model_dump(mode="json"),
    )  # fmt: skip
    write_head(tmp_path, SavedHead(info=info, tensors=head.saved_tensors()), [two_predictions()])
    back = read_head(tmp_path).head()
    asked = rows.features.reshape(-1, 1, 2, 3)
    assert (back.probabilities(asked) == head.probabilities(rows.features)).all()
    assert back.settings == head.settings


def test_equal_heads_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_head(tmp_path / name, saved(), [two_predictions()])
    for file in FILES:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()
        assert str(tmp_path).encode() not in (tmp_path / "one" / file).read_bytes()


@pytest.mark.parametrize("changes", [{"temperature": 2.0}, {"scaling": "l2"}, {"chosen": {"epochs": 4.0}},
                                     {"trials": ()}, {"fit_on": "all"}, {"backbone": "vgg19"}])  # fmt: skip
def test_what_differs_is_told_apart(changes: dict[str, Any], tmp_path: Path) -> None:
    write_head(tmp_path, saved(**changes), [two_predictions()])
    assert not equal(read_head(tmp_path), saved())


def test_the_description_names_the_sha256_of_the_files_beside_it(tmp_path: Path) -> None:
    write_head(tmp_path, saved(), [two_predictions()])
    found = json.loads((tmp_path / DESCRIPTION).read_text())
    for file, key in ((WEIGHTS, "weights_sha256"), (PREDICTIONS, "predictions_sha256")):
        assert found[key] == sha256((tmp_path / file).read_bytes()).hexdigest()
    assert found["fingerprint_parts"] == {"backbone": "vgg16", "x": 1}


Damage = Callable[[Path], object]


def seal(folder: Path) -> None:
    """Make hashes and checksum fit what lies in the folder, as a careful forger would."""
    found = json.loads((folder / DESCRIPTION).read_text())
    found["weights_sha256"] = sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    found.pop("checksum", None)
    (folder / DESCRIPTION).write_text(json.dumps({**found, "checksum": _checksum(found)}))


def described(**changes: Any) -> Damage:
    def change(folder: Path) -> None:
        found = json.loads((folder / DESCRIPTION).read_text())
        (folder / DESCRIPTION).write_text(json.dumps({**found, **changes}))
        seal(folder)

    return change


def with_settings(**changes: Any) -> Damage:
    def change(folder: Path) -> None:
        found = json.loads((folder / DESCRIPTION).read_text())
        described(settings={**found["settings"], **changes})(folder)

    return change


def without(key: str) -> Damage:
    def change(folder: Path) -> None:
        found = json.loads((folder / DESCRIPTION).read_text())
        del found[key]
        (folder / DESCRIPTION).write_text(json.dumps(found))
        seal(folder)

    return change


def weighing(change: Callable[[dict[str, NDArray[Any]]], dict[str, NDArray[Any]]]) -> Damage:
    def rewrite(folder: Path) -> None:
        save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)
        seal(folder)

    return rewrite


def text(content: str | bytes) -> Damage:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / DESCRIPTION).write_bytes(data)


def with_nan(tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    tensors["classes/bias"][1] = np.nan
    return tensors


def make_pipe(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / WEIGHTS)


def make_huge(name: str) -> Damage:
    """Make a file of 1 TB that takes no room, as sparse files do."""
    return lambda folder: os.truncate(folder / name, 1 << 40)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / WEIGHTS).unlink(), "train first, .* .head.safetensors is"),
        (lambda folder: (folder / DESCRIPTION).unlink(), "train first, .* .head.json is"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b""), "has 0 bytes, a head as"),
        (lambda folder: (folder / WEIGHTS).write_bytes(bytes(450)), "has the sha256 [0-9a-f]{12}"),
        (make_pipe, "head.safetensors is no file"),
        (make_huge(WEIGHTS), "has 1,099,511,627,776 bytes, a head as head.json has 300"),
        (make_huge(DESCRIPTION), "has 1,099,511,627,776 bytes, 16,777,216 at most"),
        (text("{"), "Expecting property name"),
        (text("[]"), "head.json holds no keys and values"),
        (text("{}"), "its contents do not give its checksum"),
        (text(b"\xff\xfe"), "the head in .* is damaged"),
        (text("[" * 2000 + "]" * 2000), "maximum recursion depth exceeded|holds no keys"),
        (text("[" * 100_000 + "]" * 100_000), "is damaged .maximum recursion depth exceeded"),
        (text('{"a":' * 100_000 + "1" + "}" * 100_000), "is damaged .maximum recursion depth exceeded"),
        (text("9" * 5000), "the head in .* is damaged"),
        (without("kind"), "kind: Field required"),
        (described(kind="svm"), "kind should be one of centroid, knn, lda, linear, logistic, mlp"),
        (described(kind="linear"), "Extra inputs are not permitted"),
        (described(kind="lda", settings={}), "head.safetensors holds .*hidden_1/kernel.* as head.json"),
        (described(kind="centroid", settings={}), "head.safetensors"),
        (described(kind=None), "kind: Input should be a valid string, found None"),
        (described(settings=None), "settings: Input should be an object, found None"),
        (described(settings={}), "Field required"),
        (with_settings(units=[-3]), "units.*whole number from 1 to 65536"),
        (with_settings(units="wide"), "units"),
        (with_settings(units=[10**9]), "units.*whole number from 1 to 65536"),
        (with_settings(units=[True]), "units"),
        (with_settings(units=[]), "units"),
        (with_settings(units=[4, 4]), "head.safetensors"),
        (with_settings(dropout=1), "dropout.*Input should be less than 1"),
        (with_settings(dropout=float("nan")), "dropout.*Input should be a"),
        (with_settings(colour="blue"), "colour.*Extra inputs are not permitted"),
        (with_settings(**{"x" * 300: 1}), "settings.*at most 255"),
        (described(scaling="standard"), "head.safetensors"),
        (described(scaling="log"), "scaling: Input should be 'none', 'standard' or 'l2', found 'log'"),
        (described(temperature=0), "temperature: Input should be greater than 0, found 0"),
        (described(temperature=-1.0), "temperature: Input should be greater than 0"),
        (described(temperature=float("nan")), "temperature: Input should be a"),
        (described(temperature=float("inf")), "temperature: Input should be a finite number"),
        (described(temperature="1"), "temperature: Input should be a valid number, found '1'"),
        (described(rows=0), "rows: Input should be greater than or equal to 1"),
        (described(rows=1 << 25), "rows: Input should be less than or equal to"),
        (described(fit_on="val"), "fit_on: Input should be 'train' or 'all'"),
        (described(chosen={"c": float("nan")}), "chosen.c: Input should be a finite number"),
        (described(chosen={str(n): 1.0 for n in range(101)}), "chosen: Dictionary should have at most 100"),
        (described(trials=[["c", 1.0]]), "trials.0"),
        (described(trials=[["c", 1.0, 1.0]] * 10_001), "trials: Tuple should have at most 10000"),
        (described(shape=None), "shape: Input should be a valid array, found None"),
        (described(shape=[]), "shape: Tuple should have at least 1 item"),
        (described(shape=[1] * 4), "shape: Tuple should have at most 3 items"),
        (described(shape=[6]), r"holds .*'hidden_1/kernel': \(\(5, 8.* has .*'hidden_1/kernel': \(\(6, 8"),
        (described(shape=[1 << 24] * 3), "bytes, a head as head.json has"),
        (described(classes=[]), "classes: Tuple should have at least 2 items"),
        (described(classes=["a", "c", "b"]), "classes should be different names in alphabetical"),
        (described(classes=["a", "a", "b"]), "classes should be different names in alphabetical"),
        (described(classes=["a", "b", "c" * 999]), "classes.2: String should have at most 255"),
        (described(classes=["a", "b", "c", "d"]), "head.safetensors holds"),
        (described(colour="blue"), "colour: Extra inputs are not permitted, found 'blue'"),
        (weighing(lambda found: dict(list(found.items())[1:])), "bytes, a head as|holds"),
        (weighing(lambda found: {n: v[::-1].T.copy() for n, v in found.items()}), "holds"),
        (weighing(lambda found: {n: v.view(np.int32) for n, v in found.items()}), "int32"),
        (weighing(lambda found: {f"{n}s": v for n, v in found.items()}), "classes/biass"),
        (weighing(with_nan), "classes/bias holds numbers that are not finite"),
    ],
)  # fmt: skip
def test_damage_is_told_as_such(damage: Damage, message: str, tmp_path: Path) -> None:
    write_head(tmp_path, saved(), [two_predictions()])
    damage(tmp_path)
    with pytest.raises(HeadError, match=message) as caught:
        read_head(tmp_path)
    assert "run the stage train" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_changed_word_is_noticed(tmp_path: Path) -> None:
    write_head(tmp_path, saved(), [two_predictions()])
    description = (tmp_path / DESCRIPTION).read_text()
    (tmp_path / DESCRIPTION).write_text(description.replace('"c"', '"d"'))
    with pytest.raises(HeadError, match="its contents do not give its checksum"):
        read_head(tmp_path)


@pytest.mark.parametrize("key", ["weights_sha256", "predictions_sha256"])
def test_a_description_without_a_sum_vouches_for_nothing(key: str, tmp_path: Path) -> None:
    write_head(tmp_path, saved(), [two_predictions()])
    found = json.loads((tmp_path / DESCRIPTION).read_text())
    del found[key], found["checksum"]
    found["checksum"] = _checksum(found)
    (tmp_path / DESCRIPTION).write_text(json.dumps(found))
    with pytest.raises(HeadError, match=r"the sha256 [0-9a-f]{12}\.\.\., head\.json says None"):
        (read_head if key == "weights_sha256" else read_table)(tmp_path)


def test_no_depth_of_nesting_gives_a_traceback(tmp_path: Path) -> None:
    write_head(tmp_path, saved(), [two_predictions()])
    whole = json.loads((tmp_path / DESCRIPTION).read_text())
    del whole["checksum"]
    for depth in [*range(100, 900, 100), *range(900, 1010)]:
        parts: Any = 1
        for _ in range(depth):
            parts = [parts]
        content = {**whole, "fingerprint_parts": {"x": parts}}
        try:
            described = json.dumps({**content, "checksum": _checksum(content)})
        except RecursionError:  # no writer could
            marked = json.dumps({**whole, "fingerprint_parts": {"x": "HERE"}, "checksum": "?"})
            described = marked.replace('"HERE"', "[" * depth + "1" + "]" * depth)
        (tmp_path / DESCRIPTION).write_text(described)
        attempt(read_head, tmp_path), attempt(read_table, tmp_path)


@pytest.mark.parametrize("shapes", [{}, {"classes/kernel": (5, 3)}])
def test_tensors_that_do_not_fit_are_not_saved(shapes: dict[str, tuple[int, ...]]) -> None:
    tensors = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    with pytest.raises(HeadError, match=r"head\.safetensors holds .* a head as head\.json has"):
        SavedHead(info=described_head("linear"), tensors=tensors)


def test_numbers_beyond_float32_are_not_saved() -> None:
    head = saved("linear")
    tensors = {**head.tensors, "classes/bias": np.full(3, np.inf, np.float32)}
    with pytest.raises(HeadError, match="classes/bias holds numbers that are not finite"):
        SavedHead(info=head.info, tensors=tensors)


class Vandal:
    """A source of damaged head folders: the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)

    def pick(self, *options: Any) -> Any:
        return options[self.chance.integers(len(options))]

    def damage(self, folder: Path) -> bool:
        """Do one of many harms to a folder; return whether its hashes were made to fit again."""
        self.pick(
            self.flip, self.cut, self.swap, self.edit, self.edit, self.edit,
            self.rewrite_text, self.rewrite_weights, self.rewrite_header, self.replace,
        )(folder)  # fmt: skip
        if self.chance.random() < 0.5 or not all((folder / name).is_file() for name in FILES):
            return False
        try:
            seal(folder)
        except (ValueError, TypeError, RecursionError):
            return False  # beyond a forger's skill
        return True

    def flip(self, folder: Path) -> None:
        file = folder / self.pick(*FILES)
        data = bytearray(file.read_bytes())
        for _ in range(self.pick(1, 1, 1, 20)):
            data[self.chance.integers(len(data))] ^= 1 << self.chance.integers(8)
        file.write_bytes(bytes(data))

    def cut(self, folder: Path) -> None:
        file = folder / self.pick(*FILES)
        data = file.read_bytes()
        end = int(self.chance.integers(len(data)))
        file.write_bytes(
            self.pick(data[:end], data[end:], data + data[:end], data[:end] + bytes(9))
        )

    def swap(self, folder: Path) -> None:
        one, other = self.chance.permutation(FILES)[:2]
        (folder / one).rename(folder / "x")
        (folder / other).rename(folder / one)
        (folder / "x").rename(folder / other)

    def value(self) -> Any:
        """Return some JSON value that nobody expects."""
        return self.pick(
            None, True, -1, 0, 2, 10**9, 10**30, 1.5, float("nan"), float("inf"), "", "linear", "mlp", "knn",
            "none", "x" * 10_000, [], [1], [0], [-1, 2], [1.0], [10**9], ["a"], ["a", "b"], ["b", "a", "c"],
            [1 << 24] * 3, {}, {"a": 1}, [[[]]], ["a", None], "\x00", "0" * 64,
        )  # fmt: skip

    def edit(self, folder: Path) -> None:
        found = json.loads((folder / DESCRIPTION).read_text())
        for _ in range(self.pick(1, 1, 2, 4)):
            where = self.pick(found, found, found.get("settings"))
            where = where if isinstance(where, dict) else found
            key = self.pick(*where, "another")
            if self.chance.random() < 0.2:
                where.pop(key, None)
            else:
                where[key] = self.value()
        (folder / DESCRIPTION).write_text(json.dumps(found))

    def rewrite_text(self, folder: Path) -> None:
        depth = int(self.chance.integers(1, 3000))
        whole = (folder / DESCRIPTION).read_text()
        text = self.pick(
            "", "null", "[" * depth, '{"kind":' * depth + "1" + "}" * depth, "9" * 5000, "\ufeff" + whole,
            '"\\ud800"', whole.replace('"x": 1', f'"x": {"[" * depth}{"]" * depth}'),
            whole.replace('"x": 1', f'"x": {"9" * depth}'), whole.replace(": 6,", f": {'6' * depth},"),
            whole.replace('"vgg16"', '"\\ud800"'), whole + whole, json.dumps([json.loads(whole)]),
        )  # fmt: skip
        (folder / DESCRIPTION).write_text(text)

    def rewrite_weights(self, folder: Path) -> None:
        found = load_file(folder / WEIGHTS)
        name = self.pick(*found)
        values = found[name].copy()
        if self.chance.random() < 0.5:
            values.flat[self.chance.integers(values.size)] = self.pick(np.nan, np.inf, -np.inf)
            found[name] = values
        else:
            found[self.pick(name, "more")] = self.pick(
                values[:-1].copy(), values.astype(np.float16), values.astype(np.float64), values[None],
                values.view(np.int32), np.zeros(0, np.float32), np.zeros((), np.float32),
            )  # fmt: skip
        (folder / WEIGHTS).write_bytes(save(found))

    def rewrite_header(self, folder: Path) -> None:
        data = (folder / WEIGHTS).read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = data[8 : 8 + length].decode()
        header = self.pick(
            header.replace("F32", self.pick("BF16", "F8_E4M3", "F64", "BOOL", "X", "C64")),
            header.replace("[5,8]", self.pick("[5,-8]", "[8,5]", "[99999999999,8]", "null", "[40]")),
            header.replace('"data_offsets":[', '"data_offsets":[9'), "{}", "[" * 5000, header[:-1],
            header.replace("classes/bias", "hidden_1/bias"),
        )  # fmt: skip
        encoded = header.encode()
        claimed = self.pick(len(encoded), 0, 1 << 40, len(encoded) + 1)
        (folder / WEIGHTS).write_bytes(claimed.to_bytes(8, "little") + encoded + data[8 + length :])

    def replace(self, folder: Path) -> None:
        file = folder / self.pick(*FILES)
        file.unlink()
        self.pick(
            lambda: None, file.mkdir, lambda: os.mkfifo(file), lambda: file.symlink_to("nowhere"),
            lambda: file.symlink_to(file), lambda: file.symlink_to("/dev/zero"),
            lambda: file.write_bytes(self.chance.bytes(500)),
        )()  # fmt: skip


@pytest.mark.parametrize("seed", range(FAULTS // 100))
def test_no_damaged_folder_gives_a_traceback_or_a_wrong_head(seed: int, tmp_path: Path) -> None:
    written = saved()
    refused = 0
    write_head(tmp_path / "whole", written, [two_predictions()])
    for number in range(100):
        folder = shutil.copytree(tmp_path / "whole", tmp_path / str(number))
        forged = Vandal(1000 * seed + number).damage(folder)
        head, table = attempt(read_head, folder), attempt(read_table, folder)
        assert head is None or forged or equal(head, written)
        assert table is None or table.path == two_predictions().path
        refused += head is None
    assert 50 < refused < 100


def read_table(folder: Path) -> Predictions:
    """Read all predictions of a head."""
    return join_predictions(read_head_predictions(folder))


def attempt(read: Callable[[Path], Any], folder: Path) -> Any:
    """Return what was read, or None where it was refused in a message; nothing else is caught."""
    try:
        return read(folder)
    except HeadError as error:
        return None if "run the stage train" in str(error) else error
