"""An archive's provenance: what is written is read back, and nothing else is believed."""

import os
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.provenance import Provenance, read_provenance, write_provenance


@pytest.mark.parametrize("origin", [None, "https://example.org/ü.zip", os.fsdecode(b"\xff.zip")])
def test_what_is_written_is_read_back(tmp_path: Path, origin: str | None) -> None:
    written = Provenance(
        source="archive", file="a.zip", bytes=5, sha256="0" * 64, origin=origin, files=2
    )
    write_provenance(tmp_path / "provenance.json", written)
    assert read_provenance(tmp_path / "provenance.json") == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "\0" * 9,
        '{"sha256": "0", "files": 2}',
    ],
)
def test_damage_is_answered_with_the_stage_to_run(tmp_path: Path, text: str) -> None:
    path = tmp_path / "provenance.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"json is missing or damaged \(.*run the stage fetch"):
        read_provenance(path)


def test_a_missing_file_is_answered_with_the_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"No such file.*run the stage fetch again"):
        read_provenance(tmp_path / "provenance.json")
