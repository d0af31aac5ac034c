"""The name of an image in its class folder: Keras finds it, and copies cannot collide."""

from collections import Counter
from collections.abc import Mapping, Sequence
from posixpath import basename, splitext
from typing import NamedTuple

# Formats of which Keras reads every kind (of BMP it does not), and the names it finds them by.
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "GIF": (".gif",),
}
OTHER_SUFFIXES = {"TIFF": (".tif", ".tiff"), "HEIF": (".heic", ".heif", ".hif")}
KERAS_SUFFIXES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
# Of the 255 that a file's name may have, so that `__copy1.jpg` and a hash fit behind it.
STEM_BYTES = 200


class Named(NamedTuple):
    """What decides an image's name: its name in the archive, its class, its hash and its format."""

    member: str
    label: str
    sha256: str
    format: str


def name_files(images: Sequence[Named]) -> dict[str, str]:
    """Return sha256 to `<class>/<file>`.

    Names are those of the archive. Where two of a class have the same stem (in any
    capitals), both get a piece of their sha256 behind it; so does a stem that must be cut because
    it is too long.
    """
    split_names = [splitext(basename(image.member)) for image in images]
    stems = Counter(
        (image.label, stem.lower()) for image, (stem, _) in zip(images, split_names, strict=True)
    )
    names = {}
    for image, (stem, suffix) in zip(images, split_names, strict=True):
        short = stem.encode()[:STEM_BYTES].decode(errors="ignore")
        if stems[image.label, stem.lower()] > 1 or short != stem:
            stem = f"{short}-{image.sha256[:12]}"
        if suffix.lower() not in KERAS_SUFFIXES:
            suffix = SUFFIXES.get(image.format, (".png",))[0]
        names[image.sha256] = f"{image.label}/{stem}{suffix}"
    return names
