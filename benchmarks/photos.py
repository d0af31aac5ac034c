"""The photos of an archive, for the benchmarks."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.archives import Member, read_members
from pipeline.labels import label_members
from pipeline.signatures import is_image


def labelled_photos(archive: Path) -> Iterator[tuple[str, Member]]:
    """Yield class and file of each image whose folder or name tells one; the archive is read twice."""
    names, images = [], set()
    for member in read_members(archive):
        names.append(member.name)
        if is_image(*member):
            images.add(member.name)
    labels = {one.name: one.label for one in label_members(names, images) if one}
    for member in read_members(archive):
        if member.name in labels and member.name in images:
            yield labels[member.name], member
