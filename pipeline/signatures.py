"""Which files are images, told by their first bytes; a name tells it only of those that have lost them."""

_BEGINNINGS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # of more than 4 GB
    (b"MM\x00+", "TIFF"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
)
_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})  # bytes; `BM` alone may begin a text
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIF"
)
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
NOT_FETCHED = "a Git LFS pointer, not the image: run `git lfs pull`"
NOT_AN_IMAGE = "not an image"
READABLE = "JPEG, PNG, GIF, BMP, WebP, TIFF, HEIC or AVIF"
_NOT_READ = ("JPEG2000", "JPEG XL")
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"}
    | {".heic", ".heif", ".avif", ".jp2", ".jxl"}
)


def format_of(data: bytes) -> str:
    """Return the format that a file's first bytes tell, as Pillow calls it; empty if it is no image."""
    for beginning, name in _BEGINNINGS:
        if data.startswith(beginning):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return _BRANDS.get(data[8:12], "") if data[4:8] == b"ftyp" else ""


def is_image(name: str, data: bytes) -> bool:
    """Tell whether a file is one by its content, or was meant to be one by its name."""
    return bool(format_of(data)) or suffix_of(name) in IMAGE_SUFFIXES


def is_lfs_pointer(data: bytes) -> bool:
    """Tell whether a file is what git keeps in the place of one that Git LFS holds."""
    return data.startswith(_LFS_POINTER)


def explain_fault(data: bytes, fault: str) -> str:
    """Say why a file cannot be used: what the decoder says, or more where the first bytes tell it."""
    found = format_of(data)
    if is_lfs_pointer(data):
        return NOT_FETCHED
    if found in _NOT_READ:
        return f"{found} is not read: expected {READABLE}"
    return f"damaged: cannot be read as {found}" if found and fault == NOT_AN_IMAGE else fault


def suffix_of(name: str) -> str:
    """Return the end of a path's last part from its last dot on, in lower case; empty without one."""
    base = name.rpartition("/")[2]
    return "." + base.rpartition(".")[2].lower() if "." in base[1:] else ""
