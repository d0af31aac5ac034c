"""The hostile and the odd archives: how each is built, and how each must end."""

import bz2
import gzip
import os
import stat
import tarfile
import unicodedata
import zipfile
from pathlib import Path

from tests.odd_archives import (
    GOOD,
    GOOD_TAR,
    IMAGE,
    MIB,
    Build,
    folder_of,
    folder_with,
    nested,
    old_tar,
    raw,
    tar_bytes,
    tar_files,
    tar_folders,
    tar_with_broken_header,
    tar_with_huge_long_name,
    tar_with_negative_size,
    tgz_cut_short,
    tgz_with,
    with_changed_byte,
    with_huge_declared_size,
    with_nul_in_name,
    with_other_name_in_local_header,
    with_two_members_in_one,
    with_unknown_compression,
    written,
    zip_bytes,
    zip_of,
    zip_with,
)

ZEROS = bytes(64 * MIB)
HOSTILE: dict[str, tuple[Build, str]] = {
    # names that lead elsewhere
    "zip climbs": (
        zip_of({"../evil.jpg": IMAGE}),
        r"'\.\./evil\.jpg' climbs out .*expected paths inside",
    ),
    "zip climbs late": (zip_of({"flowers/../../evil.jpg": IMAGE}), "climbs out"),
    "zip absolute": (zip_of({"/tmp/evil.jpg": IMAGE}), "'/tmp/evil.jpg' has an absolute path"),
    "zip drive letter": (zip_of({"C:/evil.jpg": IMAGE}), "'C:/evil.jpg' has an absolute path"),
    "zip backslashes": (
        zip_of({"..\\evil.jpg": IMAGE}),
        r"has a backslash in its name; expected '/'",
    ),
    "zip share": (zip_of({"\\\\host\\share\\evil.jpg": IMAGE}), "has a backslash"),
    "zip folder climbs": (zip_of({"../evil/": b""}), "climbs out"),
    "zip no name": (zip_of({"./.": IMAGE}), "has no name"),
    "zip NUL": (
        raw("pack.zip", with_nul_in_name),
        r"x\\x00\.jpg' has control or undecodable characters",
    ),
    "zip newline": (zip_of({"flowers/rose/\n.jpg": IMAGE}), r"has control or undecodable"),
    "zip long part": (
        zip_of({f"flowers/{'x' * 300}.jpg": IMAGE}),
        "has too long a name; expected at most 255",
    ),
    "zip long name": (zip_of({"x/" * 600 + "1.jpg": IMAGE}), "has too long a name"),
    "zip long in UTF-8": (zip_of({"flowers/" + "ü" * 150 + ".jpg": IMAGE}), "has too long a name"),
    "tgz climbs": (tgz_with("../evil.jpg"), "climbs out"),
    "tgz absolute": (tgz_with("/tmp/evil.jpg"), "has an absolute path"),
    "tgz not UTF-8": (
        tgz_with("flowers/rose/caf\udce9.jpg"),
        r"caf\\udce9\.jpg' has control or undecodable",
    ),
    "inner zip climbs": (
        raw("pack.zip", lambda: zip_bytes({"in.zip": zip_bytes({"../../evil.jpg": IMAGE})})),
        "climbs out",
    ),
    # what is not a plain file
    "zip symbolic link": (
        zip_with("flowers/rose/2.jpg", mode=stat.S_IFLNK | 0o777, data=b"/etc/passwd"),
        "'flowers/rose/2.jpg' is a symbolic link; expected plain files",
    ),
    "zip device": (zip_with("flowers/rose/2.jpg", mode=stat.S_IFCHR), "is a device"),
    "zip pipe": (zip_with("flowers/rose/2.jpg", mode=stat.S_IFIFO), "is a named pipe"),
    "zip encrypted": (
        zip_with("flowers/rose/2.jpg", flags=0x1),
        "'flowers/rose/2.jpg' is encrypted",
    ),
    "zip strongly encrypted": (zip_with("flowers/rose/2.jpg", flags=0x40), "is encrypted"),
    "tgz symbolic link": (
        tgz_with("flowers/rose/2.jpg", tarfile.SYMTYPE, "/etc/passwd"),
        "is a symbolic link",
    ),
    "tgz hard link": (
        tgz_with("flowers/rose/2.jpg", tarfile.LNKTYPE, "/etc/passwd"),
        "is a hard link",
    ),
    "tgz device": (tgz_with("flowers/rose/2.jpg", tarfile.CHRTYPE), "is a device"),
    "tgz block device": (tgz_with("flowers/rose/2.jpg", tarfile.BLKTYPE), "is a device"),
    "tgz pipe": (tgz_with("flowers/rose/2.jpg", tarfile.FIFOTYPE), "is a named pipe"),
    "tgz unknown kind": (tgz_with("flowers/rose/2.jpg", b"V"), "is of an unknown kind"),
    "folder with link": (
        folder_with(lambda path: (path / "flowers/rose/2.jpg").symlink_to("/etc/passwd")),
        "'flowers/rose/2.jpg' is a symbolic link",
    ),
    "folder with linked folder": (
        folder_with(lambda path: (path / "flowers/etc").symlink_to("/etc")),
        "'flowers/etc' is a symbolic link",
    ),
    "folder with pipe": (
        folder_with(lambda path: os.mkfifo(path / "flowers/rose/2.jpg")),
        "is a named pipe",
    ),
    "folder with bad name": (
        folder_with(
            lambda path: Path(os.fsdecode(os.fsencode(path) + b"/caf\xe9.jpg")).write_bytes(IMAGE)
        ),
        "control or undecodable",
    ),
    # bombs
    "zip bomb": (
        zip_of({"flowers/rose/2.jpg": ZEROS}, zipfile.ZIP_DEFLATED),
        "'flowers/rose/2.jpg' looks like a zip bomb: .*at most 200 times as many",
    ),
    "tgz bomb": (
        raw(
            "pack.tgz",
            lambda: gzip.compress(tar_bytes(tar_files({**GOOD, "flowers/rose/2.jpg": ZEROS}))),
        ),
        "looks like a zip bomb",
    ),
    "zip bomb in zip": (
        raw(
            "pack.zip",
            lambda: zip_bytes({"in.zip": zip_bytes({"a.jpg": ZEROS}, zipfile.ZIP_DEFLATED)}),
        ),
        "'in.zip/a.jpg' looks like a zip bomb",
    ),
    "zip shares bytes": (raw("pack.zip", with_two_members_in_one), "begins inside"),
    "zip huge size": (
        raw("pack.zip", with_huge_declared_size),
        r"has 4,294,967,280 bytes; expected at most",
    ),
    "zip too deep": (
        raw("pack.zip", lambda: nested(3)),
        "is archive in archive, 3 deep; expected at most 2",
    ),
    "tar huge long name": (
        raw("pack.tar", tar_with_huge_long_name),
        "a header declares 314,572,800 bytes; expected at most 268,435,456",
    ),
    "tar negative size": (raw("pack.tar", tar_with_negative_size), "has a size of -512 bytes"),
    # one name for two things
    "zip twice": (
        raw("pack.zip", lambda: zip_bytes(GOOD | {"./flowers/rose/1.jpg": IMAGE})),
        "'flowers/rose/1.jpg' is there twice; expected every name once",
    ),
    "tgz twice": (tgz_with("flowers/rose/1.jpg"), "is there twice"),
    "zip file case": (zip_of({"flowers/rose/1.JPG": IMAGE}), "clashes with 'flowers/rose/1.jpg'"),
    "zip folder case": (zip_of({"flowers/Rose/2.jpg": IMAGE}), "clashes with 'flowers/rose/'"),
    "zip accent forms": (
        zip_of(
            {unicodedata.normalize(form, "flowers/rose/é.jpg"): IMAGE for form in ("NFC", "NFD")}
        ),
        "is there twice",
    ),
    "zip file and folder": (zip_of({"flowers/rose": IMAGE}), "clashes with 'flowers/rose/'"),
    # damage
    "empty file": (raw("pack.zip", b""), r"pack\.zip is empty; expected a \.zip, \.tar"),
    "not an archive": (
        raw("pack.zip", b"<html>not found</html>"),
        r"begins with b'<html>no'; expected a \.zip",
    ),
    "Git LFS pointer": (
        raw("pack.zip", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
        r"pack\.zip is a Git LFS pointer, not the archive: run `git lfs pull`",
    ),
    "gzipped image": (raw("pack.tgz", gzip.compress(IMAGE)), "begins with"),
    "bzip2": (
        raw("pack.tar.bz2", bz2.compress(GOOD_TAR)),
        r"begins with b'BZh9.*; expected a \.zip",
    ),
    "zip cut short": (raw("pack.zip", zip_bytes(GOOD)[:-30]), "is damaged or cut short"),
    "zip end alone": (raw("pack.zip", zip_bytes(GOOD)[300:]), "begins with"),
    "zip changed byte": (raw("pack.zip", with_changed_byte), "flowers/daisy/1.jpg is damaged.*CRC"),
    "zip two names": (raw("pack.zip", with_other_name_in_local_header), "is damaged"),
    "zip unknown compression": (
        raw("pack.zip", with_unknown_compression),
        "cannot be unpacked: .*Pack it again",
    ),
    "tgz cut short": (raw("pack.tgz", tgz_cut_short), "is damaged or cut short"),
    "tgz without trailer": (
        raw("pack.tgz", gzip.compress(GOOD_TAR)[:-8]),
        "is damaged or cut short",
    ),
    "tgz bad checksum": (raw("pack.tgz", gzip.compress(GOOD_TAR)[:-8] + bytes(8)), "is damaged"),
    "tar cut between members": (
        raw("pack.tar", GOOD_TAR[:1024]),
        "no valid header and no end mark at byte 1,024",
    ),
    "tar cut in a member": (raw("pack.tar", GOOD_TAR[:700]), "is damaged or cut short"),
    "tar broken header": (
        raw("pack.tar", tar_with_broken_header),
        "no valid header and no end mark",
    ),
    "two tars in one": (raw("pack.tar", GOOD_TAR + GOOD_TAR), "more data follows the end mark"),
    "broken inner zip": (
        raw("pack.zip", zip_bytes({"in.zip": zip_bytes(GOOD)[:-30]})),
        "pack.zip: in.zip is damaged",
    ),
    "inner zip is none": (
        raw("pack.zip", zip_bytes({"in.zip": b"no"})),
        r"in\.zip begins with b'no'; expected",
    ),
}

ODD: dict[str, tuple[Build, list[str]]] = {
    "zip stored": (zip_of({}), list(GOOD)),
    "zip deflated": (zip_of({}, zipfile.ZIP_DEFLATED), list(GOOD)),
    "zip named tgz": (raw("pack.tgz", zip_bytes(GOOD)), list(GOOD)),
    "tgz": (raw("pack.tgz", gzip.compress(GOOD_TAR)), list(GOOD)),
    "tar": (raw("pack.tar", GOOD_TAR), list(GOOD)),
    "tar of the seventies": (
        raw("pack.tar", lambda: old_tar()),
        list(GOOD),
    ),
    "tgz in two parts": (
        raw("pack.tgz", gzip.compress(GOOD_TAR[:999]) + gzip.compress(GOOD_TAR[999:])),
        list(GOOD),
    ),
    "tar from a dot": (
        raw(
            "pack.tar",
            lambda: tar_bytes(tar_files({f"./{name}": data for name, data in GOOD.items()})),
        ),
        list(GOOD),
    ),
    "zip with folders": (
        zip_of({"flowers/": b"", "flowers/tulip/": b"", "b/c/d/": b"", "__MACOSX/": b""}),
        [*GOOD, "b/", "flowers/tulip/"],
    ),
    "tar with folders": (
        raw(
            "pack.tar",
            lambda: tar_bytes([*tar_files(GOOD), *tar_folders("./", "flowers/rose", "a/b")]),
        ),
        [*GOOD, "a/"],
    ),
    "empty zip in zip": (
        raw("pack.zip", lambda: zip_bytes({**GOOD, "tulip.zip": zip_bytes({})})),
        [*GOOD, "tulip.zip/"],
    ),
    "folder with empty folders": (
        folder_with(
            lambda folder: (
                (folder / "flowers/fern/old").mkdir(parents=True),
                written(folder / "flowers/tulip/.DS_Store", b"x"),
            )
        ),
        [*GOOD, "flowers/fern/", "flowers/tulip/"],
    ),
    "spaces and letters": (
        zip_of({"flowers/Löwenzahn 蒲公英/ein Bild.jpg": IMAGE}),
        [*GOOD, "flowers/Löwenzahn 蒲公英/ein Bild.jpg"],
    ),
    "decomposed accents": (
        zip_of({"flowers/rose\u0301/1.jpg": IMAGE}),
        [*GOOD, "flowers/ros\u00e9/1.jpg"],
    ),
    "narrow space, joined emoji": (
        zip_of({"flowers/rose/10.00\u202fAM \U0001f469\u200d\U0001f33e.jpg": IMAGE}),
        [*GOOD, "flowers/rose/10.00\u202fAM \U0001f469\u200d\U0001f33e.jpg"],
    ),
    "zip in code page 437": (
        raw(
            "pack.zip",
            lambda: zip_bytes({**GOOD, "flowers/rose/cafX.jpg": IMAGE}).replace(
                b"cafX", b"caf\x82"
            ),
        ),
        [*GOOD, "flowers/rose/café.jpg"],
    ),
    "zip in UTF-8 without saying so": (
        raw(
            "pack.zip",
            lambda: zip_bytes({**GOOD, "rose/cafXX.jpg": IMAGE}).replace(b"XX", "é".encode()),
        ),
        [*GOOD, "rose/café.jpg"],
    ),
    "what macOS leaves": (
        zip_of(
            {
                "__MACOSX/flowers/rose/._1.jpg": b"x",
                "flowers/.DS_Store": b"x",
                "flowers/rose/._1.jpg": b"x",
            }
        ),
        list(GOOD),
    ),
    "not only images": (
        zip_of({"flowers/rose/Thumbs.db": b"x", "Desktop.ini": b"x", "LICENSE.txt": b"x"}),
        [*GOOD, "LICENSE.txt"],
    ),
    "zip in zip": (raw("pack.zip", lambda: nested(1)), [f"level0.zip/{name}" for name in GOOD]),
    "zip in zip in zip": (
        raw("pack.zip", lambda: nested(2)),
        [f"level1.zip/level0.zip/{name}" for name in GOOD],
    ),
    "tgz in zip": (
        raw("pack.zip", lambda: zip_bytes({"in.TGZ": gzip.compress(GOOD_TAR)})),
        [f"in.TGZ/{name}" for name in GOOD],
    ),
    "empty images": (zip_of({"flowers/rose/0.jpg": b""}), [*GOOD, "flowers/rose/0.jpg"]),
    "empty zip": (raw("pack.zip", zip_bytes({})), []),
    "empty tar": (raw("pack.tar", bytes(10240)), []),
    "folder": (folder_of(GOOD), list(GOOD)),
    "folder in disorder": (
        folder_of({"b/2.jpg": b"", "b/10.jpg": b"", "a/1.jpg": b""}),
        ["a/1.jpg", "b/10.jpg", "b/2.jpg"],
    ),
}
