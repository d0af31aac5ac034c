"""What happens to the photos between two runs. Each takes the folder of photos and how many of them."""

import os
import shutil
from pathlib import Path

from PIL import Image, ImageOps


def some(photos: Path, count: int) -> list[Path]:
    """Return photos from all over the folder."""
    files = sorted(photos.glob("*/*"))
    return files[:: max(1, len(files) // count)][:count]


def add(photos: Path, count: int) -> None:
    """Add photos: mirror images of some."""
    for path in some(photos, count):
        with Image.open(path) as image:
            ImageOps.mirror(image.convert("RGB")).save(
                path.with_name(f"mirrored_{path.stem}.jpg"), quality=90
            )


def rename(photos: Path, count: int) -> None:
    """Give photos another name."""
    for path in some(photos, count):
        path.rename(path.with_name(f"renamed_{path.name}"))


def touch(photos: Path, count: int) -> None:
    """Give photos another time."""
    for path in some(photos, count):
        os.utime(path)


def duplicate(photos: Path, count: int) -> None:
    """Add identical copies."""
    for path in some(photos, count):
        shutil.copyfile(path, path.with_name(f"copy_of_{path.name}"))


def overwrite(photos: Path, count: int, *, same_size: bool = False) -> None:
    """Write another photo into the same file, and put its time back."""
    for path in some(photos, count):
        before = path.stat()
        with Image.open(path) as image:
            dark = image.convert("RGB").point(lambda value: value // 3)
        dark.save(path, "JPEG", quality=40)
        if same_size:  # bytes after the end of a JPEG mean nothing
            data = path.read_bytes()
            path.write_bytes(data + bytes(before.st_size - len(data)))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def relabel(photos: Path, count: int) -> None:
    """Move photos into the folder of another class."""
    classes = sorted(path for path in photos.iterdir() if path.is_dir())
    for path in some(photos, count):
        other = classes[(classes.index(path.parent) + 1) % len(classes)]
        path.rename(other / f"from_{path.parent.name}_{path.name}")


def nothing(photos: Path, count: int) -> None:
    """Leave all as it is."""
