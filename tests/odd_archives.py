"""Builds archives for the tests: good ones, odd ones, and ones that no tool would write."""

import gzip
import io
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

Build = Callable[[Path], Path]

IMAGE = b"\xff\xd8\xff" + bytes(range(256))
GOOD = {"flowers/daisy/1.jpg": IMAGE, "flowers/rose/1.jpg": IMAGE[::-1]}
MIB = 1 << 20


def zip_bytes(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip of files; `writestr` takes any name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def zip_of(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Build:
    """Build a zip of the good files and these."""
    return lambda folder: written(folder / "pack.zip", zip_bytes({**GOOD, **files}, compression))


def zip_with(name: str, *, mode: int = 0, flags: int = 0, data: bytes = IMAGE) -> Build:
    """Build a zip with one member of an odd mode or odd flags."""

    def build(folder: Path) -> Path:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for good, content in GOOD.items():
                archive.writestr(good, content)
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data)
            info.flag_bits |= flags  # the directory at the end is written with it
        return written(folder / "pack.zip", buffer.getvalue())

    return build


def tar_bytes(members: list[tuple[tarfile.TarInfo, bytes]], **options: object) -> bytes:
    """Return a plain tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as archive:  # type: ignore[arg-type]
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def tar_files(files: dict[str, bytes]) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Return files as a tar's members."""
    return [(tarfile.TarInfo(name), data) for name, data in files.items()]


def tar_folders(*names: str) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Return folders as a tar's members."""
    infos = [tarfile.TarInfo(name) for name in names]
    for info in infos:
        info.type = tarfile.DIRTYPE
    return [(info, b"") for info in infos]


def tgz_bytes(files: dict[str, bytes]) -> bytes:
    """Return a tgz of files, and of folders, whose names end in `/`."""
    folders = [name for name in files if name.endswith("/")]
    plain = {name: data for name, data in files.items() if name not in folders}
    return gzip.compress(tar_bytes([*tar_files(plain), *tar_folders(*folders)]))


def tgz_with(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Build:
    """Build a tgz of the good files and one odd member."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    data = IMAGE if kind == tarfile.REGTYPE else b""
    return lambda folder: written(
        folder / "pack.tgz", gzip.compress(tar_bytes([*tar_files(GOOD), (info, data)]))
    )


def raw(name: str, content: bytes | Callable[[], bytes]) -> Build:
    """Build a file of given bytes."""
    return lambda folder: written(
        folder / name, content if isinstance(content, bytes) else content()
    )


def written(path: Path, content: bytes) -> Path:
    """Write a file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def folder_of(files: dict[str, bytes]) -> Build:
    """Build a folder."""

    def build(folder: Path) -> Path:
        for name, data in files.items():
            written(folder / "pack" / name, data)
        return folder / "pack"

    return build


def folder_with(place: Callable[[Path], object]) -> Build:
    """Build the good folder and put something odd into it."""

    def build(folder: Path) -> Path:
        path = folder_of(GOOD)(folder)
        place(path)
        return path

    return build


GOOD_TAR = tar_bytes(tar_files(GOOD))


def with_nul_in_name() -> bytes:
    return zip_bytes({**GOOD, "flowers/rose/x!.jpg": IMAGE}).replace(
        b"rose/x!.jpg", b"rose/x\0.jpg"
    )


def with_two_members_in_one() -> bytes:
    """A zip whose directory names the same compressed bytes twice, under one local header."""
    content = bytearray(zip_bytes({**GOOD, "flowers/rose/2.jpg": IMAGE}))
    second = content.rindex(b"PK\x01\x02")
    offset_of_first_rose = bytes(content).index(b"PK\x03\x04", 4)
    struct.pack_into("<L", content, second + 42, offset_of_first_rose)
    return bytes(content)


def with_other_name_in_local_header() -> bytes:
    content = zip_bytes(GOOD)
    return content.replace(b"rose", b"nose", 1)  # the local header comes first


def with_changed_byte() -> bytes:
    return zip_bytes(GOOD).replace(IMAGE, b"\0" + IMAGE[1:], 1)


def with_huge_declared_size() -> bytes:
    """A zip that declares 4 GB for a member of a few bytes."""
    content = bytearray(zip_bytes(GOOD))
    entry = content.rindex(b"PK\x01\x02")
    struct.pack_into("<L", content, entry + 24, 0xFFFFFFF0)
    return bytes(content)


def with_unknown_compression() -> bytes:
    content = bytearray(zip_bytes(GOOD))
    struct.pack_into("<H", content, content.rindex(b"PK\x01\x02") + 10, 99)
    return bytes(content)


def tar_with_broken_header() -> bytes:
    """A tar whose second header is wrong: Python's tarfile takes it for the end."""
    content = bytearray(tar_bytes(tar_files({**GOOD, "flowers/rose/2.jpg": IMAGE})))
    content[1024:1032] = b"\xaa" * 8  # the name, so that the checksum fails
    return bytes(content)


def tar_with_huge_long_name() -> bytes:
    """A tar whose long-name header declares 300 MiB, which tarfile would read at once."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 300 * MIB
    return tar_bytes(tar_files(GOOD))[:2048] + info.tobuf(tarfile.GNU_FORMAT) + bytes(10240)


def tar_with_negative_size() -> bytes:
    info = tarfile.TarInfo("flowers/rose/2.jpg")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"  # base 256: -512
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return tar_bytes(tar_files(GOOD))[:2048] + bytes(header) + bytes(10240)


def nested(depth: int) -> bytes:
    content = zip_bytes(GOOD)
    for level in range(depth):
        content = zip_bytes({f"level{level}.zip": content})
    return content


def tgz_cut_short() -> bytes:
    noise = random.Random(7).randbytes(200_000)
    return gzip.compress(tar_bytes(tar_files({**GOOD, "flowers/rose/2.jpg": noise})))[:100_000]


def old_tar() -> bytes:
    """A tar without the `ustar` magic, as Unix version 7 wrote them."""
    content = bytearray(GOOD_TAR)
    for start in (0, 1024):
        content[start + 257 : start + 265] = bytes(8)
        content[start + 148 : start + 156] = b"        "
        content[start + 148 : start + 156] = b"%06o\0 " % sum(content[start : start + 512])
    return bytes(content)
