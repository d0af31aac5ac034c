"""What an archive is and where it came from: `fetch` writes it beside the archive, `split` reads it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import SourceError, first_line
from pipeline.files import atomic_write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What an archive file is and where it came from; the same for the same file on any day.

    Attributes:
        source: The params key's value.
        file: The file's name.
        bytes: Its size.
        sha256: Of its bytes, hexadecimal.
        origin: URL without credentials or query, Kaggle handle, or base name of a local
            archive; None for drawn images.
        files: Number of files in it, those of inner archives counted one by one.
    """

    source: str
    file: str
    bytes: int
    sha256: str
    origin: str | None
    files: int


def write_provenance(path: Path, provenance: Provenance) -> None:
    """Write it as JSON."""
    atomic_write_json(path, asdict(provenance))


def read_provenance(path: Path) -> Provenance:
    """Read what `write_provenance` wrote.

    Raises:
        SourceError: The file is missing or damaged.
    """
    try:
        return Provenance(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise SourceError(
            f"{path} is missing or damaged ({first_line(error)}): run the stage fetch again."
        ) from None
