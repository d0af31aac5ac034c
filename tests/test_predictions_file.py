"""The file of predictions: what is written is read back, and damage is named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import PredictionsError
from pipeline.predictions import Predictions, join_answers, join_predictions, log_losses
from pipeline.predictions_file import read_blocks, read_predictions, write_predictions
from tests.tables import two_predictions

TABLE = """\
split,sha256,path,label,cat,dog
train,aa,train/cat/1.jpg,cat,0.9,0.1
val,bb,val/dog/2.jpg,dog,0.25,0.75
"""


def test_the_file_is_a_plain_table_with_class_names(tmp_path: Path) -> None:
    write_predictions(tmp_path / "deep" / "predictions.csv", [two_predictions()])
    assert (tmp_path / "deep" / "predictions.csv").read_bytes() == TABLE.encode()
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["predictions.csv"]


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)


@st.composite
def tables(draw: st.DrawFn) -> Predictions:
    """Any table, with class names and paths that need quoting."""
    classes = tuple(sorted(draw(st.sets(names, min_size=2, max_size=4))))
    n = draw(st.integers(0, 6))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return Predictions(
        splits=tuple(
            draw(st.lists(st.sampled_from(["train", "val", "test"]), min_size=n, max_size=n))
        ),
        sha256=tuple(draw(st.lists(st.uuids().map(str), min_size=n, max_size=n, unique=True))),
        path=tuple(draw(st.lists(names, min_size=n, max_size=n))),
        labels=rng.integers(0, len(classes), n),
        classes=classes,
        probabilities=rng.dirichlet(np.full(len(classes), 0.2), n).astype(np.float32),
    )


@settings(max_examples=50)
@given(table=tables())
def test_what_is_written_is_read_back(
    table: Predictions, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("predictions") / "predictions.csv"
    write_predictions(path, [table])
    again = read_predictions(path)
    assert (again.splits, again.sha256, again.path) == (table.splits, table.sha256, table.path)
    assert again.classes == table.classes
    assert again.labels.dtype == np.int64
    np.testing.assert_array_equal(again.labels, table.labels)
    np.testing.assert_allclose(again.probabilities, table.probabilities, rtol=1e-6, atol=0)
    first = path.read_bytes()
    write_predictions(path, [again])
    assert path.read_bytes() == first


@pytest.mark.parametrize("name", ["split", "sha256", "path", "label"])
def test_a_class_may_be_called_like_a_column(tmp_path: Path, name: str) -> None:
    classes = tuple(sorted([name, "m"]))
    write_predictions(tmp_path / "p.csv", [replace(two_predictions(), classes=classes)])
    assert read_predictions(tmp_path / "p.csv").classes == classes


@settings(max_examples=50)
@given(table=tables(), cells=st.integers(1, 30))
def test_a_table_in_blocks_is_the_whole_table(
    table: Predictions, cells: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("predictions") / "predictions.csv"
    write_predictions(path, [table])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.predictions_file.BLOCK_CELLS", cells)
        blocks = list(read_blocks(path))
        again = join_predictions(blocks)
        losses = log_losses(again.probabilities, again.labels)
    assert len(blocks) == max(1, -(-len(table) // max(1, cells // (4 + len(table.classes)))))
    assert (again.splits, again.sha256, again.path) == (table.splits, table.sha256, table.path)
    whole = read_predictions(path)
    np.testing.assert_array_equal(again.labels, whole.labels)
    np.testing.assert_array_equal(again.probabilities, whole.probabilities)
    np.testing.assert_array_equal(losses, log_losses(whole.probabilities, whole.labels))
    answers, of_blocks = whole.answers(), join_answers([block.answers() for block in blocks])
    for column in answers.__slots__:
        np.testing.assert_array_equal(getattr(of_blocks, column), getattr(answers, column))
    first = path.read_bytes()
    write_predictions(path, blocks)
    assert path.read_bytes() == first


def test_only_the_rows_asked_for_are_read(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.csv", [two_predictions()])
    (block,) = read_blocks(tmp_path / "p.csv", wanted={"bb", "cc"})
    assert (block.path, block.labels.tolist()) == (("val/dog/2.jpg",), [1])
    (nothing,) = read_blocks(tmp_path / "p.csv", wanted={"cc"})
    assert (len(nothing), nothing.classes) == (0, ("cat", "dog"))


def test_numbers_are_read_as_python_reads_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 2000) ** rng.integers(1, 60, 2000)
    p[:4] = 0, 1, 5e-324, 1e-310
    table = Predictions(
        splits=("val",) * len(p),
        sha256=tuple(map(str, range(len(p)))),
        path=("x",) * len(p),
        labels=np.zeros(len(p), np.int64),
        classes=("cat", "dog"),
        probabilities=np.stack([p, 1 - p], axis=1),
    )
    write_predictions(tmp_path / "p.csv", [table])
    found = read_predictions(tmp_path / "p.csv").probabilities
    assert found.dtype == np.float64
    assert found[:, 0].tolist() == [float(f"{value:.7g}") for value in p]


def test_a_row_that_ends_before_its_sha256_is_no_row_that_nobody_asked_for(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(f"{TABLE}val\n")
    with pytest.raises(PredictionsError, match="row 2 has 1 cells, expected 6"):
        list(read_blocks(tmp_path / "p.csv", wanted={"bb"}))


def test_a_row_asked_for_is_named_by_its_place_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(TABLE.replace("0.75", "0.5"))
    with pytest.raises(PredictionsError, match="row 1, column probabilities"):
        list(read_blocks(tmp_path / "p.csv", wanted={"bb"}))


def test_an_image_in_two_blocks_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    write_predictions(path, [two_predictions()])
    with pytest.raises(PredictionsError, match="aa is there twice in split train"):
        write_predictions(path, [two_predictions(), two_predictions().of_split("train")])
    with pytest.raises(PredictionsError, match="bb is there twice in split val"):
        write_predictions(path, [two_predictions().of_split("val"), two_predictions()])
    assert path.read_text() == TABLE


@pytest.mark.parametrize("cells", [1, 1 << 18])  # of a block: one row, or all
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (TABLE, "", "columns should begin split, sha256, path, label; found nothing"),
        ("path,label", "label,path", "found split, sha256, label, path, cat, dog"),
        (",cat,dog\n", ",dog,cat\n", "alphabetical order; found dog, cat"),
        (",cat,dog\n", ",cat,cat\n", "different names"),
        (",0.75\n", "\n", "row 1 has 5 cells, expected 6"),
        (",0.75\n", ",0.75,1\n", "row 1 has 7 cells, expected 6"),
        ("jpg,cat,", "jpg,cow,", "row 0, column label: no class is called 'cow'. Known: cat, dog"),
        ("0.75", "much", "row 1, column dog: 'much' is not a number"),
        ("0.75", "0_1", "row 1, column dog: '0_1' is not a number"),
        ("0.75", "nan", "row 1, column dog: 'nan' is not a number"),
        ("0.75", "null", "row 1, column dog: 'null' is not a number"),
        ("0.75", "true", "row 1, column dog: 'true' is not a number"),
        ("0.75", "[0.75]", "row 1, column dog: '[0.75]' is not a number"),
        ("0.75", '"""0.75"""', "row 1, column dog: '\"0.75\"' is not a number"),
        ("0.75", "", "row 1, column dog: '' is not a number"),
        ("0.75", "1e999", "row 1, column dog: '1e999' is not a number"),
        ("0.25", "-0.25", "row 1, column probabilities: a probability is negative"),
        ("0.25", "0.24", "row 1, column probabilities: the probabilities do not sum to 1"),
        ("train,aa", "val,bb", "row 1, column sha256: bb is there twice in split val"),
        ("train,", '"train', "is not a table of predictions"),
    ],
)
def test_damage_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str, cells: int
) -> None:
    monkeypatch.setattr("pipeline.predictions_file.BLOCK_CELLS", cells)
    assert old in TABLE
    path = tmp_path / "predictions.csv"
    path.write_text(TABLE.replace(old, new, 1))
    with pytest.raises(
        PredictionsError, match=r"predictions\.csv is not a table of predictions"
    ) as caught:
        read_predictions(path)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"split,", TABLE.encode()])
def test_bytes_that_are_not_text_are_damage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.csv").write_bytes(content + b"\xff\xfe")
    with pytest.raises(PredictionsError, match="utf-8"):
        read_predictions(tmp_path / "p.csv")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"is not a table of predictions: .*directory"):
        read_predictions(tmp_path)


def test_a_missing_file_names_the_stage_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"no predictions at .*The train stage writes them"):
        read_predictions(tmp_path / "p.csv")
